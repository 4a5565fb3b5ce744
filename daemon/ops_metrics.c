/* SPDX-License-Identifier: MIT */
/* GetMetrics and ResetMetrics. */
#include "daemon/ops_metrics.h"

#include "daemon/handoff_records.h"
#include "daemon/log.h"
#include "daemon/metrics_report.h"
#include "daemon/recount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct metrics_base *metrics_base_new(void)
{
	struct metrics_base *base = calloc(1, sizeof(*base));

	if (base)
		pthread_mutex_init(&base->lock, NULL);
	return base;
}

void metrics_base_free(struct metrics_base *base)
{
	if (!base)
		return;
	pthread_mutex_destroy(&base->lock);
	free(base);
}

/* ---- GetMetrics ---- */

/* One that is in work. */
struct inquiry {
	struct recount recount; /* first: freed through it */
	struct report *report;  /* large: NULL while others are before it */
	size_t pool_length;     /* 0: of all */
	char pool[];            /* a copy: the frame is gone when the call goes on */
};

static void free_inquiry(struct pending *pending)
{
	struct inquiry *inquiry = container_of(pending, struct inquiry, recount.pending);

	recount_end(&inquiry->recount);
	report_free(inquiry->report);
	free(inquiry);
}

static void answer(struct inquiry *inquiry)
{
	struct conn *conn = inquiry->recount.pending.conn;
	struct message_text pool = {
		inquiry->pool_length ? inquiry->pool : NULL, inquiry->pool_length};
	struct request request = request_of(conn);
	struct metrics_reply out;
	int r = report_fill(inquiry->report, conn->loop->server, pool, &out);

	if (r == 0)
		reply(&request, &get_metrics_out, &out);
	else if (r > 0)
		refuse(&request, r, &no_such_pool_error, &(struct pool_error){pool});
	else
		conn->out.failed = true; /* the connection ends for want of memory */
}

static bool go_on(struct recount *recount)
{
	struct inquiry *inquiry = container_of(recount, struct inquiry, recount);
	struct section section;

	if (!inquiry->report)
		inquiry->report = report_new();
	if (!inquiry->report) {
		recount->pending.conn->out.failed = true;
		return true;
	}
	report_copy_base(inquiry->report, recount->pending.conn->loop->server);
	if (!recount_table(recount, &section))
		return false;
	report_take(inquiry->report, &section, recount->audit.metadata_bytes);
	broker_leave(&section);
	answer(inquiry);
	return true;
}

static void pack_inquiry(const struct pending *pending, struct pack_writer *out);

static struct inquiry *new_inquiry(struct message_text pool)
{
	struct inquiry *inquiry = calloc(1, sizeof(*inquiry) + pool.length);

	if (!inquiry)
		return NULL;
	inquiry->recount = (struct recount){
		.pending = {.free = free_inquiry,
			.pack = pack_inquiry,
			.pack_tag = HANDOFF_PENDING_METRICS,
			.needs = NEEDS_LISTENER},
		.go_on = go_on,
		.only_sums = true,
	};
	inquiry->pool_length = pool.length;
	if (pool.length)
		memcpy(inquiry->pool, pool.text, pool.length);
	return inquiry;
}

static bool is_pool(struct broker *broker, struct message_text name)
{
	struct section section;
	bool is_there;

	broker_enter(broker, &section);
	is_there = table_find_pool(section.table, name.text, name.length) != NULL;
	broker_leave(&section);
	return is_there;
}

void handle_get_metrics(struct request *request, const void *in)
{
	const struct metrics_call *call = in;
	struct inquiry *inquiry;

	if (request->call->oneway)
		return; /* nobody is to be told */
	if (call->pool.text && !is_pool(request->broker, call->pool)) {
		refuse(request, STATUS_NO_SUCH_POOL, &no_such_pool_error,
			&(struct pool_error){call->pool});
		return;
	}
	inquiry = new_inquiry(call->pool);
	recount_begin(request, inquiry ? &inquiry->recount : NULL);
}

/* ---- from one daemon to the next: which counts from the beginning ---- */

struct packed_inquiry {
	struct pack_span pool; /* absent: of all */
};

static const struct pack_item inquiry_items[] = {
	PACK_ITEM(packed_inquiry, 1, PACK_SPAN, pool),
	{0},
};

static void pack_inquiry(const struct pending *pending, struct pack_writer *out)
{
	const struct inquiry *inquiry =
		container_of(pending, const struct inquiry, recount.pending);
	const struct packed_inquiry packed = {
		{inquiry->pool_length ? inquiry->pool : NULL, inquiry->pool_length}};

	pack_struct(out, inquiry_items, &packed);
}

int get_metrics_restore(struct conn *conn, struct pack_reader record)
{
	struct packed_inquiry packed;
	struct inquiry *inquiry;

	if (unpack_struct(record, inquiry_items, &packed, sizeof(packed)) < 0)
		return -EBADMSG;
	inquiry = new_inquiry(message_text_of(packed.pool.bytes, packed.pool.length));
	if (!inquiry)
		return -ENOMEM;
	recount_restore(conn, &inquiry->recount);
	return 0;
}

/* ---- ResetMetrics ---- */

void handle_reset_metrics(struct request *request, const void *in)
{
	struct server *server = request->conn->loop->server;
	struct distributions *now = calloc(1, sizeof(*now));
	struct section section;

	(void)in;
	if (!now) {
		fail_request(request);
		return;
	}
	broker_enter(request->broker, &section);
	table_reset_metrics(section.table);
	histogram_copy_add(&now->duration_ns, table_durations(section.table));
	histogram_copy_add(&now->queue_wait_ns, table_queue_waits(section.table));
	broker_leave(&section);
	report_fetch_distributions(server, now);
	pthread_mutex_lock(&server->metrics_base->lock);
	server->metrics_base->at_reset = *now;
	pthread_mutex_unlock(&server->metrics_base->lock);
	free(now);
	log_admin(request, NULL, (struct message_text){NULL, 0}, "reset the metrics");
	reply(request, &reset_metrics_out, NULL);
}
