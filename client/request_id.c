/* SPDX-License-Identifier: MIT */
#include "client/request_id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

int request_id_make(char ret[REQUEST_ID_SIZE])
{
	struct timespec now;
	uint64_t number;
	ssize_t n;

	do
		n = getrandom(&number, sizeof(number), 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(number))
		return -EIO;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(ret, REQUEST_ID_SIZE, "req_%016" PRIx64 "_%" PRId64, number,
		(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	return 0;
}
