/* SPDX-License-Identifier: MIT */
/* When to try again to reach the broker.
 *
 * The first try comes within 10 ms, for a broker that is restarted is back in a blink, and each
 * further one within twice the time, up to a second: no client is noticed to be late then, and a
 * broker that stays away costs next to nothing. Each wait is drawn from the whole range ("full
 * jitter"), for all clients of a broker lose it in the same moment: without it they would come back
 * in one moment, too, and in step ever after. Knows neither connections nor loops.
 */
#ifndef USHER_CLIENT_BACKOFF_H
#define USHER_CLIENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_LEAST_MS 10
#define BACKOFF_MOST_MS  1000

/* All zeros: nothing has failed. */
struct backoff {
	int64_t range_ms; /* of the last wait; 0: none since the broker gave a sign of life */
	int64_t at;       /* not before; CLOCK_MONOTONIC, milliseconds */
};

/* It has failed NOW: draw when to try next, which is returned and kept. */
int64_t backoff_plan(struct backoff *b, int64_t now);

/* The broker has answered. */
void backoff_reset(struct backoff *b);

#endif
