/* SPDX-License-Identifier: MIT */
/* The check that all other tests of the table lean on: a sound table is damaged in one place after
 * the other, and the check says of each what is wrong. */
#include "daemon/core/table_internal.h"
#include "tests/unit/table_fixture.h"

#include <stdio.h>

/* Of pool "default", which is full: alice's two and bob's. In "p" alice's without a deadline or a
 * label; in "q", which is paused, one that waits; "r" is empty. */
static struct session *one, *two, *three, *other, *quiet;
static struct session *ended, *last_ended;
static struct waiter *first, *second, *for_ever;
static struct pool *full, *p, *q, *r;

static struct session *find(uint64_t id)
{
	struct session *session = table_find_session(table, id);

	ck_assert_ptr_nonnull(session);
	return session;
}

static struct pool *pool_of(const char *name)
{
	return table_find_pool(table, name, strlen(name));
}

static struct session *make_ended(void)
{
	uint64_t id = TAKE(.pool = "r");

	release(id);
	return find(id);
}

static void make_table(void)
{
	set_limit("default", 4);
	set_limit("p", 8);
	set_limit("q", 8);
	set_limit("r", 8);
	pause_pool("q", INT64_MAX, NULL);
	one = find(TAKE(.timeout_ms = 50000, .metadata = "{}", .label = "l"));
	two = find(TAKE(.timeout_ms = 60000, .units = 2, .label = "l"));
	three = find(TAKE(.owner = &bob, .kind = OWNER_DETACHED, .timeout_ms = 70000));
	other = find(TAKE(.pool = "p"));
	advance_ms(1000);
	first = WAIT(.wait_ms = 100000);
	advance_ms(1000);
	second = WAIT(.wait_ms = 200000);
	for_ever = WAIT(.owner = &bob);
	quiet = WAIT(.pool = "q")->session;
	ended = make_ended();
	last_ended = make_ended();
	full = pool_of("default");
	p = pool_of("p");
	q = pool_of("q");
	r = pool_of("r");
}

static void expect(const char *finding)
{
	const char *broken = table_check(table);

	ck_assert_str_eq(broken ? broken : "sound", finding);
}

/* VALUE in PLACE is found, and the old one is sound. Also of bits, whose type cannot be asked for.
 */
#define DAMAGE(place, value, finding)                                                              \
	do {                                                                                       \
		__typeof__((place) + 0) undamaged_ = (place);                                      \
                                                                                                   \
		(place) = (value);                                                                 \
		expect(finding);                                                                   \
		(place) = undamaged_;                                                              \
		expect("sound");                                                                   \
	} while (0)

/* The same where another place would tell first. */
#define DAMAGE_BOTH(place, value, other_place, other_value, finding)                               \
	do {                                                                                       \
		__typeof__((other_place) + 0) other_undamaged_ = (other_place);                    \
		__typeof__((place) + 0) undamaged_ = (place);                                      \
                                                                                                   \
		(other_place) = (other_value);                                                     \
		(place) = (value);                                                                 \
		expect(finding);                                                                   \
		(place) = undamaged_;                                                              \
		(other_place) = other_undamaged_;                                                  \
		expect("sound");                                                                   \
	} while (0)

/* To the end of the list, or back to where it was. */
static void move_to_end(struct list *list, struct list *link)
{
	list_remove(link);
	list_append(list, link);
}

/* ---- a session ---- */

START_TEST(an_undamaged_table_is_sound)
{
	expect("sound");
}
END_TEST

START_TEST(a_session_stands_in_the_deadline_heap_if_it_is_due)
{
	const char *without = "a session is in the deadline heap without cause, or missing";
	const char *misplaced = "a session has a wrong place in the deadline heap";

	DAMAGE(one->heap_index, SESSION_NOT_IN_HEAP, without);
	DAMAGE(one->is_overdue, true, without);
	DAMAGE(one->deadline_us, SESSION_NO_DEADLINE, without);
	DAMAGE(other->deadline_us, now.now_us, without);
	DAMAGE(one->heap_index, (uint32_t)table->deadlines.count, misplaced);
	DAMAGE(one->heap_index, two->heap_index, misplaced);
	DAMAGE(one->deadline_us, one->deadline_us + 1, misplaced);
}
END_TEST

