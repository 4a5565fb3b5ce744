/* SPDX-License-Identifier: MIT */
/* The records of the store: what is written is read, what is damaged is told, and what an older or
 * a newer version wrote is read as it promised. Run it under a checker of memory: every record is
 * in a block of its own size. */
#include "daemon/record.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct bytes {
	void *data;
	size_t size;
};

/* A block of exactly SIZE bytes. */
static struct bytes copy_of(const void *data, size_t size)
{
	struct bytes copy = {malloc(size ? size : 1), size};

	memcpy(copy.data, data, size);
	return copy;
}

static struct record_head head_of(struct bytes record)
{
	struct record_head head;

	memcpy(&head, record.data, sizeof(head));
	return head;
}

static struct text *text(const char *string)
{
	return text_new(string, strlen(string));
}

/* ---- sessions ---- */

struct sample {
	uint32_t units;
	const char *request_id;
	const char *label, *metadata, *unit;
	bool has_identity, has_creator, is_same_creator;
};

static struct session *make_session(const struct sample *sample)
{
	struct text *label = sample->label ? text(sample->label) : NULL;
	struct text *metadata = sample->metadata ? text(sample->metadata) : NULL;
	const char *request_id = sample->request_id ? sample->request_id : "request";
	struct session_params params = {
		.id = 0x123456789abc,
		.fingerprint = UINT64_MAX,
		.request_id = request_id,
		.request_id_length = strlen(request_id),
		.units = sample->units ? sample->units : 1,
		.priority = SESSION_PRIORITY_MAX,
		.label = label,
		.metadata = metadata,
	};
	struct session *session = session_new(&params);

	text_unref(label);
	text_unref(metadata);
	for (uint32_t i = 0; i < session->units; i++)
		session->slots[i] = 3 * i + 1;
	session->sequence = UINT64_MAX - 1;
	session->fence = (UINT64_C(1) << 53) - 1;
	session->created_us = INT64_MAX;
	session->created_wall_us = INT64_MIN;
	session->creator_uid = UINT32_MAX;
	session->pool_name = text("pool");
	return session;
}

static struct saved_session make_saved(const struct sample *sample)
{
	struct text *unit = sample->unit ? text(sample->unit) : NULL;
	struct saved_session saved = {
		.session = make_session(sample),
		.state = SESSION_PROCESSING,
		.owner_kind = OWNER_PROCESS,
		.is_revoking = true,
		.uid = UINT32_MAX - 1,
		.timeout_ms = INT64_MAX,
		.started_wall_us = -5,
	};

	if (sample->has_identity)
		saved.identity = identity_new(4711, UINT64_MAX, "fifteen-letters", unit);
	if (sample->has_creator)
		saved.creator = identity_new(-1, 0, "", NULL);
	if (sample->is_same_creator)
		saved.creator = identity_ref(saved.identity);
	saved.metadata = text_ref(saved.session->metadata);
	text_unref(unit);
	return saved;
}

static struct bytes record_of(const struct saved_session *saved)
{
	size_t size = record_session_size(saved);
	struct bytes record = {malloc(size), size};

	ck_assert_uint_ne(record_session(saved, record.data), 0);
	return record;
}

static const uint64_t sequence = UINT64_MAX - 1;

static int check_session(struct bytes record)
{
	uint32_t sum = 0;
	int r = record_check(record.data, record.size, &sequence, sizeof(sequence), &sum);

	ck_assert_uint_eq(sum, r ? 0 : head_of(record).sum);
	return r;
}

static void expect_text(const struct text *is, const struct text *was)
{
	ck_assert_uint_eq(is != NULL, was != NULL);
	ck_assert_uint_eq(text_length(is), text_length(was));
	if (is)
		ck_assert_str_eq(is->bytes, was->bytes);
}

static void expect_identity(const struct record_identity *is, const struct identity *was)
{
	ck_assert_uint_eq(is->is_known, was != NULL);
	if (!was)
		return;
	ck_assert_int_eq(is->pid, was->pid);
	ck_assert_uint_eq(is->start_time, was->start_time);
	ck_assert_str_eq(is->comm, was->comm);
	ck_assert_uint_eq(is->unit_length, text_length(was->systemd_unit));
	if (is->unit_length)
		ck_assert_mem_eq(is->unit, was->systemd_unit->bytes, is->unit_length);
}

