/* SPDX-License-Identifier: MIT */
/* The containers of the core: map, order, heap, slot map, text. */
#include "daemon/core/heap.h"
#include "daemon/core/list.h"
#include "daemon/core/map.h"
#include "daemon/core/order.h"
#include "daemon/core/slotmap.h"
#include "daemon/core/text.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define N 1000

static uint64_t state = 1;

static uint64_t draw(uint64_t below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (state >> 33) % below;
}

/* ---- map ---- */

static struct map map;
static struct map_node nodes[N];

static void new_map(size_t n_buckets)
{
	map_init(&map, calloc(n_buckets, sizeof(struct map_node *)), n_buckets);
}

static bool is_in_map(const struct map_node *node, uint64_t hash)
{
	for (struct map_node *at = map_first(&map, hash); at; at = map_next(at))
		if (at == node)
			return true;
	return false;
}

static size_t count_hash(uint64_t hash)
{
	size_t n = 0;

	for (struct map_node *at = map_first(&map, hash); at; at = map_next(at))
		n++;
	return n;
}

static void grow(void)
{
	size_t n = map_wanted(&map);

	if (n)
		ck_assert_ptr_null(map_give(&map, calloc(n, sizeof(struct map_node *)), n));
	free(map_take_spare(&map));
}

START_TEST(map_finds_what_was_inserted_and_not_removed)
{
	new_map(8);
	for (size_t i = 0; i < N; i++)
		map_insert(&map, &nodes[i], i * 7919);
	for (size_t i = 0; i < N; i += 2)
		map_remove(&map, &nodes[i]);
	for (size_t i = 0; i < N; i++)
		ck_assert_int_eq(is_in_map(&nodes[i], i * 7919), i % 2);
	ck_assert_uint_eq(map.count, N / 2);
	map_deinit(&map);
}
END_TEST

static size_t count_found(size_t first, size_t end)
{
	size_t n = 0;

	for (size_t i = first; i < end; i++)
		n += is_in_map(&nodes[i], nodes[i].hash);
	return n;
}

START_TEST(map_finds_everything_at_each_step_of_its_growth)
{
	new_map(1);
	for (size_t i = 0; i < N; i++) {
		map_insert(&map, &nodes[i], draw(300)); /* many share a hash */
		grow();
		ck_assert_uint_eq(count_found(0, i + 1), i + 1);
	}
	for (size_t i = 0; i < N; i++) {
		map_remove(&map, &nodes[i]);
		ck_assert_uint_eq(count_found(0, N), N - i - 1);
	}
	ck_assert_uint_eq(map.count, 0);
	map_deinit(&map);
}
END_TEST

START_TEST(nodes_of_one_hash_are_found_together_during_growth)
{
	new_map(64);
	map_insert(&map, &nodes[0], 63 + 64);
	map_insert(&map, &nodes[1], 63 + 64);
	ck_assert_ptr_null(map_give(&map, calloc(128, sizeof(struct map_node *)), 128));
	map_insert(&map, &nodes[2], 63 + 64);
	ck_assert_uint_eq(count_hash(63 + 64), 3);
	map_deinit(&map);
}
END_TEST

START_TEST(map_growth_ends_with_the_old_array_handed_back)
{
	struct map_node **old;
	struct map_node **refused = calloc(256, sizeof(*refused));

	new_map(64);
	old = map.buckets;
	map_give(&map, calloc(128, sizeof(struct map_node *)), 128);
	ck_assert_ptr_eq(map_give(&map, refused, 256), refused);
	for (size_t i = 0; i < 16; i++) {
		ck_assert_ptr_null(map_take_spare(&map));
		map_insert(&map, &nodes[i], i);
	}
	ck_assert_ptr_eq(map_give(&map, refused, 256), refused); /* the old one is to be fetched */
	ck_assert_ptr_eq(map_take_spare(&map), old);
	ck_assert_ptr_null(map_take_spare(&map));
	free(old);
	free(refused);
	map_deinit(&map);
}
END_TEST

START_TEST(map_wants_a_larger_array_when_crowded)
{
	new_map(8);
	for (size_t i = 0; i < 8; i++)
		map_insert(&map, &nodes[i], i);
	ck_assert_uint_eq(map_wanted(&map), 0);
	map_insert(&map, &nodes[8], 8);
	ck_assert_uint_eq(map_wanted(&map), 16);
	map_deinit(&map);
}
END_TEST