START_TEST(a_detached_session_has_a_timeout_and_is_never_overdue)
{
	DAMAGE(three->timeout_ms, SESSION_TIMEOUT_NONE, "a detached session has no timeout");
	DAMAGE_BOTH(three->is_overdue, true, three->heap_index, SESSION_NOT_IN_HEAP,
		"a detached session is overdue");
}
END_TEST

START_TEST(a_session_has_its_slots_in_order)
{
	DAMAGE(two->slots[1], 7, "a session's slot is free");
	DAMAGE(two->slots[1], UINT32_MAX, "a session's slot is free");
	DAMAGE(two->slots[1], two->slots[0], "a session's slots do not ascend");
	DAMAGE(two->slots[1], one->slots[0], "a session's slots do not ascend");
}
END_TEST

START_TEST(a_session_is_found_by_its_ids)
{
	DAMAGE(one->id, 99, "a session is not found by its id");
	DAMAGE(one->id, two->id, "a session is not found by its id");
	DAMAGE(one->creator_uid, 77, "a session is not found by its request id");
	DAMAGE(one->request_id, two->request_id, "a session is not found by its request id");
}
END_TEST

START_TEST(a_session_has_the_owner_of_its_kind)
{
	const char *misfit = "a session's owner does not fit its kind";
	struct list strays;

	DAMAGE(three->is_orphaned, true, "an orphan had no connection");
	DAMAGE(one->owner, NULL, misfit);
	DAMAGE(three->owner, &bob, misfit);
	DAMAGE(one->owner_kind, OWNER_DETACHED, misfit);
	DAMAGE_BOTH(one->owner, NULL, one->is_orphaned, true, misfit);
	list_init(&strays);
	list_append(&strays, &three->owner_link);
	expect(misfit);
	list_remove(&three->owner_link);
	expect("sound");
}
END_TEST

START_TEST(a_session_is_not_from_the_future)
{
	const char *early = "a session has a number that was not given yet";

	DAMAGE(one->created_us, now.now_us + 1, "a session is younger than the table's clock");
	DAMAGE(one->fence, table->next_fence, early);
	DAMAGE(one->sequence, table->next_sequence, early);
}
END_TEST

START_TEST(a_session_is_in_the_pool_it_names)
{
	DAMAGE(one->pool, NULL, "a session's pool has another name");
	DAMAGE(one->pool_name, p->name, "a session's pool has another name");
	DAMAGE_BOTH(other->pool, full, other->pool_name, full->name,
		"a session is in another pool's list");
}
END_TEST

START_TEST(a_live_session_has_a_state_and_a_fence)
{
	DAMAGE(one->state, SESSION_ENDED, "a live session has a wrong state");
	DAMAGE(one->state, SESSION_WAITING, "a live session has a wrong state");
	DAMAGE(one->fence, 0, "a live session has no fence");
}
END_TEST

/* ---- a pool ---- */

START_TEST(a_pool_counts_its_sessions)
{
	const char *sum = "a pool's sessions or units are not the sum of its sessions";
	const char *bad = "a pool's overdue or orphaned sessions are miscounted";

	DAMAGE(full->active, full->active + 1, sum);
	DAMAGE(full->used_units, full->used_units - 1, sum);
	DAMAGE(full->overdue, 1, bad);
	DAMAGE(full->orphaned, 1, bad);
	DAMAGE(full->metadata_bytes, 0, "a pool's metadata bytes are not the sum of its sessions'");
	DAMAGE(full->counters.created, 0,
		"a pool's created sessions are not the live and the ended ones");
	DAMAGE(full->counters.queued, 0,
		"a pool's waits are not the granted, refused, cancelled and waiting ones");
}
END_TEST

