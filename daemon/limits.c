/* SPDX-License-Identifier: MIT */
#include "daemon/limits.h"

#include "daemon/log.h"

#include <inttypes.h>
#include <sched.h>
#include <sys/resource.h>

#define SPARE_FILES 64 /* loops, listeners, log, configuration, /proc, refused connections */
/* Measured with 50 clients on two processors, which the clients need as well (tests/bench): with a
 * request each in flight, two loops serve 0.8 to 0.93 of what one does, for each is woken for fewer
 * of them; with 16, 1.1 times as much. So a processor is left to the clients for each loop; and
 * more than four loops only wait for the one lock. */
#define CPUS_A_LOOP 2
#define AUTO_MAX    4

unsigned workers_for(int asked, const struct config *config)
{
	int64_t wanted = asked >= 0 ? asked : config->workers;
	cpu_set_t cpus;
	int n;

	if (wanted > 0)
		return (unsigned)wanted;
	n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	n /= CPUS_A_LOOP;
	return n < 1 ? 1 : n < AUTO_MAX ? (unsigned)n : AUTO_MAX;
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
	if (limit.rlim_cur / 2 < SPARE_FILES) /* it has to get by with fewer */
		room = (int64_t)(limit.rlim_cur + 1) / 2;
	if (room >= config->max_connections)
		return room;
	log_warning("the limit of %" PRIu64 " open files leaves room for %" PRId64
		    " connections, not max_connections = %" PRId64,
		(uint64_t)limit.rlim_cur, room, config->max_connections);
	return room;
}
