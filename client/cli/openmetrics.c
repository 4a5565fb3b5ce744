/* SPDX-License-Identifier: MIT */
#include "client/cli/openmetrics.h"

#include "client/cli/json_read.h"

#include <inttypes.h>
#include <string.h>

struct exposition {
	FILE *out;
	const struct json_value *metrics;
	enum openmetrics_style style;
};

/* ---- lines ---- */

enum family_type { COUNTER, GAUGE, HISTOGRAM };

static void begin_family(const struct exposition *e, const char *name, enum family_type type,
	const char *unit, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const char *suffix = type == COUNTER && e->style == OPENMETRICS_COMMON ? "_total" : "";

	fprintf(e->out, "# HELP usher_%s%s %s\n", name, suffix, help);
	fprintf(e->out, "# TYPE usher_%s%s %s\n", name, suffix, types[type]);
	/* The unit must be the name's last word, which it is not before "_total". */
	if (unit && !*suffix)
		fprintf(e->out, "# UNIT usher_%s %s\n", name, unit);
}

/* The inside of a label's value: only these three are escaped, in both formats. */
static void put_label_text(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n')
			fputs("\\n", out);
		else if (text[i] == '"' || text[i] == '\\')
			fprintf(out, "\\%c", text[i]);
		else
			fputc(text[i], out);
	}
}

/* Up to two labels; a NULL name or text is none. */
struct label {
	const char *name;
	const char *text;
};

static void put_name(const struct exposition *e, const char *name, const char *suffix,
	const struct label *first, const struct label *second)
{
	const struct label *labels[] = {first, second};
	char before = '{';

	fprintf(e->out, "usher_%s%s", name, suffix);
	for (size_t i = 0; i < 2; i++) {
		if (!labels[i] || !labels[i]->text)
			continue;
		fprintf(e->out, "%c%s=\"", before, labels[i]->name);
		put_label_text(e->out, labels[i]->text, strlen(labels[i]->text));
		fputc('"', e->out);
		before = ',';
	}
	if (before == ',')
		fputc('}', e->out);
	fputc(' ', e->out);
}

static void put_int(const struct exposition *e, const char *name, const char *suffix,
	const struct label *first, const struct label *second, int64_t value)
{
	put_name(e, name, suffix, first, second);
	fprintf(e->out, "%" PRId64 "\n", value);
}

/* VALUE / 10^DIGITS, exactly: seconds from nano-, micro- or milliseconds. */
static char *format_fraction(int64_t value, int digits, char *buf, size_t size)
{
	uint64_t scale = 1, absolute = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	size_t length;

	for (int i = 0; i < digits; i++)
		scale *= 10;
	snprintf(buf, size, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "", absolute / scale,
		digits, absolute % scale);
	length = strlen(buf);
	while (length > 2 && buf[length - 1] == '0' && buf[length - 2] != '.')
		buf[--length] = '\0';
	return buf;
}

static void put_seconds(const struct exposition *e, const char *name, const char *suffix,
	const struct label *label, int64_t value, int digits)
{
	char text[48];

	put_name(e, name, suffix, label, NULL);
	fprintf(e->out, "%s\n", format_fraction(value, digits, text, sizeof(text)));
}

/* ---- of the whole broker or of each pool ---- */

/* Where the numbers of a family are: in the metrics, or in each of their pools. */
enum place { BROKER, POOLS };

typedef void put_fn(const struct exposition *e, const char *name, const struct label *pool,
	const struct json_value *object, const void *data);

static void for_each_place(const struct exposition *e, enum place place, const char *name,
	put_fn *put, const void *data)
{
	struct json_value pools, pool;
	struct json_iter iter;
	char pool_name[256];

	if (place == BROKER) {
		put(e, name, NULL, e->metrics, data);
		return;
	}
	if (!json_find_member(e->metrics, "pools", &pools) || pools.type != JSON_ARRAY)
		return;
	json_iter_init(&iter, &pools);
	while (json_next_element(&iter, &pool)) {
		struct label label = {"pool", pool_name};

		if (pool.type == JSON_OBJECT &&
			json_read_text(&pool, "pool", pool_name, sizeof(pool_name)))
			put(e, name, &label, &pool, data);
	}
}

/* ---- counters ---- */

struct counter {
	const char *member; /* of totals */
	const char *value;  /* of the label; NULL: no label */
};

struct counters {
	const char *label;
	const struct counter *items;
};

static void put_counters(const struct exposition *e, const char *name, const struct label *pool,
	const struct json_value *object, const void *data)
{
	const struct counters *counters = data;
	struct json_value totals;

	if (!json_read_object(object, "totals", &totals))
		return;
	for (const struct counter *c = counters->items; c->member; c++) {
		struct label label = {counters->label, c->value};

		put_int(e, name, "_total", pool, &label, json_read_int(&totals, c->member, 0));
	}
}