START_TEST(a_pool_has_as_many_slots_taken_as_units)
{
	uint32_t extra = slotmap_take(full->slots);

	expect("a pool's taken slots are not its used units");
	slotmap_put(full->slots, extra);
	expect("sound");
	DAMAGE(p->settings.limit, 9, "a pool has fewer slots than its limit");
}
END_TEST

START_TEST(a_removed_pool_stays_for_what_is_in_it)
{
	DAMAGE(r->is_removed, true, "a removed pool is empty and still there");
	DAMAGE(p->is_removed, true, "sound");
	DAMAGE(q->is_removed, true, "somebody waits in vain");
}
END_TEST

START_TEST(the_pools_are_found_by_their_names_and_in_their_order)
{
	DAMAGE(p->name->bytes[0], 'x', "a pool is not found by its name");
	DAMAGE(table->pools_by_name.count, 5, "the map of pools has others than the list");
	move_to_end(&table->pools, &p->link);
	expect("the pools are not in the order of their names");
	move_to_end(&table->pools, &q->link);
	move_to_end(&table->pools, &r->link);
	expect("sound");
}
END_TEST

START_TEST(a_pools_sessions_are_in_the_order_of_creation)
{
	move_to_end(&full->sessions, &one->pool_link);
	expect("a pool's sessions are not in the order of creation");
	move_to_end(&full->sessions, &two->pool_link);
	move_to_end(&full->sessions, &three->pool_link);
	expect("sound");
}
END_TEST

/* ---- those who wait ---- */

START_TEST(a_waiters_session_waits_in_its_pool)
{
	const char *not_waiting = "a waiter's session does not wait";
	const char *granted_too = "a waiting session has a fence or a deadline";
	struct session *session = first->session;

	DAMAGE(session->waiter, second, not_waiting);
	DAMAGE(session->state, SESSION_IDLE, not_waiting);
	DAMAGE(first->is_decided, true, not_waiting);
	DAMAGE(session->pool, p, "a waiter is in another pool's queue");
	DAMAGE(session->fence, 1, granted_too);
	DAMAGE(session->heap_index, 0, granted_too);
	DAMAGE(session->created_us, now.now_us + 1, "a session is younger than the table's clock");
}
END_TEST

START_TEST(a_waiter_stands_in_the_heap_of_waits_if_it_has_an_end)
{
	const char *without = "a waiter is in the heap of waits without cause, or missing";
	const char *misplaced = "a waiter has a wrong place in the heap of waits";

	DAMAGE(first->deadline_us, WAIT_FOR_EVER, without);
	DAMAGE(for_ever->deadline_us, now.now_us, without);
	DAMAGE(first->heap_index, (uint32_t)table->waits.count, misplaced);
	DAMAGE(first->heap_index, second->heap_index, misplaced);
	DAMAGE(first->deadline_us, first->deadline_us + 1, misplaced);
}
END_TEST

START_TEST(the_waiters_of_a_pool_are_counted_and_in_the_order_of_arrival)
{
	DAMAGE(first->since_us, now.now_us + 1, "the waiters are not in the order of arrival");
	DAMAGE_BOTH(full->waiting, 4, full->counters.queued, full->counters.queued + 1,
		"a pool's waiters are miscounted");
}
END_TEST

START_TEST(a_waiter_stands_in_its_key_and_the_keys_in_their_order)
{
	struct tally *key = first->key, *bobs = for_ever->key;

	DAMAGE(first->key, bobs, "a waiter stands in another key");
	DAMAGE(bobs->waiters.root, NULL, "a key without waiters stands among the keys");
	DAMAGE(bobs->held_units, 4, "the keys are not in order");
	order_remove(&key->waiters, &second->queue_node);
	expect("the keys have other waiters than the pool");
	order_insert(&key->waiters, &second->queue_node, second->session->sequence);
	expect("sound");
}
END_TEST

