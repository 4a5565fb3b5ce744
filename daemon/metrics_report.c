/* SPDX-License-Identifier: MIT */
#include "daemon/metrics_report.h"

#include "daemon/loop.h"
#include "daemon/ops_view.h"
#include "version.h"

#include <stdlib.h>
#include <string.h>

#define POOLS_A_LOCK 16
#define FIRST_BIT    6 /* buckets begin at 64 ns */

/* ---- distributions ---- */

/* A histogram's message with room for its buckets. */
struct histogram_room {
	struct histogram_message message;
	struct bucket_message buckets[HISTOGRAM_MAX_BITS + 1];
};

/* From the bucket that holds the first value to the one that holds the last. */
static void fill_buckets(const struct histogram_copy *copy, struct histogram_room *room)
{
	size_t n = 0;

	for (unsigned bits = FIRST_BIT; bits < HISTOGRAM_MAX_BITS; bits++) {
		uint64_t count = histogram_count_up_to(copy, bits);

		if (count == 0)
			continue;
		room->buckets[n++] = (struct bucket_message){INT64_C(1) << bits, (int64_t)count};
		if (count >= copy->count)
			break;
	}
	room->message.buckets = (struct message_list){room->buckets, n, true};
}

static void fill_histogram(const struct histogram_copy *copy, struct histogram_room *room)
{
	room->message = (struct histogram_message){
		.count = (int64_t)copy->count,
		.sum_ns = (int64_t)copy->sum,
		.p50_ns = (int64_t)histogram_percentile(copy, 0.5),
		.p90_ns = (int64_t)histogram_percentile(copy, 0.9),
		.p99_ns = (int64_t)histogram_percentile(copy, 0.99),
		.p999_ns = (int64_t)histogram_percentile(copy, 0.999),
		.max_ns = (int64_t)copy->max,
	};
	fill_buckets(copy, room);
}

void report_fetch_distributions(struct server *server, struct distributions *ret)
{
	const struct broker_stats *stats = broker_stats(server->broker);

	for (unsigned i = 0; i < server->n_loops; i++) {
		histogram_copy_add(&ret->creation_ns, &server->loops[i].stats.creation_ns);
		histogram_copy_add(&ret->lag_ns, &server->loops[i].stats.lag_ns);
		histogram_copy_add(&ret->commit_ns, &server->loops[i].stats.commit_ns);
	}
	histogram_copy_add(&ret->lock_wait_ns, &stats->wait_ns);
	histogram_copy_add(&ret->lock_hold_ns, &stats->hold_ns);
}

/* Taken before the distributions themselves: they only grow, so what is subtracted is never more.
 */
static void copy_base(struct metrics_base *base, struct distributions *ret)
{
	pthread_mutex_lock(&base->lock);
	*ret = base->at_reset;
	pthread_mutex_unlock(&base->lock);
}

static void subtract_base(const struct distributions *base, struct distributions *d)
{
	histogram_copy_subtract(&d->creation_ns, &base->creation_ns);
	histogram_copy_subtract(&d->duration_ns, &base->duration_ns);
	histogram_copy_subtract(&d->queue_wait_ns, &base->queue_wait_ns);
	histogram_copy_subtract(&d->lock_wait_ns, &base->lock_wait_ns);
	histogram_copy_subtract(&d->lock_hold_ns, &base->lock_hold_ns);
	histogram_copy_subtract(&d->commit_ns, &base->commit_ns);
	histogram_copy_subtract(&d->lag_ns, &base->lag_ns);
}

/* ---- totals ---- */

static void fill_totals(const struct counters *counters, struct totals_message *ret)
{
	*ret = (struct totals_message){
		.created = (int64_t)counters->created,
		.completed = (int64_t)counters->ended[OUTCOME_COMPLETED],
		.error = (int64_t)counters->ended[OUTCOME_ERROR],
		.cancelled = (int64_t)counters->ended[OUTCOME_CANCELLED],
		.timeout = (int64_t)counters->ended[OUTCOME_TIMEOUT],
		.abandoned = (int64_t)counters->ended[OUTCOME_ABANDONED],
		.revoked = (int64_t)counters->ended[OUTCOME_REVOKED],
		.rejected_capacity = (int64_t)counters->rejected[REJECTED_CAPACITY],
		.rejected_metadata_size = (int64_t)counters->rejected[REJECTED_METADATA_SIZE],
		.rejected_creation_error = (int64_t)counters->rejected[REJECTED_CREATION_ERROR],
		.rejected_shutdown = (int64_t)counters->rejected[REJECTED_SHUTDOWN],
		.rejected_paused = (int64_t)counters->rejected[REJECTED_PAUSED],
		.rejected_quota = (int64_t)counters->rejected[REJECTED_QUOTA],
		.rejected_queue_full = (int64_t)counters->rejected[REJECTED_QUEUE_FULL],
		.rejected_wait_timeout = (int64_t)counters->rejected[REJECTED_WAIT_TIMEOUT],
		.rejected_store = (int64_t)counters->rejected[REJECTED_STORE],
		.rejected_invalid = (int64_t)counters->rejected[REJECTED_INVALID],
		.queued = (int64_t)counters->queued,
		.wait_cancelled = (int64_t)counters->cancelled_waits,
		.shadow_capacity = (int64_t)counters->shadow_capacity,
		.shadow_quota = (int64_t)counters->shadow_quota,
	};
}