static const struct counter created[] = {{"created", NULL}, {0}};
static const struct counter ended[] = {{"completed", "completed"}, {"error", "error"},
	{"cancelled", "cancelled"}, {"timeout", "timeout"}, {"abandoned", "abandoned"},
	{"revoked", "revoked"}, {0}};
static const struct counter rejected[] = {{"rejected_capacity", "capacity"},
	{"rejected_metadata_size", "metadata_size"}, {"rejected_creation_error", "creation_error"},
	{"rejected_shutdown", "shutdown"}, {"rejected_paused", "paused"},
	{"rejected_quota", "quota"}, {"rejected_queue_full", "queue_full"},
	{"rejected_wait_timeout", "wait_timeout"}, {"rejected_store", "store"},
	{"rejected_invalid", "invalid"}, {0}};
static const struct counter queued[] = {{"queued", NULL}, {0}};
static const struct counter wait_cancelled[] = {{"wait_cancelled", NULL}, {0}};
static const struct counter shadow[] = {
	{"shadow_capacity", "capacity"}, {"shadow_quota", "quota"}, {0}};

static void write_totals(const struct exposition *e, enum place place, const char *const *names)
{
	static const struct {
		struct counters counters;
		const char *help;
	} families[] = {
		{{NULL, created}, "Sessions created."},
		{{"outcome", ended}, "Sessions ended, by outcome."},
		{{"reason", rejected}, "Requests for a session that were refused, by reason."},
		{{NULL, queued}, "Requests that had to wait."},
		{{NULL, wait_cancelled}, "Waits ended by Cancel or by the one who waited."},
		{{"reason", shadow},
			"Sessions that a pool which does not enforce its limits let in, by reason"
			" to refuse them."},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		begin_family(e, names[i], COUNTER, NULL, families[i].help);
		for_each_place(e, place, names[i], put_counters, &families[i].counters);
	}
}

/* ---- gauges ---- */

enum number_kind { NUMBER, FLAG, MILLISECONDS, MICROSECONDS };

struct gauge {
	const char *member;
	const char *name;
	const char *unit;
	enum number_kind kind;
	const char *help;
};

/* A number that is not there (the age of nothing) has no sample. */
static void put_gauge(const struct exposition *e, const char *name, const struct label *pool,
	const struct json_value *object, const void *data)
{
	const struct gauge *gauge = data;
	struct json_value value;
	int64_t number = 0;

	if (!json_find_member(object, gauge->member, &value) || value.type == JSON_NULL)
		return;
	json_get_int(&value, &number);
	if (gauge->kind == FLAG)
		number = value.type == JSON_TRUE;
	if (gauge->kind == MILLISECONDS || gauge->kind == MICROSECONDS)
		put_seconds(e, name, "", pool, number, gauge->kind == MILLISECONDS ? 3 : 6);
	else
		put_int(e, name, "", pool, NULL, number);
}

static void write_gauges(const struct exposition *e, enum place place, const struct gauge *gauges)
{
	for (; gauges->member; gauges++) {
		begin_family(e, gauges->name, GAUGE, gauges->unit, gauges->help);
		for_each_place(e, place, gauges->name, put_gauge, gauges);
	}
}

static const struct gauge broker_gauges[] = {
	{"active_sessions", "active_sessions", NULL, NUMBER, "Live sessions."},
	{"waiting_sessions", "waiting_sessions", NULL, NUMBER, "Sessions that wait."},
	{"oldest_wait_ms", "oldest_wait_seconds", "seconds", MILLISECONDS,
		"For how long the one that came first has waited."},
	{"used_units", "used_units", NULL, NUMBER, "Slots in use."},
	{"over", "over_units", NULL, NUMBER, "Slots in use beyond the limits."},
	{"overdue", "overdue_sessions", NULL, NUMBER,
		"Sessions whose deadline has passed in pools that hold them."},
	{"orphaned", "orphaned_sessions", NULL, NUMBER,
		"Sessions whose owner was lost when the broker was killed."},
	{"current_metadata_bytes", "metadata_bytes", "bytes", NUMBER, "Metadata of live sessions."},
	{"metadata_bytes_drift", "metadata_drift_bytes", "bytes", NUMBER,
		"What the metadata's counter and a recount differ by; 0."},
	{"oldest_hold_ms", "oldest_hold_seconds", "seconds", MILLISECONDS,
		"Age of the oldest session."},
	{"shutdown_requested", "draining", NULL, FLAG, "1 while a drain is on."},
	{"last_reload_ok", "config_last_reload_successful", NULL, FLAG,
		"1 if the last reload found a correct configuration."},
	{"store_used_bytes", "store_used_bytes", "bytes", NUMBER,
		"What the stored state takes of the store's file."},
	{"store_size_bytes", "store_size_bytes", "bytes", NUMBER, "How large the store's file is."},
	{"workers", "workers", NULL, NUMBER, "Event loops."},
	{"connections", "connections", NULL, NUMBER, "Open connections."},
	{"watched_processes", "watched_processes", NULL, NUMBER, "Processes that own sessions."},
	{"watchers", "watchers", NULL, NUMBER, "Calls of Monitor that are on."},
	{"started_at", "start_time_seconds", "seconds", MICROSECONDS,
		"When the broker started, since 1970."},
	{0},
};