static void expect_fixed(const struct session *is, const struct session *was)
{
	ck_assert_uint_eq(is->id, was->id);
	ck_assert_uint_eq(is->sequence, was->sequence);
	ck_assert_uint_eq(is->fence, was->fence);
	ck_assert_uint_eq(is->fingerprint, was->fingerprint);
	ck_assert_int_eq(is->created_us, was->created_us);
	ck_assert_int_eq(is->created_wall_us, was->created_wall_us);
	ck_assert_uint_eq(is->creator_uid, was->creator_uid);
	ck_assert_uint_eq(is->priority, was->priority);
	ck_assert_str_eq(is->request_id, was->request_id);
	ck_assert_uint_eq(is->units, was->units);
	ck_assert_mem_eq(is->slots, was->slots, was->units * sizeof(was->slots[0]));
	expect_text(is->label, was->label);
}

static void expect_session(const struct record_session_view *view, const struct saved_session *was)
{
	const struct session *is = view->session;

	expect_fixed(is, was->session);
	ck_assert_uint_eq(view->sequence, was->session->sequence);
	ck_assert_uint_eq(view->pool_length, 4);
	ck_assert_mem_eq(view->pool, "pool", 4);
	ck_assert_int_eq(is->state, was->state);
	ck_assert_int_eq(is->owner_kind, was->owner_kind);
	ck_assert_int_eq(is->is_revoking, was->is_revoking);
	ck_assert_uint_eq(is->uid, was->uid);
	ck_assert_int_eq(is->timeout_ms, was->timeout_ms);
	ck_assert_int_eq(is->started_wall_us, was->started_wall_us);
	expect_text(is->metadata, was->metadata);
	expect_identity(&view->identity, was->identity);
	expect_identity(&view->creator, was->creator);
}

static void round_trip(struct saved_session *saved)
{
	struct bytes record = record_of(saved);
	struct record_session_view view;
	uint64_t id;

	ck_assert_int_eq(check_session(record), 0);
	ck_assert_int_eq(record_read_session(record.data, record.size, &view), 0);
	expect_session(&view, saved);
	session_unref(view.session);
	ck_assert_int_eq(record_read_session_id(record.data, record.size, &id), 0);
	ck_assert_uint_eq(id, saved->session->id);
	free(record.data);
	saved_session_deinit(saved);
}

static void round_trip_of(const struct sample *sample)
{
	struct saved_session saved = make_saved(sample);

	round_trip(&saved);
}
#define ROUND_TRIP(...) round_trip_of(&(struct sample){__VA_ARGS__})

START_TEST(a_session_without_anything_is_read_as_it_was_written)
{
	ROUND_TRIP(.units = 1);
}
END_TEST

static const struct sample full = {
	.units = 3,
	.label = "label",
	.metadata = "{\"a\":1}",
	.unit = "a.service",
	.has_identity = true,
	.has_creator = true,
};

START_TEST(a_session_with_everything_is_read_as_it_was_written)
{
	round_trip_of(&full);
}
END_TEST

START_TEST(empty_texts_are_told_from_absent_ones)
{
	ROUND_TRIP(.metadata = "");
	ROUND_TRIP(.label = "");
	ROUND_TRIP(.label = "", .metadata = "", .unit = "", .has_identity = true);
}
END_TEST

START_TEST(the_creator_may_be_the_owner_another_one_or_nobody)
{
	ROUND_TRIP(.unit = "u", .has_identity = true, .is_same_creator = true);
	ROUND_TRIP(.unit = "u", .has_identity = true);
	ROUND_TRIP(.unit = "u", .has_creator = true);
}
END_TEST

START_TEST(a_session_may_have_as_many_units_as_there_can_be)
{
	ROUND_TRIP(.units = SESSION_UNITS_MAX, .metadata = "{}");
}
END_TEST

START_TEST(a_request_id_may_be_as_long_as_it_can_be)
{
	char long_id[SESSION_REQUEST_ID_MAX + 1];

	memset(long_id, 'r', sizeof(long_id));
	long_id[SESSION_REQUEST_ID_MAX] = '\0';
	ROUND_TRIP(.request_id = long_id, .label = "l");
}
END_TEST

START_TEST(metadata_may_be_as_long_as_it_can_be)
{
	char *metadata = malloc(POOL_METADATA_MAX + 1);

	memset(metadata, 'm', POOL_METADATA_MAX);
	metadata[POOL_METADATA_MAX] = '\0';
	ROUND_TRIP(.metadata = metadata);
	free(metadata);
}
END_TEST