START_TEST(nobody_waits_who_could_be_told)
{
	DAMAGE(table->is_draining, true, "somebody waits in vain");
	DAMAGE(full->settings.limit, 5, "somebody waits although there is room");
	DAMAGE(q->pause.is_on, false, "somebody waits although there is room");
}
END_TEST

START_TEST(whose_turn_is_about_to_be_found_out_may_wait)
{
	const char *missed = "somebody waits although there is room";

	full->settings.limit = 5;
	expect(missed);
	table->next_starve_us = now.now_us;
	expect("sound");
	table->next_starve_us = now.now_us + 1;
	expect(missed);
	table->next_pause_end_us = now.now_us;
	expect("sound");
	table->next_pause_end_us = now.now_us + 1;
	expect(missed);
	table_mark_for_pump(table, full);
	expect("sound");
}
END_TEST

/* ---- tallies ---- */

START_TEST(a_tally_is_the_sum_of_its_sessions)
{
	const char *sum = "a tally is not the sum of its sessions";
	struct tally *tally = one->tallies[BY_UID], *none = &full->unlabelled;

	DAMAGE(tally->held_units, 4, sum);
	DAMAGE(tally->live, 3, sum);
	DAMAGE(tally->waiting, 1, sum);
	DAMAGE(none->live, 0, sum);
	DAMAGE(q->unlabelled.waiting, 0, sum);
	DAMAGE(full->all.held_units, 3, "a pool's tally of all is not its used units");
	DAMAGE(r->all.held_units, 1, "a pool's tally of all is not its used units");
}
END_TEST

START_TEST(there_is_no_tally_of_nothing)
{
	struct tally *tally = tally_new();

	tally_init(tally, r, BY_UID);
	map_insert(&table->tallies, &tally->node, 5);
	expect("a tally of nothing is kept");
	map_remove(&table->tallies, &tally->node);
	tally_free(tally);
	expect("sound");
	DAMAGE(table->tallies.count, table->tallies.count + 1, "the map of tallies is miscounted");
}
END_TEST

START_TEST(a_session_counts_as_its_users_its_process_and_its_label)
{
	DAMAGE(one->tallies[BY_UID]->uid, 7, "a session counts as another user's");
	DAMAGE(one->tallies[BY_PROCESS]->pid, 7, "a session counts as another process'");
	DAMAGE(one->label, NULL, "a session counts with another label");
	DAMAGE(other->label, one->label, "a session counts with another label");
	DAMAGE(quiet->uid, 7, "a session counts as another user's");
}
END_TEST

/* One that no map has, and is not found there. */
START_TEST(a_session_counts_in_its_pool_and_by_each_dimension)
{
	const char *stray = "a session counts in another pool's or dimension's tally";
	struct tally *tally = one->tallies[BY_LABEL];
	struct tally elsewhere;

	tally_init(&elsewhere, p, BY_LABEL);
	tally->live--;
	tally->held_units -= two->units;
	two->tallies[BY_LABEL] = &elsewhere;
	expect(stray);
	tally_init(&elsewhere, full, BY_UID);
	expect(stray);
	two->tallies[BY_LABEL] = tally;
	tally->live++;
	tally->held_units += two->units;
	expect("sound");
}
END_TEST

/* While the map of tallies grows, some are in the old buckets still. */
START_TEST(a_tally_is_looked_at_wherever_it_is_while_the_map_grows)
{
	const char *sum = "a tally is not the sum of its sessions";
	char label[16];
	int n = 0;

	set_limit("p", 1000);
	do {
		snprintf(label, sizeof(label), "label%d", n++);
		find(TAKE(.pool = "p", .label = label));
	} while (!table->tallies.old_buckets);
	for (uint64_t id = 1; id < table->next_sequence && table_find_session(table, id); id++) {
		struct tally *tally = find(id)->tallies[BY_LABEL];

		if (find(id)->pool == p && tally)
			DAMAGE(tally->live, 7, sum);
	}
}
END_TEST