static const struct gauge pool_gauges[] = {
	{"limit", "pool_limit_units", NULL, NUMBER, "The pool's limit."},
	{"active_sessions", "pool_active_sessions", NULL, NUMBER, "Live sessions of the pool."},
	{"waiting_sessions", "pool_waiting_sessions", NULL, NUMBER,
		"Sessions that wait for the pool."},
	{"oldest_wait_ms", "pool_oldest_wait_seconds", "seconds", MILLISECONDS,
		"For how long the one that came first has waited for the pool."},
	{"used_units", "pool_used_units", NULL, NUMBER, "Slots in use of the pool."},
	{"over", "pool_over_units", NULL, NUMBER, "Slots in use beyond the pool's limit."},
	{"overdue", "pool_overdue_sessions", NULL, NUMBER,
		"Sessions of the pool whose deadline has passed."},
	{"orphaned", "pool_orphaned_sessions", NULL, NUMBER,
		"Sessions of the pool whose owner was lost when the broker was killed."},
	{"paused", "pool_paused", NULL, FLAG, "1 while the pool takes no sessions."},
	{"current_metadata_bytes", "pool_metadata_bytes", "bytes", NUMBER,
		"Metadata of the pool's live sessions."},
	{"oldest_hold_ms", "pool_oldest_hold_seconds", "seconds", MILLISECONDS,
		"Age of the pool's oldest session."},
	{0},
};

static const struct gauge broker_counters[] = {
	{"lock_acquisitions", "lock_acquisitions", NULL, NUMBER,
		"How often the table's lock was taken."},
	{"lock_contended", "lock_contentions", NULL, NUMBER,
		"How often it was held by another loop then."},
	{"connections_total", "connections_accepted", NULL, NUMBER, "Connections accepted."},
	{"connections_refused", "connections_refused", NULL, NUMBER,
		"Connections refused because of a limit."},
	{"connections_dropped", "connections_dropped", NULL, NUMBER,
		"Connections closed because the peer broke the protocol or a limit."},
	{"frames_received", "frames_received", NULL, NUMBER, "Calls received."},
	{"frames_sent", "frames_sent", NULL, NUMBER, "Replies written."},
	{"bytes_received", "received_bytes", "bytes", NUMBER, "Bytes received."},
	{"bytes_sent", "sent_bytes", "bytes", NUMBER, "Bytes sent."},
	{0},
};

static void write_broker_counters(const struct exposition *e)
{
	for (const struct gauge *c = broker_counters; c->member; c++) {
		begin_family(e, c->name, COUNTER, c->unit, c->help);
		put_int(e, c->name, "_total", NULL, NULL, json_read_int(e->metrics, c->member, 0));
	}
}

/* ---- histograms ---- */

struct distribution {
	const char *member;
	bool in_totals;
	unsigned first_bit; /* bounds are powers of two, in nanoseconds */
	unsigned last_bit;
	const char *name;
	const char *help;
};

/* Values of at most 2^BITS ns. The broker leaves out bounds before the first and after the last
 * value, so the largest one it gives that is not above is the answer. */
static int64_t count_up_to(const struct json_value *buckets, unsigned bits)
{
	struct json_value bucket;
	struct json_iter iter;
	int64_t count = 0;

	json_iter_init(&iter, buckets);
	while (json_next_element(&iter, &bucket)) {
		if (bucket.type != JSON_OBJECT ||
			json_read_int(&bucket, "le_ns", INT64_MAX) > INT64_C(1) << bits)
			break;
		count = json_read_int(&bucket, "count", count);
	}
	return count;
}

static void put_buckets(const struct exposition *e, const struct distribution *d,
	const struct label *pool, const struct json_value *buckets)
{
	char bound[48];
	struct label le = {"le", bound};

	for (unsigned bits = d->first_bit; bits <= d->last_bit; bits += 2) {
		format_fraction(INT64_C(1) << bits, 9, bound, sizeof(bound));
		put_int(e, d->name, "_bucket", pool, &le, count_up_to(buckets, bits));
	}
}