START_TEST(map_hash_is_siphash_1_3)
{
	/* Of the key 0..15 and the inputs empty, 0, 0 1, ..., as in Rust's core library. */
	static const uint64_t expected[] = {
		UINT64_C(0xabac0158050fc4dc),
		UINT64_C(0xc9f49bf37d57ca93),
		UINT64_C(0x82cb9b024dc7d44d),
	};
	static const uint64_t seed[2] = {
		UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	static const uint64_t no_seed[2];
	static const unsigned char input[] = {0, 1};

	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(map_hash(seed, input, i), expected[i]);
	/* PYTHONHASHSEED=0 python3 -c 'print(hash(b"abcdefghijk"))', of 3.11. */
	ck_assert_int_eq(
		(int64_t)map_hash(no_seed, "abcdefghijk", 11), INT64_C(1450545860578130900));
}
END_TEST

/* ---- order ---- */

static struct order order;
static struct order_node order_nodes[N];
static bool present[N];

static void check_order_nodes(void)
{
	struct order_node *node = order_first(&order);

	for (uint64_t key = 0; key < N; key++) {
		struct order_node *after = order_after(&order, key);

		if (present[key]) {
			ck_assert_ptr_eq(node, &order_nodes[key]);
			node = order_next(node);
		}
		ck_assert_ptr_eq(after, node);
	}
	ck_assert_ptr_null(node);
}

START_TEST(order_goes_through_the_keys_in_order)
{
	order_init(&order, 7, NULL);
	for (int i = 0; i < 4000; i++) {
		uint64_t key = draw(N);

		if (present[key])
			order_remove(&order, &order_nodes[key]);
		else
			order_insert(&order, &order_nodes[key], key);
		present[key] = !present[key];
		if (i % 20 == 0)
			check_order_nodes();
	}
	check_order_nodes();
}
END_TEST

static int depth_of(const struct order_node *node)
{
	int left = node ? depth_of(node->left) : 0;
	int right = node ? depth_of(node->right) : 0;

	return node ? 1 + (left > right ? left : right) : 0;
}

START_TEST(order_stays_flat_when_keys_are_appended)
{
	order_init(&order, 7, NULL);
	for (uint64_t key = 0; key < N; key++)
		order_insert(&order, &order_nodes[key], key);
	ck_assert_int_lt(depth_of(order.root), 40);
	for (uint64_t key = 0; key < N; key++)
		order_remove(&order, &order_nodes[key]);
	ck_assert_ptr_null(order.root);
	ck_assert_ptr_null(order.last);
}
END_TEST

/* By the last digit, then by key. */
static bool digit_is_before(const struct order_node *a, const struct order_node *b)
{
	return a->key % 10 != b->key % 10 ? a->key % 10 < b->key % 10 : a->key < b->key;
}

START_TEST(order_may_be_the_owners_own)
{
	const struct order_node *before = NULL;
	int n = 0;

	order_init(&order, 7, digit_is_before);
	for (uint64_t key = 0; key < 100; key++)
		order_insert(&order, &order_nodes[key], key);
	for (uint64_t key = 0; key < 100; key += 3)
		order_remove(&order, &order_nodes[key]);
	for (struct order_node *node = order_first(&order); node; node = order_next(node), n++) {
		ck_assert(!before || digit_is_before(before, node));
		ck_assert_ptr_eq(order_prev(node), before);
		before = node;
	}
	ck_assert_int_eq(n, 66);
	ck_assert_ptr_eq(order.last, before);
}
END_TEST

START_TEST(an_empty_order_has_no_first)
{
	order_init(&order, 7, NULL);
	ck_assert_ptr_null(order_first(&order));
	ck_assert_ptr_null(order_after(&order, 0));
}
END_TEST

/* ---- heap ---- */

struct item {
	int rank;
	size_t index;
};

static struct item items[N];
static struct heap_slot places[N];
static struct heap heap;

static bool item_is_before(const void *a, const void *b)
{
	const struct item *first = a;
	const struct item *second = b;

	return first->rank != second->rank ? first->rank < second->rank : first < second;
}

static void item_set_index(void *item, size_t index)
{
	((struct item *)item)->index = index;
}

static void fill_heap(void)
{
	heap_init(&heap, item_is_before, item_set_index);
	ck_assert_ptr_null(heap_give(&heap, places, N));
	for (size_t i = 0; i < N; i++) {
		items[i].rank = (int)draw(N / 2);
		heap_insert(&heap, &items[i], items[i].rank);
	}
}

static void check_places(void)
{
	for (size_t i = 0; i < heap.count; i++)
		ck_assert_uint_eq(((struct item *)heap.slots[i].item)->index, i);
}

static void drain_heap_in_order(size_t expected)
{
	const struct item *before = NULL;
	size_t n = 0;

	for (struct item *top; (top = heap_top(&heap)); before = top, n++) {
		ck_assert(!before || item_is_before(before, top));
		heap_remove(&heap, 0);
		ck_assert_uint_eq(top->index, HEAP_NONE);
	}
	ck_assert_uint_eq(n, expected);
}

START_TEST(heap_gives_the_smallest_first)
{
	fill_heap();
	check_places();
	drain_heap_in_order(N);
}
END_TEST

START_TEST(any_item_leaves_the_heap)
{
	fill_heap();
	for (size_t i = 0; i < N; i += 3)
		heap_remove(&heap, items[i].index);
	check_places();
	drain_heap_in_order(N - (N + 2) / 3);
}
END_TEST

START_TEST(a_changed_item_finds_its_place)
{
	fill_heap();
	for (size_t i = 0; i < N; i += 3) {
		items[i].rank = (int)draw(N);
		heap_update(&heap, items[i].index, items[i].rank);
	}
	check_places();
	drain_heap_in_order(N);
}
END_TEST

START_TEST(heap_takes_only_a_larger_array)
{
	static struct heap_slot more[2 * N];

	fill_heap();
	ck_assert_ptr_eq(heap_give(&heap, more, N), more);
	ck_assert_ptr_eq(heap_give(&heap, more, (size_t)2 * N), places);
	drain_heap_in_order(N);
}
END_TEST

/* ---- slot map ---- */

static const uint32_t capacities[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 262144, 262145};

#define N_CAPACITIES ((int)(sizeof(capacities) / sizeof(capacities[0])))

static void take_all(struct slotmap *slots, uint32_t n_free)
{
	uint32_t n = 0;

	while (slotmap_take(slots) == n)
		n++;
	ck_assert_uint_eq(n, n_free);
	ck_assert_uint_eq(slotmap_take(slots), UINT32_MAX);
}

START_TEST(slots_are_taken_lowest_first_until_none_is_left)
{
	uint32_t capacity = capacities[_i];
	struct slotmap *slots = slotmap_new(capacity);

	take_all(slots, capacity);
	slotmap_put(slots, capacity - 1);
	if (capacity > 1)
		slotmap_put(slots, capacity / 3);
	ck_assert_uint_eq(slotmap_take(slots), capacity / 3);
	slotmap_free(slots);
}
END_TEST

START_TEST(the_largest_slot_map_has_all_its_slots)
{
	struct slotmap *slots = slotmap_new(SLOTMAP_MAX);

	ck_assert(slotmap_take_at(slots, SLOTMAP_MAX - 1));
	ck_assert(!slotmap_take_at(slots, SLOTMAP_MAX - 1));
	take_all(slots, SLOTMAP_MAX - 1);
	slotmap_free(slots);
}
END_TEST

START_TEST(a_slot_that_is_taken_or_beyond_cannot_be_taken)
{
	struct slotmap *slots = slotmap_new(70);

	ck_assert(slotmap_take_at(slots, 65));
	ck_assert(!slotmap_take_at(slots, 65));
	ck_assert(!slotmap_take_at(slots, 70));
	ck_assert(slotmap_is_taken(slots, 65));
	ck_assert(!slotmap_is_taken(slots, 64));
	ck_assert(!slotmap_is_taken(slots, 70));
	slotmap_free(slots);
}
END_TEST

static void copy_random_slots(uint32_t from_capacity, uint32_t to_capacity)
{
	struct slotmap *from = slotmap_new(from_capacity);
	struct slotmap *to = slotmap_new(to_capacity);
	uint32_t n_wrong = 0;

	for (uint32_t i = 0; i < from_capacity; i++)
		if (draw(4))
			slotmap_take_at(from, i);
	slotmap_copy(to, from);
	for (uint32_t i = 0; i < to_capacity; i++)
		n_wrong += slotmap_is_taken(to, i) != slotmap_is_taken(from, i);
	for (uint32_t i = 0; i < to_capacity; i++)
		if (!slotmap_is_taken(from, i))
			n_wrong += slotmap_take(to) != i;
	ck_assert_uint_eq(n_wrong, 0);
	ck_assert_uint_eq(slotmap_take(to), UINT32_MAX);
	slotmap_free(from);
	slotmap_free(to);
}

START_TEST(a_copy_has_the_same_taken_slots_and_more_free_ones)
{
	for (int larger = _i; larger < N_CAPACITIES; larger++)
		copy_random_slots(capacities[_i], capacities[larger]);
}
END_TEST

START_TEST(a_copy_of_a_full_map_goes_on_after_it)
{
	struct slotmap *from = slotmap_new(capacities[_i]);
	struct slotmap *to = slotmap_new(capacities[_i] + 1);

	while (slotmap_take(from) != UINT32_MAX)
		;
	slotmap_copy(to, from);
	ck_assert_uint_eq(slotmap_take(to), capacities[_i]);
	slotmap_free(from);
	slotmap_free(to);
}
END_TEST

/* ---- text ---- */

START_TEST(a_text_is_a_copy_with_a_nul)
{
	char bytes[] = "abc";
	struct text *text = text_new(bytes, 3);

	bytes[0] = 'x';
	ck_assert_uint_eq(text->length, 3);
	ck_assert_str_eq(text->bytes, "abc");
	ck_assert_ptr_null(text_unref(text));
}
END_TEST

START_TEST(the_last_reference_is_not_given_up_unless_freed)
{
	struct text *text = text_new("", 0);

	ck_assert_ptr_eq(text_ref(text), text);
	ck_assert(text_unref_unless_last(text));
	ck_assert(!text_unref_unless_last(text));
	text_unref(text);
}
END_TEST

#define THREADS 4
#define TURNS   100000

static void *take_and_give_up(void *text)
{
	size_t n_last = 0;

	for (int i = 0; i < TURNS; i++)
		n_last += !text_unref_unless_last(text_ref(text));
	return (void *)n_last;
}

/* One is held all the time, so none that is given up is the last. */
START_TEST(references_given_up_at_once_are_all_counted)
{
	struct text *text = text_new("", 0);
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give_up, text), 0);
	for (int i = 0; i < THREADS; i++) {
		void *n_last;

		ck_assert_int_eq(pthread_join(threads[i], &n_last), 0);
		ck_assert_ptr_null(n_last);
	}
	ck_assert_uint_eq(text->references, 1);
	text_unref(text);
}
END_TEST

