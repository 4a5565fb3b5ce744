/* SPDX-License-Identifier: MIT */
/* Intrusive ordered set: a treap (Seidel, Aragon 1996), whose priorities are a hash of each node's
 * unique 64-bit key, so that the same calls build the same tree. Nodes are in the order of their
 * keys, or in one of the owner's. Appending at the end is O(1) expected, all else O(log n)
 * expected; no allocation. */
#ifndef USHER_CORE_ORDER_H
#define USHER_CORE_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct order_node {
	struct order_node *parent;
	struct order_node *left;
	struct order_node *right;
	uint64_t key; /* unique in its set */
};

/* A strict order: ties broken by the keys. What it looks at does not change while a node is in. */
typedef bool order_is_before(const struct order_node *a, const struct order_node *b);

struct order {
	struct order_node *root;
	struct order_node *last; /* NULL if empty */
	uint64_t seed;
	order_is_before *is_before; /* NULL: by key */
};

void order_init(struct order *order, uint64_t seed, order_is_before *is_before);
void order_insert(struct order *order, struct order_node *node, uint64_t key);
void order_remove(struct order *order, struct order_node *node);

static inline bool order_is_empty(const struct order *order)
{
	return !order->root;
}

/* The first node; the one after NODE, or before it; NULL at the end. */
struct order_node *order_first(const struct order *order);
struct order_node *order_next(const struct order_node *node);
struct order_node *order_prev(const struct order_node *node);

/* Of a set by key: the node with the smallest key > KEY; NULL at the end. */
struct order_node *order_after(const struct order *order, uint64_t key);

#endif