START_TEST(every_owner_and_state_is_read_as_it_was_written)
{
	for (int kind = OWNER_CONNECTION; kind <= OWNER_DETACHED; kind++)
		for (int state = SESSION_IDLE; state <= SESSION_PROCESSING; state++) {
			struct saved_session saved = make_saved(&full);

			saved.owner_kind = (enum owner_kind)kind;
			saved.state = (enum session_state)state;
			saved.is_revoking = kind == OWNER_PROCESS;
			saved.timeout_ms = kind == OWNER_CONNECTION ? -1 : 1;
			round_trip(&saved);
		}
}
END_TEST

/* ---- sessions that cannot be ---- */

#define REJECTS(change)                                                                            \
	do {                                                                                       \
		struct saved_session saved = make_saved(&full);                                    \
		struct bytes record;                                                               \
		struct record_session_view view;                                                   \
		change;                                                                            \
		record = record_of(&saved);                                                        \
		ck_assert_int_eq(check_session(record), 0);                                        \
		ck_assert_int_eq(record_read_session(record.data, record.size, &view), -EBADMSG);  \
		free(record.data);                                                                 \
		saved_session_deinit(&saved);                                                      \
	} while (0)

START_TEST(a_session_out_of_range_is_rejected_though_its_sum_is_right)
{
	REJECTS(saved.state = SESSION_WAITING);
	REJECTS(saved.state = SESSION_ENDED);
	REJECTS(saved.owner_kind = OWNER_DETACHED + 1);
	REJECTS(saved.timeout_ms = 0);
	REJECTS(saved.timeout_ms = -2);
	REJECTS((saved.owner_kind = OWNER_DETACHED, saved.timeout_ms = -1));
	REJECTS(saved.session->fence = 0);
	REJECTS(saved.session->units = 0);
	REJECTS(saved.session->priority = SESSION_PRIORITY_MAX + 1);
	REJECTS(saved.session->request_id = "");
}
END_TEST

/* ---- damage, of any record ---- */

typedef void read_fn(const void *bytes, size_t size, int expected);

static void read_session(const void *bytes, size_t size, int expected)
{
	struct record_session_view view;
	uint64_t id;
	int r = record_read_session(bytes, size, &view);

	record_read_session_id(bytes, size, &id);
	if (r == 0)
		session_unref(view.session);
	if (expected)
		ck_assert_int_eq(r, expected);
	ck_assert(r == 0 || r == -EBADMSG);
}

static void read_pool(const void *bytes, size_t size, int expected)
{
	struct saved_pool pool;
	int r = record_read_pool(bytes, size, &pool);

	if (r == 0)
		saved_pool_deinit(&pool);
	if (expected)
		ck_assert_int_eq(r, expected);
	ck_assert(r == 0 || r == -EBADMSG);
}

static void read_table(const void *bytes, size_t size, int expected)
{
	struct record_totals totals;
	struct saved_table saved;
	int r = record_read_table(bytes, size, &saved, &totals);

	if (r == 0)
		saved_table_deinit(&saved);
	if (expected)
		ck_assert_int_eq(r, expected);
	ck_assert(r == 0 || r == -EBADMSG);
}

/* Cut off at every length: the sum does not fit, and the reader misses something. */
static void truncate_everywhere(
	struct bytes record, const void *key, size_t key_size, read_fn *read)
{
	for (size_t size = 0; size < record.size; size++) {
		struct bytes cut = copy_of(record.data, size);

		ck_assert_int_eq(record_check(cut.data, size, key, key_size, NULL), -EBADMSG);
		read(cut.data, size, -EBADMSG);
		free(cut.data);
	}
}

