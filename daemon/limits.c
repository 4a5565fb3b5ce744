/* SPDX-License-Identifier: MIT */
#include "daemon/limits.h"

#include "daemon/log.h"

#include <inttypes.h>
#include <sched.h>
#include <sys/resource.h>

#define SPARE_FILES 64 /* loops, listeners, log, configuration, /proc, refused connections */
#define AUTO_MAX    4  /* one lock: more loops than this only wait for it */

unsigned workers_for(int asked, const struct config *config)
{
	int64_t wanted = asked >= 0 ? asked : config->workers;
	cpu_set_t cpus;
	int n;

	if (wanted > 0)
		return (unsigned)wanted;
	n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	return (unsigned)(n < AUTO_MAX ? n : AUTO_MAX);
}

int64_t files_for(const struct config *config)
{
	struct rlimit limit;
	int64_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 2 * config->max_connections;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		return INT64_MAX;
	room = (int64_t)limit.rlim_cur - SPARE_FILES;
	if (limit.rlim_cur < 2 * SPARE_FILES) /* it has to get by with fewer */
		room = (int64_t)(limit.rlim_cur + 1) / 2;
	if (room >= config->max_connections)
		return room;
	log_warning("the limit of %" PRIu64 " open files leaves room for %" PRId64
		    " connections, not max_connections = %" PRId64,
		(uint64_t)limit.rlim_cur, room, config->max_connections);
	return room;
}
