/* SPDX-License-Identifier: MIT */
#include "daemon/core/order.h"

#include <stddef.h>

void order_init(struct order *order, uint64_t seed, order_is_before *is_before)
{
	*order = (struct order){.seed = seed, .is_before = is_before};
}

static bool comes_before(
	const struct order *order, const struct order_node *a, const struct order_node *b)
{
	return order->is_before ? order->is_before(a, b) : a->key < b->key;
}

/* splitmix64's finalizer: a bijection, so that no two keys have the same rank. */
static uint64_t rank_of(const struct order *order, const struct order_node *node)
{
	uint64_t x = node->key ^ order->seed;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static struct order_node **place_of(struct order *order, const struct order_node *node)
{
	struct order_node *parent = node->parent;

	if (!parent)
		return &order->root;
	return parent->left == node ? &parent->left : &parent->right;
}

static void adopt(struct order_node **place, struct order_node *parent, struct order_node *child)
{
	*place = child;
	if (child)
		child->parent = parent;
}

/* NODE changes places with its parent; the keys' order stays. */
static void rotate_up(struct order *order, struct order_node *node)
{
	struct order_node *parent = node->parent;
	struct order_node **place = place_of(order, parent);

	if (parent->left == node) {
		adopt(&parent->left, parent, node->right);
		node->right = parent;
	} else {
		adopt(&parent->right, parent, node->left);
		node->left = parent;
	}
	adopt(place, parent->parent, node);
	parent->parent = node;
}

/* The last one goes somewhere on the right spine, near its end, with all that ranks lower below:
 * no descent from the root. */
static void append(struct order *order, struct order_node *node)
{
	struct order_node *above = order->last;
	struct order_node *below = NULL;
	uint64_t rank = rank_of(order, node);

	while (above && rank_of(order, above) < rank) {
		below = above;
		above = above->parent;
	}
	adopt(&node->left, node, below);
	adopt(above ? &above->right : &order->root, above, node);
	order->last = node;
}

static void insert_below(struct order *order, struct order_node *node)
{
	struct order_node **place = &order->root;
	struct order_node *parent = NULL;

	while (*place) {
		parent = *place;
		place = comes_before(order, node, parent) ? &parent->left : &parent->right;
	}
	adopt(place, parent, node);
	while (node->parent && rank_of(order, node->parent) < rank_of(order, node))
		rotate_up(order, node);
}

void order_insert(struct order *order, struct order_node *node, uint64_t key)
{
	*node = (struct order_node){.key = key};
	if (!order->last || comes_before(order, order->last, node))
		append(order, node);
	else
		insert_below(order, node);
}

static struct order_node *rightmost(struct order_node *node)
{
	while (node->right)
		node = node->right;
	return node;
}

static struct order_node *leftmost(struct order_node *node)
{
	while (node->left)
		node = node->left;
	return node;
}

void order_remove(struct order *order, struct order_node *node)
{
	if (order->last == node)
		order->last = node->left ? rightmost(node->left) : node->parent;
	while (node->left && node->right) {
		bool left_first = rank_of(order, node->left) > rank_of(order, node->right);

		rotate_up(order, left_first ? node->left : node->right);
	}
	adopt(place_of(order, node), node->parent, node->left ? node->left : node->right);
	*node = (struct order_node){.key = node->key};
}

struct order_node *order_first(const struct order *order)
{
	return order->root ? leftmost(order->root) : NULL;
}

struct order_node *order_after(const struct order *order, uint64_t key)
{
	struct order_node *node = order->root;
	struct order_node *best = NULL;

	while (node) {
		if (node->key > key)
			best = node;
		node = node->key > key ? node->left : node->right;
	}
	return best;
}

struct order_node *order_prev(const struct order_node *node)
{
	if (node->left)
		return rightmost(node->left);
	while (node->parent && node->parent->left == node)
		node = node->parent;
	return node->parent;
}

struct order_node *order_next(const struct order_node *node)
{
	if (node->right)
		return leftmost(node->right);
	while (node->parent && node->parent->right == node)
		node = node->parent;
	return node->parent;
}