/* ---- the whole ---- */

START_TEST(the_order_of_sessions_is_that_of_their_creation)
{
	const char *disorder = "the order of sessions is not that of their creation";
	uint64_t sequence = three->sequence;

	DAMAGE(other->order_node.key, 99, disorder);
	three->sequence = three->order_node.key = other->sequence;
	other->sequence = other->order_node.key = sequence;
	expect(disorder);
	other->sequence = other->order_node.key = three->sequence;
	three->sequence = three->order_node.key = sequence;
	expect("sound");
	DAMAGE(two->fence, one->fence, "a later session has no larger fence");
	DAMAGE(table->order.last, &one->order_node, "the order's last session is another one");
	order_remove(&table->order, &one->order_node);
	expect("the order has other sessions than the pools");
	order_insert(&table->order, &one->order_node, one->sequence);
	expect("sound");
}
END_TEST

START_TEST(what_comes_first_stands_first_in_a_heap)
{
	DAMAGE_BOTH(one->deadline_us, three->deadline_us + 1,
		table->deadlines.slots[one->heap_index].key, three->deadline_us + 1,
		"a heap is not in order");
	DAMAGE_BOTH(first->deadline_us, second->deadline_us + 1,
		table->waits.slots[first->heap_index].key, second->deadline_us + 1,
		"a heap is not in order");
}
END_TEST

START_TEST(the_table_counts_what_its_pools_have)
{
	const char *sum = "the sessions or units are not the sum of the pools'";
	const char *bad = "the overdue or orphaned sessions are miscounted";

	DAMAGE(table->active, table->active + 1, sum);
	DAMAGE(table->used_units, table->used_units + 1, sum);
	DAMAGE(table->overdue, 1, bad);
	DAMAGE(table->orphaned, 1, bad);
	DAMAGE(table->metadata_bytes, 0, "the metadata bytes are not the sum of the sessions'");
	DAMAGE(table->peak, 0, "the peak is less than the live sessions");
}
END_TEST

START_TEST(the_containers_have_what_the_pools_have)
{
	DAMAGE(table->deadlines.count, 4,
		"the deadline heap has others than the sessions with a deadline");
	DAMAGE(table->by_request.count, 1,
		"the map of request ids has others than the live sessions");
	DAMAGE(table->by_id.count, 1,
		"the map of ids has others than the live and the ended sessions");
}
END_TEST

START_TEST(what_was_counted_adds_up)
{
	DAMAGE(table->totals.created, 1, "created sessions are not the live and the ended ones");
	DAMAGE(table->base.created, 1,
		"since the reset, created sessions are not the live and the ended ones");
	DAMAGE(table->totals.queued, 1,
		"the waits are not the granted, refused, cancelled and waiting ones");
}
END_TEST

START_TEST(the_history_has_ended_sessions_and_no_others)
{
	const char *alive = "a session in the history is not an ended one";
	struct text *text = text_new("{}", 2);

	DAMAGE(ended->state, SESSION_IDLE, alive);
	DAMAGE(ended->pool, p, alive);
	DAMAGE(ended->owner, &alice, alive);
	DAMAGE(last_ended->metadata, text, "a session in the history has metadata");
	DAMAGE(last_ended->id, 99, "a session in the history is not found by its id");
	text_unref(text);
}
END_TEST

START_TEST(the_history_is_as_long_as_it_says_and_may_be)
{
	DAMAGE_BOTH(table->n_history, 3, table->by_id.count, table->by_id.count + 1,
		"the history is miscounted or too long");
	DAMAGE(table->history_limit, 1, "the history is miscounted or too long");
}
END_TEST

/* ---- the recount that Verify makes ---- */

static struct audit count_anew(void)
{
	struct audit audit;

	table_audit_begin(table, &audit);
	while (!table_audit_step(table, &audit, 2))
		;
	table_audit_end(&audit);
	return audit;
}