/* ---- pools ---- */

/* One pool's metrics: its view, and its distribution copied in the same lock section. */
struct pool_part {
	struct pool_view view;
	struct histogram_copy durations;
	struct histogram_copy queue_wait;
	struct histogram_room duration_room;
	struct histogram_room wait_room;
	struct totals_message totals;
};

struct pool_parts {
	struct pool_part *parts;
	struct pool_metrics_message *messages;
	size_t count;
};

static void deinit_parts(struct pool_parts *pools)
{
	for (size_t i = 0; i < pools->count; i++)
		pool_view_deinit(&pools->parts[i].view);
	free(pools->parts);
	free(pools->messages);
}

static void copy_histograms(
	const struct table *table, const char *name, size_t length, struct pool_part *part)
{
	const struct pool *pool = table_find_pool(table, name, length);

	histogram_copy_add(&part->durations, &pool->durations);
	histogram_copy_add(&part->queue_wait, &pool->queue_wait);
}

/* Up to POOLS_A_LOCK pools after the last one. Returns how many came, or -1 without memory. */
static int fetch_more_pools(struct broker *broker, struct pool_parts *pools)
{
	struct pool_part *larger =
		reallocarray(pools->parts, pools->count + POOLS_A_LOCK, sizeof(*larger));
	struct pool_view views[POOLS_A_LOCK];
	struct section section;
	size_t n;

	if (!larger)
		return -1;
	pools->parts = larger;
	larger += pools->count;
	memset(larger, 0, POOLS_A_LOCK * sizeof(*larger));
	broker_enter(broker, &section);
	n = table_view_pools(section.table, pools->count ? larger[-1].view.name->bytes : NULL,
		section.now, views, POOLS_A_LOCK);
	for (size_t i = 0; i < n; i++)
		copy_histograms(
			section.table, views[i].name->bytes, views[i].name->length, &larger[i]);
	broker_leave(&section);
	for (size_t i = 0; i < n; i++)
		larger[i].view = views[i];
	pools->count += n;
	return (int)n;
}

/* The one pool asked for. 0, STATUS_NO_SUCH_POOL or -1. */
static int fetch_one_pool(struct broker *broker, struct message_text name, struct pool_parts *pools)
{
	struct section section;
	int r;

	pools->parts = calloc(1, sizeof(*pools->parts));
	if (!pools->parts)
		return -1;
	broker_enter(broker, &section);
	r = table_view_pool(
		section.table, name.text, name.length, section.now, &pools->parts->view);
	if (r == 0)
		copy_histograms(section.table, name.text, name.length, pools->parts);
	broker_leave(&section);
	pools->count = r == 0;
	return r;
}

static int fetch_pools(struct broker *broker, struct message_text name, struct pool_parts *ret)
{
	int n;

	*ret = (struct pool_parts){0};
	if (name.text)
		return fetch_one_pool(broker, name, ret);
	do
		n = fetch_more_pools(broker, ret);
	while (n == POOLS_A_LOCK);
	return n < 0 ? n : 0;
}

static int64_t age_in_ms(int64_t age_us)
{
	return age_us < 0 ? MESSAGE_ABSENT : age_us / 1000;
}

static void fill_pool(struct pool_part *part, struct pool_metrics_message *ret)
{
	const struct pool_view *view = &part->view;

	fill_totals(&view->counters, &part->totals);
	fill_histogram(&part->durations, &part->duration_room);
	fill_histogram(&part->queue_wait, &part->wait_room);
	part->totals.session_duration = &part->duration_room.message;
	part->totals.queue_wait = &part->wait_room.message;
	*ret = (struct pool_metrics_message){
		.pool = message_from_text(view->name),
		.limit = view->settings.limit,
		.active_sessions = (int64_t)view->active,
		.waiting_sessions = (int64_t)view->waiting,
		.used_units = (int64_t)view->used_units,
		.over = (int64_t)view->over,
		.overdue = (int64_t)view->overdue,
		.orphaned = (int64_t)view->orphaned,
		.paused = view->is_paused,
		.current_metadata_bytes = (int64_t)view->metadata_bytes,
		.oldest_hold_ms = age_in_ms(view->oldest_age_us),
		.oldest_wait_ms = age_in_ms(view->oldest_wait_us),
		.totals = &part->totals,
	};
}