/* The sum tells; the reader, who does not look at it, stays within the record. */
static void flip_every_bit(struct bytes record, const void *key, size_t key_size, read_fn *read)
{
	for (size_t bit = 0; bit < 8 * record.size; bit++) {
		struct bytes bad = copy_of(record.data, record.size);

		((unsigned char *)bad.data)[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert_int_eq(record_check(bad.data, bad.size, key, key_size, NULL), -EBADMSG);
		read(bad.data, bad.size, 0);
		free(bad.data);
	}
}

static struct bytes full_record(void)
{
	struct saved_session saved = make_saved(&full);
	struct bytes record = record_of(&saved);

	saved_session_deinit(&saved);
	return record;
}

START_TEST(a_session_cut_off_anywhere_is_rejected)
{
	struct bytes record = full_record();

	truncate_everywhere(record, &sequence, sizeof(sequence), read_session);
	free(record.data);
}
END_TEST

START_TEST(a_session_with_any_bit_flipped_is_rejected)
{
	struct bytes record = full_record();

	flip_every_bit(record, &sequence, sizeof(sequence), read_session);
	free(record.data);
}
END_TEST

START_TEST(a_session_under_another_key_is_rejected)
{
	struct bytes record = full_record();
	uint64_t other = sequence - 1;

	ck_assert_int_eq(
		record_check(record.data, record.size, &other, sizeof(other), NULL), -EBADMSG);
	free(record.data);
}
END_TEST

START_TEST(a_longer_record_is_rejected)
{
	struct bytes record = full_record();

	record.data = realloc(record.data, record.size + 1);
	((char *)record.data)[record.size++] = 0;
	ck_assert_int_eq(check_session(record), -EBADMSG);
	free(record.data);
}
END_TEST

/* ---- pools ---- */

static struct allow_list *make_allow(size_t count)
{
	struct allow_list *list = allow_list_new(count);

	for (size_t i = 0; i < count; i++) {
		list->entries[i].name = text(i % 2 ? "@group" : "user");
		list->entries[i].is_group = i % 2;
		list->entries[i].id = UINT32_MAX - (uint32_t)i;
	}
	return list;
}

static void fill_counters(struct counters *counters, uint64_t from)
{
	uint64_t *each = (uint64_t *)counters;

	for (size_t i = 0; i < sizeof(*counters) / sizeof(*each); i++)
		each[i] = from + i;
}

static struct saved_pool make_pool(void)
{
	struct saved_pool saved = {
		.name = text("the.pool-1"),
		.settings = {.limit = POOL_LIMIT_MAX,
			.max_metadata_bytes = POOL_METADATA_MAX,
			.default_timeout_ms = INT64_MAX,
			.max_timeout_ms = 1,
			.max_duration_ms = 2,
			.on_timeout = ON_TIMEOUT_HOLD,
			.max_waiters = UINT32_MAX,
			.per_uid_waiters = 3,
			.quotas = {4, 5, 6},
			.fair_by = BY_NONE,
			.age_step_ms = 7,
			.starve_after_ms = 8,
			.enforce = true,
			.allow = make_allow(POOL_ALLOW_MAX)},
		.source = POOL_RUNTIME,
		.is_removed = true,
		.pause = {.is_on = true, .until_us = INT64_MAX, .reason = text("reason")},
		.slots = SLOTMAP_MAX,
	};

	fill_counters(&saved.counters, UINT64_MAX - 100);
	return saved;
}

static struct bytes pool_record(const struct saved_pool *saved)
{
	size_t size = record_pool_size(saved);
	struct bytes record = {malloc(size), size};

	record_pool(saved, record.data);
	return record;
}

static void expect_settings(const struct pool_settings *is, const struct pool_settings *was)
{
	ck_assert_uint_eq(is->limit, was->limit);
	ck_assert_uint_eq(is->max_metadata_bytes, was->max_metadata_bytes);
	ck_assert_int_eq(is->default_timeout_ms, was->default_timeout_ms);
	ck_assert_int_eq(is->max_timeout_ms, was->max_timeout_ms);
	ck_assert_int_eq(is->max_duration_ms, was->max_duration_ms);
	ck_assert_int_eq(is->on_timeout, was->on_timeout);
	ck_assert_uint_eq(is->max_waiters, was->max_waiters);
	ck_assert_int_eq(is->per_uid_waiters, was->per_uid_waiters);
	ck_assert_mem_eq(is->quotas, was->quotas, sizeof(was->quotas));
	ck_assert_int_eq(is->fair_by, was->fair_by);
	ck_assert_int_eq(is->age_step_ms, was->age_step_ms);
	ck_assert_int_eq(is->starve_after_ms, was->starve_after_ms);
	ck_assert_int_eq(is->enforce, was->enforce);
}

static void expect_allow(const struct allow_list *is, const struct allow_list *was)
{
	ck_assert_uint_eq(is != NULL, was != NULL);
	if (!was)
		return;
	ck_assert_uint_eq(is->count, was->count);
	for (size_t i = 0; i < was->count; i++) {
		ck_assert_uint_eq(is->entries[i].id, was->entries[i].id);
		ck_assert_int_eq(is->entries[i].is_group, was->entries[i].is_group);
		expect_text(is->entries[i].name, was->entries[i].name);
	}
}

static void round_trip_pool(struct saved_pool *saved)
{
	struct bytes record = pool_record(saved);
	struct saved_pool is;

	ck_assert_int_eq(record_check(record.data, record.size, saved->name->bytes,
				 saved->name->length, NULL),
		0);
	ck_assert_int_eq(record_read_pool(record.data, record.size, &is), 0);
	expect_text(is.name, saved->name);
	expect_settings(&is.settings, &saved->settings);
	expect_allow(is.settings.allow, saved->settings.allow);
	ck_assert_int_eq(is.source, saved->source);
	ck_assert_int_eq(is.is_removed, saved->is_removed);
	ck_assert_uint_eq(is.slots, saved->slots);
	ck_assert_int_eq(is.pause.is_on, saved->pause.is_on);
	ck_assert_int_eq(is.pause.until_us, saved->pause.until_us);
	expect_text(is.pause.reason, saved->pause.reason);
	ck_assert_mem_eq(&is.counters, &saved->counters, sizeof(is.counters));
	saved_pool_deinit(&is);
	saved_pool_deinit(saved);
	free(record.data);
}

START_TEST(a_pool_with_everything_is_read_as_it_was_written)
{
	struct saved_pool saved = make_pool();

	round_trip_pool(&saved);
}
END_TEST

START_TEST(the_builtin_pool_is_read_as_it_was_written)
{
	struct saved_pool saved = {
		.name = text("default"), .settings = pool_settings_builtin, .slots = 200};

	round_trip_pool(&saved);
}
END_TEST

START_TEST(an_empty_allow_list_is_not_everybody)
{
	struct saved_pool saved = make_pool();

	allow_list_unref(saved.settings.allow);
	saved.settings.allow = make_allow(0);
	round_trip_pool(&saved);
}
END_TEST

START_TEST(an_empty_reason_is_told_from_none)
{
	struct saved_pool saved = make_pool();

	text_unref(saved.pause.reason);
	saved.pause.reason = text("");
	round_trip_pool(&saved);
	saved = make_pool();
	saved.pause.reason = text_unref(saved.pause.reason);
	round_trip_pool(&saved);
}
END_TEST

#define REJECTS_POOL(change)                                                                       \
	do {                                                                                       \
		struct saved_pool saved = make_pool();                                             \
		struct bytes record;                                                               \
		change;                                                                            \
		record = pool_record(&saved);                                                      \
		read_pool(record.data, record.size, -EBADMSG);                                     \
		free(record.data);                                                                 \
		saved_pool_deinit(&saved);                                                         \
	} while (0)

static void rename_pool(struct saved_pool *saved, const char *name)
{
	text_unref(saved->name);
	saved->name = text(name);
}

START_TEST(a_pool_out_of_range_is_rejected)
{
	REJECTS_POOL(saved.settings.limit = 0);
	REJECTS_POOL(saved.settings.limit = POOL_LIMIT_MAX + 1);
	REJECTS_POOL(saved.slots = 0);
	REJECTS_POOL(saved.slots = SLOTMAP_MAX + 1);
	REJECTS_POOL(saved.settings.max_metadata_bytes = POOL_METADATA_MAX + 1);
	REJECTS_POOL(saved.source = POOL_RUNTIME + 1);
	REJECTS_POOL(saved.settings.on_timeout = ON_TIMEOUT_HOLD + 1);
	REJECTS_POOL(saved.settings.fair_by = BY_NONE + 1);
	REJECTS_POOL(saved.settings.default_timeout_ms = -2);
	REJECTS_POOL(saved.settings.max_timeout_ms = -2);
	REJECTS_POOL(saved.settings.max_duration_ms = -2);
	REJECTS_POOL(saved.settings.per_uid_waiters = -2);
	REJECTS_POOL(saved.settings.age_step_ms = -2);
	REJECTS_POOL(saved.settings.starve_after_ms = -2);
	REJECTS_POOL(rename_pool(&saved, ""));
	REJECTS_POOL(rename_pool(&saved, ".hidden"));
	REJECTS_POOL(rename_pool(&saved, "a-name-that-is-longer-than-40-characters!"));
}
END_TEST

/* A short one, so that every bit of it can be tried in good time. */
static struct saved_pool short_pool(void)
{
	struct saved_pool saved = make_pool();

	allow_list_unref(saved.settings.allow);
	saved.settings.allow = make_allow(2);
	return saved;
}

START_TEST(a_pool_cut_off_anywhere_is_rejected)
{
	struct saved_pool saved = short_pool();
	struct bytes record = pool_record(&saved);

	truncate_everywhere(record, saved.name->bytes, saved.name->length, read_pool);
	free(record.data);
	saved_pool_deinit(&saved);
}
END_TEST

START_TEST(a_pool_with_any_bit_flipped_is_rejected)
{
	struct saved_pool saved = short_pool();
	struct bytes record = pool_record(&saved);

	flip_every_bit(record, saved.name->bytes, saved.name->length, read_pool);
	free(record.data);
	saved_pool_deinit(&saved);
}
END_TEST

/* ---- the table ---- */

static const struct record_totals some_totals = {
	.session_sums = UINT64_MAX - 7, .stalled_us = INT64_MAX - 7, .pool_sums = UINT64_MAX - 8};

static struct saved_table make_table(const char *reason)
{
	struct saved_table saved = {
		.next_sequence = UINT64_MAX,
		.next_fence = 2,
		.active = 3,
		.peak = 4,
		.pause = {.is_on = true, .until_us = 5, .reason = reason ? text(reason) : NULL},
	};

	fill_counters(&saved.totals, 1000);
	fill_counters(&saved.base, 2000);
	return saved;
}

static struct bytes table_record(const char *reason)
{
	struct saved_table saved = make_table(reason);
	size_t size = record_table_size(&saved);
	struct bytes record = {malloc(size), size};

	record_table(&saved, &some_totals, record.data);
	saved_table_deinit(&saved);
	return record;
}

static void expect_table(const struct saved_table *is, const char *reason)
{
	struct saved_table was = make_table(reason);

	ck_assert_uint_eq(is->next_sequence, was.next_sequence);
	ck_assert_uint_eq(is->next_fence, was.next_fence);
	ck_assert_uint_eq(is->active, was.active);
	ck_assert_uint_eq(is->peak, was.peak);
	ck_assert_int_eq(is->pause.is_on, was.pause.is_on);
	ck_assert_int_eq(is->pause.until_us, was.pause.until_us);
	expect_text(is->pause.reason, was.pause.reason);
	ck_assert_mem_eq(&is->totals, &was.totals, sizeof(was.totals));
	ck_assert_mem_eq(&is->base, &was.base, sizeof(was.base));
	saved_table_deinit(&was);
}

START_TEST(the_table_is_read_as_it_was_written)
{
	const char *reasons[] = {NULL, "", "reason"};

	for (int i = 0; i < 3; i++) {
		struct bytes record = table_record(reasons[i]);
		struct record_totals totals;
		struct saved_table is;

		ck_assert_int_eq(record_check(record.data, record.size, RECORD_TABLE_KEY,
					 strlen(RECORD_TABLE_KEY), NULL),
			0);
		ck_assert_int_eq(record_read_table(record.data, record.size, &is, &totals), 0);
		expect_table(&is, reasons[i]);
		ck_assert_uint_eq(totals.session_sums, some_totals.session_sums);
		ck_assert_int_eq(totals.stalled_us, some_totals.stalled_us);
		ck_assert_uint_eq(totals.pool_sums, some_totals.pool_sums);
		saved_table_deinit(&is);
		free(record.data);
	}
}
END_TEST

START_TEST(the_table_cut_off_anywhere_is_rejected)
{
	struct bytes record = table_record("reason");

	truncate_everywhere(record, RECORD_TABLE_KEY, strlen(RECORD_TABLE_KEY), read_table);
	free(record.data);
}
END_TEST

START_TEST(the_table_with_any_bit_flipped_is_rejected)
{
	struct bytes record = table_record("reason");

	flip_every_bit(record, RECORD_TABLE_KEY, strlen(RECORD_TABLE_KEY), read_table);
	free(record.data);
}
END_TEST

/* ---- other versions ---- */

/* The sum once more, from its description: what is stored has to be read by later versions. */
static uint32_t sum_of(struct bytes record, const struct record_head *head)
{
	uint64_t key_sum = XXH3_64bits_withSeed(&sequence, sizeof(sequence), 0x7573686572207265);
	uint64_t head_bits = (uint64_t)head->version << 16 | head->fixed_size;
	uint64_t sum = XXH3_64bits((char *)record.data + 8, record.size - 8) ^ key_sum ^ head_bits;

	return (uint32_t)(sum ^ sum >> 32);
}

static struct bytes record_of_version(uint16_t version)
{
	struct bytes record = full_record();
	struct record_head head = head_of(record);

	head.version = version;
	head.sum = sum_of(record, &head);
	memcpy(record.data, &head, sizeof(head));
	return record;
}

START_TEST(the_sum_is_what_it_is_described_to_be)
{
	struct bytes record = full_record();
	struct record_head head = head_of(record);

	ck_assert_uint_eq(head.version, RECORD_VERSION);
	ck_assert_uint_eq(head.sum, sum_of(record, &head));
	free(record.data);
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
	struct bytes record = record_of_version(RECORD_VERSION + 1);

	ck_assert_int_eq(check_session(record), -EPROTONOSUPPORT);
	((char *)record.data)[record.size - 1] ^= 1;
	ck_assert_int_eq(check_session(record), -EBADMSG);
	free(record.data);
}
END_TEST

/* RECORD with a fixed part of SIZE bytes: cut off, or with ones at its end; freed. */
static struct bytes refit(struct bytes record, size_t fixed_size)
{
	size_t old = head_of(record).fixed_size;
	size_t common = old < fixed_size ? old : fixed_size;
	size_t rest = record.size - sizeof(struct record_head) - old;
	struct bytes fresh = {NULL, sizeof(struct record_head) + fixed_size + rest};
	char *at;

	fresh.data = at = malloc(fresh.size);
	memset(at, 0xff, fresh.size);
	at += sizeof(struct record_head);
	memcpy(at, (char *)record.data + sizeof(struct record_head), common);
	memcpy(at + fixed_size, (char *)record.data + sizeof(struct record_head) + old, rest);
	free(record.data);
	return fresh;
}

static struct bytes refit_session(struct bytes record, size_t fixed_size)
{
	struct bytes fresh = refit(record, fixed_size);

	record_seal(fresh.data, fresh.size, fixed_size, &sequence, sizeof(sequence));
	return fresh;
}

START_TEST(a_session_with_fields_of_a_newer_daemon_is_read)
{
	struct bytes record = full_record();
	struct saved_session saved = make_saved(&full);
	struct record_session_view view;

	record = refit_session(record, head_of(record).fixed_size + 12U);
	ck_assert_int_eq(check_session(record), 0);
	ck_assert_int_eq(record_read_session(record.data, record.size, &view), 0);
	expect_session(&view, &saved);
	session_unref(view.session);
	saved_session_deinit(&saved);
	free(record.data);
}
END_TEST

#define IDENTITY_SIZE 40 /* of the last field: the creator */

START_TEST(a_session_of_an_older_daemon_lacks_its_last_fields)
{
	struct saved_session saved = make_saved(&(struct sample){.unit = "u",
		.has_identity = true,
		.is_same_creator = true,
		.metadata = "{}",
		.label = "l"});
	struct bytes record = record_of(&saved);
	struct record_session_view view;

	record = refit_session(record, head_of(record).fixed_size - IDENTITY_SIZE);
	ck_assert_int_eq(check_session(record), 0);
	ck_assert_int_eq(record_read_session(record.data, record.size, &view), 0);
	saved.creator = identity_unref(saved.creator); /* as before there were any */
	expect_session(&view, &saved);
	session_unref(view.session);
	saved_session_deinit(&saved);
	free(record.data);
}
END_TEST

START_TEST(a_session_without_any_fields_is_rejected)
{
	struct bytes record = refit_session(full_record(), 0);

	ck_assert_int_eq(check_session(record), 0);
	read_session(record.data, record.size, -EBADMSG);
	free(record.data);
}
END_TEST

static struct bytes refit_pool(struct bytes record, size_t fixed_size, const struct text *name)
{
	struct bytes fresh = refit(record, fixed_size);

	record_seal(fresh.data, fresh.size, fixed_size, name->bytes, name->length);
	return fresh;
}

START_TEST(a_pool_with_fields_of_a_newer_daemon_is_read)
{
	struct saved_pool saved = make_pool();
	struct bytes record = pool_record(&saved);
	struct saved_pool is;

	record = refit_pool(record, head_of(record).fixed_size + 8U, saved.name);
	ck_assert_int_eq(record_read_pool(record.data, record.size, &is), 0);
	expect_text(is.name, saved.name);
	expect_text(is.pause.reason, saved.pause.reason);
	expect_settings(&is.settings, &saved.settings);
	expect_allow(is.settings.allow, saved.settings.allow);
	saved_pool_deinit(&is);
	saved_pool_deinit(&saved);
	free(record.data);
}
END_TEST

#define POOL_KINDS_SIZE 8 /* of the last fields: source and what else is one byte */

START_TEST(a_pool_of_an_older_daemon_lacks_its_last_fields)
{
	struct saved_pool saved = make_pool();
	struct bytes record = pool_record(&saved);
	struct saved_pool is;

	record = refit_pool(record, head_of(record).fixed_size - POOL_KINDS_SIZE, saved.name);
	ck_assert_int_eq(record_read_pool(record.data, record.size, &is), 0);
	expect_text(is.name, saved.name);
	expect_text(is.pause.reason, saved.pause.reason);
	expect_allow(is.settings.allow, saved.settings.allow);
	ck_assert_uint_eq(is.settings.max_waiters, saved.settings.max_waiters);
	ck_assert_int_eq(is.source, 0);
	ck_assert(!is.is_removed);
	ck_assert_int_eq(is.settings.on_timeout, 0);
	ck_assert_int_eq(is.settings.fair_by, 0);
	saved_pool_deinit(&is);
	saved_pool_deinit(&saved);
	free(record.data);
}
END_TEST

START_TEST(a_table_with_fields_of_a_newer_daemon_is_read)
{
	struct bytes record = table_record("reason");
	struct record_totals totals;
	struct saved_table is;

	record = refit(record, head_of(record).fixed_size + 8U);
	record_seal(record.data, record.size, record.size - 8 - strlen("reason"), "", 0);
	ck_assert_int_eq(record_read_table(record.data, record.size, &is, &totals), 0);
	expect_table(&is, "reason");
	ck_assert_int_eq(totals.stalled_us, some_totals.stalled_us);
	saved_table_deinit(&is);
	free(record.data);
}
END_TEST

START_TEST(a_table_of_an_older_daemon_lacks_its_last_fields)
{
	struct bytes record = table_record("reason");
	struct record_totals totals;
	struct saved_table is;

	record = refit(record, head_of(record).fixed_size - sizeof(totals.pool_sums));
	record_seal(record.data, record.size, record.size - 8 - strlen("reason"), "", 0);
	ck_assert_int_eq(record_read_table(record.data, record.size, &is, &totals), 0);
	expect_table(&is, "reason");
	ck_assert_int_eq(totals.stalled_us, some_totals.stalled_us);
	ck_assert_uint_eq(totals.pool_sums, 0);
	saved_table_deinit(&is);
	free(record.data);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, a_session_without_anything_is_read_as_it_was_written);
	tcase_add_test(tcase, a_session_with_everything_is_read_as_it_was_written);
	tcase_add_test(tcase, empty_texts_are_told_from_absent_ones);
	tcase_add_test(tcase, the_creator_may_be_the_owner_another_one_or_nobody);
	tcase_add_test(tcase, a_session_may_have_as_many_units_as_there_can_be);
	tcase_add_test(tcase, a_request_id_may_be_as_long_as_it_can_be);
	tcase_add_test(tcase, metadata_may_be_as_long_as_it_can_be);
	tcase_add_test(tcase, every_owner_and_state_is_read_as_it_was_written);
	tcase_add_test(tcase, a_session_out_of_range_is_rejected_though_its_sum_is_right);
	tcase_add_test(tcase, a_session_cut_off_anywhere_is_rejected);
	tcase_add_test(tcase, a_session_with_any_bit_flipped_is_rejected);
	tcase_add_test(tcase, a_session_under_another_key_is_rejected);
	tcase_add_test(tcase, a_longer_record_is_rejected);
	tcase_add_test(tcase, a_pool_with_everything_is_read_as_it_was_written);
	tcase_add_test(tcase, the_builtin_pool_is_read_as_it_was_written);
	tcase_add_test(tcase, an_empty_allow_list_is_not_everybody);
	tcase_add_test(tcase, an_empty_reason_is_told_from_none);
	tcase_add_test(tcase, a_pool_out_of_range_is_rejected);
	tcase_add_test(tcase, a_pool_cut_off_anywhere_is_rejected);
	tcase_add_test(tcase, a_pool_with_any_bit_flipped_is_rejected);
	tcase_add_test(tcase, the_table_is_read_as_it_was_written);
	tcase_add_test(tcase, the_table_cut_off_anywhere_is_rejected);
	tcase_add_test(tcase, the_table_with_any_bit_flipped_is_rejected);
	tcase_add_test(tcase, the_sum_is_what_it_is_described_to_be);
	tcase_add_test(tcase, a_newer_version_is_told_from_damage);
	tcase_add_test(tcase, a_session_with_fields_of_a_newer_daemon_is_read);
	tcase_add_test(tcase, a_session_of_an_older_daemon_lacks_its_last_fields);
	tcase_add_test(tcase, a_session_without_any_fields_is_rejected);
	tcase_add_test(tcase, a_pool_with_fields_of_a_newer_daemon_is_read);
	tcase_add_test(tcase, a_pool_of_an_older_daemon_lacks_its_last_fields);
	tcase_add_test(tcase, a_table_with_fields_of_a_newer_daemon_is_read);
	tcase_add_test(tcase, a_table_of_an_older_daemon_lacks_its_last_fields);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
