/* SPDX-License-Identifier: MIT */
/* Intrusive ordered set by a unique 64-bit key: a treap (Seidel, Aragon 1996), whose priorities are
 * a hash of the key, so that the same calls build the same tree. Appending the largest key is O(1)
 * expected, all else O(log n) expected; no allocation. */
#ifndef USHER_CORE_ORDER_H
#define USHER_CORE_ORDER_H

#include <stdint.h>

struct order_node {
	struct order_node *parent;
	struct order_node *left;
	struct order_node *right;
	uint64_t key;
};

struct order {
	struct order_node *root;
	struct order_node *last; /* the largest key; NULL if empty */
	uint64_t seed;
};

void order_init(struct order *order, uint64_t seed);
void order_insert(struct order *order, struct order_node *node, uint64_t key);
void order_remove(struct order *order, struct order_node *node);

/* The node with the smallest key > KEY (>= 0 with order_first), NULL at the end. */
struct order_node *order_first(const struct order *order);
struct order_node *order_after(const struct order *order, uint64_t key);
struct order_node *order_next(const struct order_node *node);

#endif