START_TEST(no_text_is_an_empty_text)
{
	ck_assert_ptr_null(text_ref(NULL));
	ck_assert_ptr_null(text_unref(NULL));
	ck_assert_uint_eq(text_length(NULL), 0);
}
END_TEST

/* ---- list ---- */

START_TEST(a_removed_link_points_at_itself_and_may_be_removed_again)
{
	struct list head, a, b;

	list_init(&head);
	list_init(&a);
	list_append(&head, &a);
	list_append(&head, &b);
	list_remove(&a);
	list_remove(&a);
	ck_assert(list_is_empty(&a));
	ck_assert_ptr_eq(head.next, &b);
	ck_assert_ptr_eq(head.prev, &b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("containers");
	TCase *tcase = tcase_create("containers");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, map_finds_what_was_inserted_and_not_removed);
	tcase_add_test(tcase, map_finds_everything_at_each_step_of_its_growth);
	tcase_add_test(tcase, nodes_of_one_hash_are_found_together_during_growth);
	tcase_add_test(tcase, map_growth_ends_with_the_old_array_handed_back);
	tcase_add_test(tcase, map_wants_a_larger_array_when_crowded);
	tcase_add_test(tcase, map_hash_is_siphash_1_3);
	tcase_add_test(tcase, order_goes_through_the_keys_in_order);
	tcase_add_test(tcase, order_stays_flat_when_keys_are_appended);
	tcase_add_test(tcase, order_may_be_the_owners_own);
	tcase_add_test(tcase, an_empty_order_has_no_first);
	tcase_add_test(tcase, heap_gives_the_smallest_first);
	tcase_add_test(tcase, any_item_leaves_the_heap);
	tcase_add_test(tcase, a_changed_item_finds_its_place);
	tcase_add_test(tcase, heap_takes_only_a_larger_array);
	tcase_add_loop_test(
		tcase, slots_are_taken_lowest_first_until_none_is_left, 0, N_CAPACITIES);
	tcase_add_test(tcase, the_largest_slot_map_has_all_its_slots);
	tcase_add_test(tcase, a_slot_that_is_taken_or_beyond_cannot_be_taken);
	tcase_add_loop_test(
		tcase, a_copy_has_the_same_taken_slots_and_more_free_ones, 0, N_CAPACITIES);
	tcase_add_loop_test(tcase, a_copy_of_a_full_map_goes_on_after_it, 0, N_CAPACITIES);
	tcase_add_test(tcase, a_text_is_a_copy_with_a_nul);
	tcase_add_test(tcase, the_last_reference_is_not_given_up_unless_freed);
	tcase_add_test(tcase, references_given_up_at_once_are_all_counted);
	tcase_add_test(tcase, no_text_is_an_empty_text);
	tcase_add_test(tcase, a_removed_link_points_at_itself_and_may_be_removed_again);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
