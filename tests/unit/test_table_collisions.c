/* SPDX-License-Identifier: MIT */
/* Two of one hash are told apart by what they are. Hashes that collide are hard to find; so what
 * has been found by its hash is made another one, there where it stands. */
#include "daemon/core/table_internal.h"
#include "tests/unit/table_fixture.h"

/* ---- request ids ---- */

static struct session *find_request(void)
{
	return table_find_by_request(table, 1000, "request", 7);
}

static struct session *make_request(void)
{
	TAKE(.request_id = "request");
	ck_assert_ptr_eq(find_request(), created.session.session);
	return created.session.session;
}

START_TEST(another_users_request_is_not_found)
{
	make_request()->creator_uid = 1001;
	ck_assert_ptr_null(find_request());
	created.session.session->creator_uid = 1000;
	ck_assert_ptr_nonnull(find_request());
}
END_TEST

START_TEST(another_request_id_is_not_found)
{
	struct session *session = make_request();
	const char *own = session->request_id;

	session->request_id = "another";
	ck_assert_ptr_null(find_request());
	session->request_id = own;
	session->request_id_length = 6;
	ck_assert_ptr_null(find_request());
	session->request_id_length = 7;
	ck_assert_ptr_eq(find_request(), session);
}
END_TEST

START_TEST(a_request_id_that_is_too_long_is_not_found)
{
	char request_id[SESSION_REQUEST_ID_MAX + 1] = {0};

	ck_assert_ptr_null(table_find_by_request(table, 1000, request_id, sizeof(request_id)));
}
END_TEST

/* ---- pools ---- */

START_TEST(another_pool_is_not_found)
{
	struct pool *pool;

	set_limit("pool", 1);
	pool = table_find_pool(table, "pool", 4);
	ck_assert_ptr_nonnull(pool);
	pool->name->bytes[3] = 'k';
	ck_assert_ptr_null(table_find_pool(table, "pool", 4));
	pool->name->bytes[3] = 'l';
	pool->name->length = 5;
	ck_assert_ptr_null(table_find_pool(table, "pool", 4));
	pool->name->length = 4;
	ck_assert_ptr_eq(table_find_pool(table, "pool", 4), pool);
}
END_TEST

/* ---- tallies ---- */

static struct session *counted;

/* Where a session like it would be counted. */
static struct tally *find_tally(enum dimension dimension)
{
	struct tally_place places[DIMENSIONS];

	table_find_tallies(table, counted->pool, counted, counted->identity, counted->uid, places);
	return places[dimension].tally;
}

static void count_one(void)
{
	TAKE(.label = "label");
	counted = created.session.session;
	for (int i = 0; i < DIMENSIONS; i++)
		ck_assert_ptr_eq(find_tally((enum dimension)i), counted->tallies[i]);
}

#define EXPECT_LOST(dimension, field, value)                                                       \
	do {                                                                                       \
		struct tally *tally_ = counted->tallies[dimension];                                \
		__typeof__(tally_->field) own_ = tally_->field;                                    \
                                                                                                   \
		tally_->field = (value);                                                           \
		ck_assert_ptr_null(find_tally(dimension));                                         \
		tally_->field = own_;                                                              \
		ck_assert_ptr_eq(find_tally(dimension), tally_);                                   \
	} while (0)

START_TEST(the_tally_of_another_is_not_found)
{
	struct text *label = text_new("label", 5), *same_length = text_new("lapel", 5),
		    *longer = text_new("labels", 6);
	struct pool *other;

	count_one();
	set_limit("p", 1);
	other = table_find_pool(table, "p", 1);
	EXPECT_LOST(BY_UID, pool, other);
	EXPECT_LOST(BY_UID, dimension, BY_PROCESS);
	EXPECT_LOST(BY_UID, uid, 1001);
	EXPECT_LOST(BY_UID, label, label);
	EXPECT_LOST(BY_PROCESS, pid, 101);
	EXPECT_LOST(BY_PROCESS, start_time, 1);
	EXPECT_LOST(BY_LABEL, label, NULL);
	EXPECT_LOST(BY_LABEL, label, same_length);
	EXPECT_LOST(BY_LABEL, label, longer);
	text_unref(label);
	text_unref(same_length);
	text_unref(longer);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, another_users_request_is_not_found);
	tcase_add_test(tcase, another_request_id_is_not_found);
	tcase_add_test(tcase, a_request_id_that_is_too_long_is_not_found);
	tcase_add_test(tcase, another_pool_is_not_found);
	tcase_add_test(tcase, the_tally_of_another_is_not_found);
}

int main(void)
{
	return run_tests("table_collisions", add);
}
