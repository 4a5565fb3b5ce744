/* SPDX-License-Identifier: MIT */
#include "client/cli/top_model.h"

#include "client/cli/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_data_deinit(struct top_data *data)
{
	cJSON_Delete(data->metrics);
	cJSON_Delete(data->pools);
	for (size_t i = 0; i < data->n_sessions; i++)
		cJSON_Delete(data->sessions[i]);
	free(data->sessions);
	*data = (struct top_data){0};
}

void top_model_init(struct top_model *m)
{
	*m = (struct top_model){.order = ORDER_AGE};
}

void top_model_deinit(struct top_model *m)
{
	top_data_deinit(&m->data);
	cJSON_Delete(m->before);
	free(m->pools);
	free(m->rows);
	top_model_init(m);
}

/* ---- numbers ---- */

/* All that begins with rejected_, so that none is missed here when one is added. */
static int64_t sum_refusals(const cJSON *totals)
{
	const cJSON *item;
	int64_t sum = 0;

	cJSON_ArrayForEach(item, totals)
	{
		if (!strncmp(item->string, "rejected_", 9))
			sum += tree_int(totals, item->string, 0);
	}
	return sum;
}

/* A counter that has become smaller is another broker's. */
static double rate(int64_t now, int64_t before, int64_t ms)
{
	return ms > 0 && now >= before ? (double)(now - before) * 1000 / (double)ms : -1;
}

static int64_t percentile(const cJSON *totals, const char *histogram, const char *name)
{
	const cJSON *object = tree_member(totals, histogram);

	return tree_int(object, "count", 0) > 0 ? tree_int(object, name, -1) : -1;
}

/* TOTALS now and one look earlier; BEFORE may be NULL. */
static struct top_numbers count(const cJSON *totals, const cJSON *before, int64_t ms)
{
	struct top_numbers n = {
		.creates = -1,
		.refusals = -1,
		.held_p50_ns = percentile(totals, "session_duration", "p50_ns"),
		.held_p99_ns = percentile(totals, "session_duration", "p99_ns"),
		.waited_p50_ns = percentile(totals, "queue_wait", "p50_ns"),
		.waited_p99_ns = percentile(totals, "queue_wait", "p99_ns"),
	};

	if (before) {
		n.creates =
			rate(tree_int(totals, "created", 0), tree_int(before, "created", 0), ms);
		n.refusals = rate(sum_refusals(totals), sum_refusals(before), ms);
	}
	return n;
}

static const cJSON *find_pool(const cJSON *metrics, const char *name)
{
	const cJSON *pool;

	cJSON_ArrayForEach(pool, tree_member(metrics, "pools"))
	{
		if (!strcmp(tree_text(pool, "pool"), name))
			return pool;
	}
	return NULL;
}

static int read_pools(struct top_model *m)
{
	const cJSON *pools = tree_member(m->data.pools, "pools"), *pool;
	const cJSON *metrics = tree_member(m->data.metrics, "metrics");
	const cJSON *before = tree_member(m->before, "metrics");
	int64_t ms = m->data.at_ms - m->before_at_ms;
	struct top_pool *items = calloc((size_t)cJSON_GetArraySize(pools) + 1, sizeof(*items));
	size_t n = 0;

	if (!items)
		return -ENOMEM;
	cJSON_ArrayForEach(pool, pools)
	{
		const char *name = tree_text(pool, "pool");
		const cJSON *totals = tree_member(find_pool(metrics, name), "totals");
		const cJSON *earlier = tree_member(find_pool(before, name), "totals");

		items[n++] = (struct top_pool){name, pool, tree_int(pool, "used_units", 0),
			tree_int(pool, "limit", 0), count(totals, earlier, ms)};
	}
	free(m->pools);
	m->pools = items;
	m->n_pools = n;
	m->numbers = count(
		tree_member(metrics, "totals"), before ? tree_member(before, "totals") : NULL, ms);
	return 0;
}

const struct top_pool *top_model_pool(const struct top_model *m)
{
	for (size_t i = 0; m->pool[0] && i < m->n_pools; i++) {
		if (!strcmp(m->pools[i].name, m->pool))
			return &m->pools[i];
	}
	return NULL;
}

/* ---- rows ---- */

/* qsort() passes nothing on, so there is a function for each order. */
#define COMPARE(name, order)                                                                       \
	static int name(const void *a, const void *b)                                              \
	{                                                                                          \
		return session_row_compare(a, b, order);                                           \
	}

COMPARE(compare_age, ORDER_AGE)
COMPARE(compare_user, ORDER_USER)
COMPARE(compare_pool, ORDER_POOL)
COMPARE(compare_slot, ORDER_SLOT)

static int (*const comparers[N_SESSION_ORDERS])(const void *, const void *) = {
	[ORDER_AGE] = compare_age,
	[ORDER_USER] = compare_user,
	[ORDER_POOL] = compare_pool,
	[ORDER_SLOT] = compare_slot,
};

static void select_row(struct top_model *m, size_t index)
{
	if (index >= m->n_rows)
		index = m->n_rows ? m->n_rows - 1 : 0;
	m->cursor = index;
	snprintf(
		m->selected, sizeof(m->selected), "%s", m->n_rows ? m->rows[index].session_id : "");
}