static int fill_pools(struct pool_parts *pools)
{
	pools->messages = calloc(pools->count ? pools->count : 1, sizeof(*pools->messages));
	if (!pools->messages)
		return -1;
	for (size_t i = 0; i < pools->count; i++)
		fill_pool(&pools->parts[i], &pools->messages[i]);
	return 0;
}

/* ---- the whole ---- */

static void fill_loops(const struct server *server, struct metrics_message *out)
{
	out->workers = server->n_loops;
	for (unsigned i = 0; i < server->n_loops; i++) {
		const struct loop_stats *stats = &server->loops[i].stats;

		out->connections += (int64_t)atomic_load(&stats->connections);
		out->connections_total += (int64_t)atomic_load(&stats->connections_total);
		out->connections_dropped += (int64_t)atomic_load(&stats->connections_dropped);
		out->frames_received += (int64_t)atomic_load(&stats->frames_received);
		out->frames_sent += (int64_t)atomic_load(&stats->frames_sent);
		out->bytes_received += (int64_t)atomic_load(&stats->bytes_received);
		out->bytes_sent += (int64_t)atomic_load(&stats->bytes_sent);
	}
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void fill_rates(const struct counters *counted, const struct histogram_copy *durations,
	struct metrics_message *out)
{
	uint64_t completed = counted->ended[OUTCOME_COMPLETED];
	uint64_t timeout = counted->ended[OUTCOME_TIMEOUT];
	uint64_t error = counted->ended[OUTCOME_ERROR];
	uint64_t rated = completed + timeout + error;

	out->average_session_duration = ratio(durations->sum, durations->count) / 1e9;
	out->success_rate = ratio(completed, rated);
	out->timeout_rate = ratio(timeout, rated);
	out->error_rate = ratio(error, rated);
}

static void fill_counters(
	const struct table_metrics *metrics, uint64_t recomputed, struct metrics_message *out)
{
	struct totals_message counted;

	fill_totals(&metrics->counted, &counted);
	*out = (struct metrics_message){
		.total_sessions = (int64_t)metrics->active,
		.active_sessions = (int64_t)metrics->active,
		.lifetime_total_created = counted.created,
		.lifetime_total_completed = counted.completed,
		.lifetime_total_timeout = counted.timeout,
		.lifetime_total_error = counted.error,
		.lifetime_total_cancelled = counted.cancelled,
		.lifetime_total_abandoned = counted.abandoned,
		.lifetime_total_revoked = counted.revoked,
		.peak_concurrent_sessions = (int64_t)metrics->peak,
		.current_metadata_bytes = (int64_t)metrics->metadata_bytes,
		.recomputed_metadata_bytes = (int64_t)recomputed,
		.metadata_bytes_drift = (int64_t)(metrics->metadata_bytes - recomputed),
		.sessions_rejected_capacity = counted.rejected_capacity,
		.sessions_rejected_metadata_size = counted.rejected_metadata_size,
		.sessions_rejected_creation_error = counted.rejected_creation_error,
		.sessions_rejected_shutdown = counted.rejected_shutdown,
		.sessions_rejected_paused = counted.rejected_paused,
		.sessions_rejected_quota = counted.rejected_quota,
		.sessions_rejected_queue_full = counted.rejected_queue_full,
		.sessions_rejected_wait_timeout = counted.rejected_wait_timeout,
		.sessions_rejected_store = counted.rejected_store,
		.sessions_rejected_invalid = counted.rejected_invalid,
		.shutdown_requested = metrics->is_draining,
		.waiting_sessions = (int64_t)metrics->waiting,
		.used_units = (int64_t)metrics->used_units,
		.over = (int64_t)metrics->over,
		.overdue = (int64_t)metrics->overdue,
		.orphaned = (int64_t)metrics->orphaned,
		.oldest_hold_ms = age_in_ms(metrics->oldest_age_us),
		.oldest_wait_ms = age_in_ms(metrics->oldest_wait_us),
	};
}

static void fill_server(struct server *server, struct metrics_message *out)
{
	const struct broker_stats *stats = broker_stats(server->broker);

	out->lock_acquisitions = (int64_t)atomic_load(&stats->acquisitions);
	out->lock_contended = (int64_t)atomic_load(&stats->contended);
	out->connections_refused = (int64_t)atomic_load(&server->connections_refused);
	out->watched_processes = atomic_load(&server->watches);
	out->watchers = atomic_load(&server->watchers);
	out->last_reload_ok = atomic_load(&server->last_reload_ok);
	out->started_at = server->started_wall_us;
	out->version = message_cstring(USHER_VERSION);
	fill_loops(server, out);
}

static void fill_store(
	struct server *server, struct store_status *store, struct metrics_message *out)
{
	server_store_status(server, store);
	out->store = (int)store->state;
	out->store_used_bytes = (int64_t)store->used_bytes;
	out->store_size_bytes = (int64_t)store->size_bytes;
	if (store->state >= STORE_FULL)
		out->store_error = message_cstring(store->reason);
}

struct report {
	struct table_metrics table;
	uint64_t recomputed_metadata_bytes;
	struct distributions base;
	struct distributions all;
	struct distributions since_reset;
	struct pool_parts pools;
	/* What a reply points into. */
	struct histogram_room creation, duration, queue_wait, lock_wait, lock_hold, commit, lag,
		all_creation, all_duration, all_queue_wait;
	struct store_status store;
	struct totals_message totals;
	struct metrics_message metrics;
};

static void fill_distributions(struct report *report)
{
	fill_histogram(&report->since_reset.creation_ns, &report->creation);
	fill_histogram(&report->since_reset.duration_ns, &report->duration);
	fill_histogram(&report->since_reset.queue_wait_ns, &report->queue_wait);
	fill_histogram(&report->since_reset.lock_wait_ns, &report->lock_wait);
	fill_histogram(&report->since_reset.lock_hold_ns, &report->lock_hold);
	fill_histogram(&report->since_reset.commit_ns, &report->commit);
	fill_histogram(&report->since_reset.lag_ns, &report->lag);
	fill_histogram(&report->all.creation_ns, &report->all_creation);
	fill_histogram(&report->all.duration_ns, &report->all_duration);
	fill_histogram(&report->all.queue_wait_ns, &report->all_queue_wait);
	report->metrics.creation_latency = &report->creation.message;
	report->metrics.session_duration = &report->duration.message;
	report->metrics.queue_wait = &report->queue_wait.message;
	report->metrics.lock_wait = &report->lock_wait.message;
	report->metrics.lock_hold = &report->lock_hold.message;
	report->metrics.commit = &report->commit.message;
	report->metrics.loop_lag = &report->lag.message;
	report->totals.creation_latency = &report->all_creation.message;
	report->totals.session_duration = &report->all_duration.message;
	report->totals.queue_wait = &report->all_queue_wait.message;
	report->metrics.totals = &report->totals;
}

static void fill_report(struct server *server, struct report *report)
{
	report_fetch_distributions(server, &report->all);
	report->since_reset = report->all;
	subtract_base(&report->base, &report->since_reset);
	fill_counters(&report->table, report->recomputed_metadata_bytes, &report->metrics);
	fill_rates(&report->table.counted, &report->since_reset.duration_ns, &report->metrics);
	fill_server(server, &report->metrics);
	fill_store(server, &report->store, &report->metrics);
	fill_totals(&report->table.totals, &report->totals);
	fill_distributions(report);
	report->metrics.pools =
		(struct message_list){report->pools.messages, report->pools.count, true};
}

/* ---- from first to last ---- */

struct report *report_new(void)
{
	return calloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
	if (report)
		deinit_parts(&report->pools);
	free(report);
}

void report_copy_base(struct report *report, struct server *server)
{
	copy_base(server->metrics_base, &report->base);
}

void report_take(
	struct report *report, const struct section *section, uint64_t recomputed_metadata_bytes)
{
	table_metrics(section->table, section->now, &report->table);
	histogram_copy_add(&report->all.duration_ns, table_durations(section->table));
	histogram_copy_add(&report->all.queue_wait_ns, table_queue_waits(section->table));
	report->recomputed_metadata_bytes = recomputed_metadata_bytes;
}

int report_fill(struct report *report, struct server *server, struct message_text pool,
	struct metrics_reply *ret)
{
	int r = fetch_pools(server->broker, pool, &report->pools);

	if (r == 0)
		r = fill_pools(&report->pools);
	if (r != 0)
		return r;
	fill_report(server, report);
	*ret = (struct metrics_reply){&report->metrics};
	return 0;
}
