/* SPDX-License-Identifier: MIT */
#include "client/backoff.h"

#include <sys/random.h>

/* From 1 to RANGE_MS. Early in the boot there may be no random numbers yet: without them it is the
 * whole range. */
static int64_t draw(int64_t range_ms)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		return range_ms;
	return 1 + (int64_t)(number % (uint64_t)range_ms);
}

int64_t backoff_plan(struct backoff *b, int64_t now)
{
	b->range_ms = b->range_ms ? b->range_ms * 2 : BACKOFF_LEAST_MS;
	if (b->range_ms > BACKOFF_MOST_MS)
		b->range_ms = BACKOFF_MOST_MS;
	b->at = now + draw(b->range_ms);
	return b->at;
}

void backoff_reset(struct backoff *b)
{
	*b = (struct backoff){0};
}