/* The cursor stays on its session; where that is gone, on its place. */
static void find_selected(struct top_model *m)
{
	for (size_t i = 0; m->selected[0] && i < m->n_rows; i++) {
		if (!strcmp(m->rows[i].session_id, m->selected)) {
			m->cursor = i;
			return;
		}
	}
	select_row(m, m->cursor);
}

static int read_rows(struct top_model *m)
{
	struct session_row *rows = calloc(m->data.n_sessions + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < m->data.n_sessions; i++) {
		const cJSON *session = tree_member(m->data.sessions[i], "session");

		session_row_read(session, m->data.now_us, &rows[n]);
		if (!m->pool[0] || !strcmp(rows[n].pool, m->pool))
			n++;
	}
	free(m->rows);
	m->rows = rows;
	m->n_rows = n;
	qsort(rows, n, sizeof(*rows), comparers[m->order]);
	find_selected(m);
	return 0;
}

static void forget_pool(struct top_model *m)
{
	snprintf(m->message, sizeof(m->message), "there is no pool \"%.128s\"; these are all",
		m->pool);
	m->pool[0] = '\0';
}

int top_model_update(struct top_model *m, struct top_data *data)
{
	struct top_data old = m->data;
	int r;

	cJSON_Delete(m->before);
	m->before = old.metrics;
	m->before_at_ms = old.at_ms;
	old.metrics = NULL;
	m->data = *data;
	*data = (struct top_data){0};
	m->trouble[0] = '\0';
	r = read_pools(m);
	if (r == 0 && m->pool[0] && !top_model_pool(m))
		forget_pool(m);
	if (r == 0)
		r = read_rows(m);
	top_data_deinit(&old);
	return r;
}

/* ---- keys ---- */

static void move_to(struct top_model *m, size_t from, size_t by, bool is_down)
{
	select_row(m, is_down ? from + by : from > by ? from - by : 0);
}

/* All, the first pool, ..., the last one, and all again. */
static void next_pool(struct top_model *m)
{
	const struct top_pool *pool = top_model_pool(m);
	size_t next = pool ? (size_t)(pool - m->pools) + 1 : 0;

	snprintf(m->pool, sizeof(m->pool), "%s", next < m->n_pools ? m->pools[next].name : "");
	m->cursor = m->scroll = 0;
	m->selected[0] = '\0';
	read_rows(m);
}

static void next_order(struct top_model *m)
{
	m->order = (enum session_order)((m->order + 1) % N_SESSION_ORDERS);
	read_rows(m);
	snprintf(m->message, sizeof(m->message), "sorted by %s", session_order_names[m->order]);
}

static void ask(struct top_model *m)
{
	const struct session_row *row = &m->rows[m->cursor];
	struct top_victim *v = &m->victim;
	char process[96] = "";

	if (m->n_rows == 0)
		return;
	if (row->pid > 0)
		snprintf(process, sizeof(process), ", pid %d (%.40s)", (int)row->pid, row->command);
	snprintf(v->session_id, sizeof(v->session_id), "%s", row->session_id);
	snprintf(v->request_id, sizeof(v->request_id), "%s", tree_text(row->session, "request_id"));
	snprintf(v->words, sizeof(v->words), "%.64s%s", row->session_id, process);
	v->is_waiting = row->is_waiting;
	m->mode = TOP_CONFIRMING;
}

static enum top_action confirm(struct top_model *m, int key)
{
	if (key == TOP_KEY_OTHER)
		return TOP_NOTHING;
	m->mode = TOP_LOOKING;
	if (key == 'y')
		return m->victim.is_waiting ? TOP_CANCEL : TOP_REVOKE;
	return key == 'f' && !m->victim.is_waiting ? TOP_FORCE : TOP_NOTHING;
}

static void move(struct top_model *m, int key)
{
	size_t page = m->page > 1 ? m->page - 1 : 1;

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		move_to(m, m->cursor, 1, false);
		break;
	case TOP_KEY_DOWN:
	case 'j':
		move_to(m, m->cursor, 1, true);
		break;
	case TOP_KEY_PAGE_UP:
		move_to(m, m->cursor, page, false);
		break;
	case TOP_KEY_PAGE_DOWN:
	case ' ':
		move_to(m, m->cursor, page, true);
		break;
	case TOP_KEY_HOME:
	case 'g':
		select_row(m, 0);
		break;
	case TOP_KEY_END:
	case 'G':
		select_row(m, m->n_rows);
		break;
	}
}

static enum top_action look(struct top_model *m, int key)
{
	switch (key) {
	case 'q':
		return TOP_QUIT;
	case '?':
	case 'h':
		m->mode = TOP_HELPING;
		break;
	case 's':
		next_order(m);
		break;
	case 'p':
		next_pool(m);
		break;
	case 'r':
		ask(m);
		break;
	case 'L' - '@': /* control-L */
		return TOP_REPAINT;
	default:
		move(m, key);
	}
	return TOP_NOTHING;
}

enum top_action top_model_key(struct top_model *m, int key)
{
	m->message[0] = '\0';
	switch (m->mode) {
	case TOP_CONFIRMING:
		return confirm(m, key);
	case TOP_HELPING:
		m->mode = TOP_LOOKING;
		return TOP_NOTHING;
	default:
		return look(m, key);
	}
}
