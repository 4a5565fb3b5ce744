/* SPDX-License-Identifier: MIT */
/* The slot numbers of a pool: a bitmap with summary levels of 64 to 1, so that the lowest free
 * number is found in at most four steps. Never allocates after slotmap_new(). */
#ifndef USHER_CORE_SLOTMAP_H
#define USHER_CORE_SLOTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTMAP_MAX (UINT32_C(1) << 24)

struct slotmap;

/* All of 0..CAPACITY-1 free; CAPACITY from 1 to SLOTMAP_MAX. NULL without memory. */
struct slotmap *slotmap_new(uint32_t capacity);
void slotmap_free(struct slotmap *map);

uint32_t slotmap_capacity(const struct slotmap *map);

/* Take the lowest free number; UINT32_MAX if none is free. */
uint32_t slotmap_take(struct slotmap *map);

/* Take number SLOT; false if it is taken or beyond the capacity. */
bool slotmap_take_at(struct slotmap *map, uint32_t slot);

/* Free a taken number. */
void slotmap_put(struct slotmap *map, uint32_t slot);

bool slotmap_is_taken(const struct slotmap *map, uint32_t slot);

/* O(capacity / 64): for checks. */
uint32_t slotmap_count_taken(const struct slotmap *map);

/* Make TO, all free and at least as large, hold the same taken numbers as FROM. */
void slotmap_copy(struct slotmap *to, const struct slotmap *from);

#endif
