/* SPDX-License-Identifier: MIT */
/* What several records of the description are made of: counters, histograms, pauses. */
#ifndef USHER_DAEMON_HANDOFF_PARTS_H
#define USHER_DAEMON_HANDOFF_PARTS_H

#include "daemon/core/pool.h"
#include "daemon/pack.h"

/* As a field TAG. */
void pack_counters(struct pack_writer *out, uint16_t tag, const struct counters *counters);
void pack_histogram(struct pack_writer *out, uint16_t tag, const struct histogram_copy *copy);
void pack_live_histogram(struct pack_writer *out, uint16_t tag, const struct histogram *histogram);
/* Nothing if it is off. */
void pack_pause(struct pack_writer *out, uint16_t tag, const struct pause *pause);

/* What such a field held; an absent one reads as nothing. 0, -EBADMSG or -ENOMEM. */
int unpack_counters(struct pack_span span, struct counters *ret);
int unpack_histogram(struct pack_span span, struct histogram_copy *ret);
/* The reason is the caller's. */
int unpack_pause(struct pack_span span, struct pause *ret);

#endif