static void put_histogram(const struct exposition *e, const char *name, const struct label *pool,
	const struct json_value *object, const void *data)
{
	const struct distribution *d = data;
	const struct label infinity = {"le", "+Inf"};
	struct json_value totals = *object, histogram, buckets;
	int64_t count;

	if ((d->in_totals && !json_read_object(object, "totals", &totals)) ||
		!json_read_object(&totals, d->member, &histogram) ||
		!json_find_member(&histogram, "buckets", &buckets) || buckets.type != JSON_ARRAY)
		return;
	put_buckets(e, d, pool, &buckets);
	count = json_read_int(&histogram, "count", 0);
	put_int(e, name, "_bucket", pool, &infinity, count);
	put_seconds(e, name, "_sum", pool, json_read_int(&histogram, "sum_ns", 0), 9);
	put_int(e, name, "_count", pool, NULL, count);
}

/* From a microsecond to 17 s, from a millisecond to 13 days. */
#define SHORT_TIMES 10, 34
#define LONG_TIMES  20, 50

static const struct distribution broker_distributions[] = {
	{"creation_latency", true, SHORT_TIMES, "creation_latency_seconds",
		"From a request's arrival to the writing of its grant."},
	{"queue_wait", true, LONG_TIMES, "queue_wait_seconds",
		"From request to grant, of granted sessions that had to wait."},
	{"session_duration", true, LONG_TIMES, "session_duration_seconds",
		"From creation to end, of ended sessions."},
	{"lock_wait", false, SHORT_TIMES, "lock_wait_seconds", "Waiting for the table's lock."},
	{"lock_hold", false, SHORT_TIMES, "lock_hold_seconds",
		"Holding the table's lock, of one acquisition in seventeen."},
	{"commit", false, SHORT_TIMES, "commit_seconds",
		"Writing the changes of some turns of the event loops to the store."},
	{"loop_lag", false, SHORT_TIMES, "loop_lag_seconds",
		"How long a loop was busy before it looked for input again."},
	{0},
};

static const struct distribution pool_distributions[] = {
	{"queue_wait", true, LONG_TIMES, "pool_queue_wait_seconds",
		"From request to grant, of the pool's granted sessions that had to wait."},
	{"session_duration", true, LONG_TIMES, "pool_session_duration_seconds",
		"From creation to end, of the pool's ended sessions."},
	{0},
};

static void write_histograms(
	const struct exposition *e, enum place place, const struct distribution *d)
{
	for (; d->member; d++) {
		begin_family(e, d->name, HISTOGRAM, "seconds", d->help);
		for_each_place(e, place, d->name, put_histogram, d);
	}
}

/* ---- all ---- */

static void write_build_info(const struct exposition *e)
{
	char version[64] = "unknown";
	const struct label label = {"version", version};

	json_read_text(e->metrics, "version", version, sizeof(version));
	begin_family(e, "build_info", GAUGE, NULL, "1, with the broker's version.");
	put_int(e, "build_info", "", &label, NULL, 1);
}

/* One sample a state, as a StateSet has them, but as a gauge: the older text format knows no other
 * type for it. */
static void write_store_state(const struct exposition *e)
{
	static const char *const states[] = {"none", "ok", "full", "failed"};
	char now[16];

	if (!json_read_text(e->metrics, "store", now, sizeof(now)))
		return;
	begin_family(e, "store_state", GAUGE, NULL,
		"1 for the state of the store, 0 for the others; full and failed refuse sessions.");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		const struct label label = {"state", states[i]};

		put_int(e, "store_state", "", &label, NULL, !strcmp(states[i], now));
	}
}

void openmetrics_write(
	FILE *out, const struct json_value *metrics, enum openmetrics_style style, bool pools_only)
{
	static const char *const broker_totals[] = {"sessions_created", "sessions_ended",
		"sessions_rejected", "sessions_queued", "waits_cancelled", "sessions_unenforced"};
	static const char *const pool_totals[] = {"pool_sessions_created", "pool_sessions_ended",
		"pool_sessions_rejected", "pool_sessions_queued", "pool_waits_cancelled",
		"pool_sessions_unenforced"};
	const struct exposition e = {out, metrics, style};

	if (!pools_only) {
		write_build_info(&e);
		write_gauges(&e, BROKER, broker_gauges);
		write_store_state(&e);
		write_totals(&e, BROKER, broker_totals);
		write_broker_counters(&e);
		write_histograms(&e, BROKER, broker_distributions);
	}
	write_gauges(&e, POOLS, pool_gauges);
	write_totals(&e, POOLS, pool_totals);
	write_histograms(&e, POOLS, pool_distributions);
	fputs("# EOF\n", out);
}