START_TEST(an_audit_counts_what_is_not_found_and_not_taken)
{
	uint64_t id = one->id;

	ck_assert_uint_eq(count_anew().unindexed, 0);
	one->id = 99;
	ck_assert_uint_eq(count_anew().unindexed, 1);
	one->id = id;
	one->creator_uid += 77;
	ck_assert_uint_eq(count_anew().unindexed, 1);
	one->creator_uid -= 77;
	two->slots[1] += 4;
	ck_assert_uint_eq(count_anew().bad_slots, 1);
	two->slots[1] -= 4;
	ck_assert_uint_eq(count_anew().bad_slots + count_anew().unindexed, 0);
}
END_TEST

static void add_sessions_and_pools(TCase *tcase)
{
	tcase_add_test(tcase, an_undamaged_table_is_sound);
	tcase_add_test(tcase, a_session_stands_in_the_deadline_heap_if_it_is_due);
	tcase_add_test(tcase, a_detached_session_has_a_timeout_and_is_never_overdue);
	tcase_add_test(tcase, a_session_has_its_slots_in_order);
	tcase_add_test(tcase, a_session_is_found_by_its_ids);
	tcase_add_test(tcase, a_session_has_the_owner_of_its_kind);
	tcase_add_test(tcase, a_session_is_not_from_the_future);
	tcase_add_test(tcase, a_session_is_in_the_pool_it_names);
	tcase_add_test(tcase, a_live_session_has_a_state_and_a_fence);
	tcase_add_test(tcase, a_pool_counts_its_sessions);
	tcase_add_test(tcase, a_pool_has_as_many_slots_taken_as_units);
	tcase_add_test(tcase, a_removed_pool_stays_for_what_is_in_it);
	tcase_add_test(tcase, the_pools_are_found_by_their_names_and_in_their_order);
	tcase_add_test(tcase, a_pools_sessions_are_in_the_order_of_creation);
}

static void add_waits_and_tallies(TCase *tcase)
{
	tcase_add_test(tcase, a_waiters_session_waits_in_its_pool);
	tcase_add_test(tcase, a_waiter_stands_in_the_heap_of_waits_if_it_has_an_end);
	tcase_add_test(tcase, the_waiters_of_a_pool_are_counted_and_in_the_order_of_arrival);
	tcase_add_test(tcase, a_waiter_stands_in_its_key_and_the_keys_in_their_order);
	tcase_add_test(tcase, nobody_waits_who_could_be_told);
	tcase_add_test(tcase, whose_turn_is_about_to_be_found_out_may_wait);
	tcase_add_test(tcase, a_tally_is_the_sum_of_its_sessions);
	tcase_add_test(tcase, there_is_no_tally_of_nothing);
	tcase_add_test(tcase, a_session_counts_as_its_users_its_process_and_its_label);
	tcase_add_test(tcase, a_session_counts_in_its_pool_and_by_each_dimension);
	tcase_add_test(tcase, a_tally_is_looked_at_wherever_it_is_while_the_map_grows);
}

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, make_table, NULL);
	add_sessions_and_pools(tcase);
	add_waits_and_tallies(tcase);
	tcase_add_test(tcase, the_order_of_sessions_is_that_of_their_creation);
	tcase_add_test(tcase, what_comes_first_stands_first_in_a_heap);
	tcase_add_test(tcase, the_table_counts_what_its_pools_have);
	tcase_add_test(tcase, the_containers_have_what_the_pools_have);
	tcase_add_test(tcase, what_was_counted_adds_up);
	tcase_add_test(tcase, the_history_has_ended_sessions_and_no_others);
	tcase_add_test(tcase, the_history_is_as_long_as_it_says_and_may_be);
	tcase_add_test(tcase, an_audit_counts_what_is_not_found_and_not_taken);
}

int main(void)
{
	return run_tests("table_check", add);
}
