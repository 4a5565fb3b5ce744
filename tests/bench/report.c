/* SPDX-License-Identifier: MIT */
#include "tests/bench/report.h"

#include "client/cli/format.h"
#include "proto/duration.h"
#include "proto/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABEL  12 /* columns of the screen */
#define COLUMN 9

static const struct column {
	const char *key;
	const char *title;
	unsigned parts;
} columns[] = {
	{"min", "min", 0},
	{"p50", "p50", 5000},
	{"p90", "p90", 9000},
	{"p99", "p99", 9900},
	{"p99_9", "p99.9", 9990},
	{"p99_99", "p99.99", 9999},
	{"max", "max", 10000},
};
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static int64_t latency_ns(const struct outcome *outcome, const struct column *column)
{
	return histogram_percentile(&outcome->latency, column->parts);
}

static double a_second(const struct outcome *outcome, uint64_t n)
{
	return outcome->duration_s > 0 ? (double)n / outcome->duration_s : 0;
}

static double cpu_us_per_op(const struct outcome *outcome)
{
	return outcome->ops > 0 ? (double)outcome->cpu_ns / 1000 / (double)outcome->ops : 0;
}

bool report_is_behind(const struct report *report)
{
	const struct outcome *o = report->outcome;

	return report->options->rate > 0 && o->unsent * 99 > o->begun;
}

double report_busy(const struct report *report)
{
	const struct outcome *o = report->outcome;

	return o->duration_s > 0
		       ? (double)o->cpu_ns / 1e9 / o->duration_s / report->options->threads
		       : 0;
}

/* ---- for people ---- */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void print_head(const struct report *report)
{
	const struct options *o = report->options;
	char text[DURATION_TEXT_MAX];

	printf("%s on %s at %s\n", o->operation->name, report->peer, report->path);
	printf("%u connection%s, %u in flight on each", o->connections, plural(o->connections),
		o->depth);
	if (operation_has_sessions(o->operation))
		printf(", %" PRIu64 " bytes of metadata", o->metadata_bytes);
	if (o->threads > 1)
		printf(", %u threads", o->threads);
	if (o->sessions > 0)
		printf(", %" PRIu64 " session%s held", o->sessions, plural(o->sessions));
	if (o->waiters > 0)
		printf(", %" PRIu64 " waiting", o->waiters);
	if (o->idle > 0)
		printf(", %" PRIu64 " idle connection%s", o->idle, plural(o->idle));
	if (o->warmup_ms > 0)
		printf(", after %s of warm-up", duration_format(o->warmup_ms, text, sizeof(text)));
	printf("\n\n");
}

static void print_latency(const struct outcome *outcome)
{
	char text[FORMAT_MAX];

	printf("%-*s", LABEL, "latency");
	for (size_t i = 0; i < N_COLUMNS; i++)
		printf("%*s", i ? COLUMN : COLUMN - 2, columns[i].title);
	printf("\n%-*s", LABEL, "");
	for (size_t i = 0; i < N_COLUMNS; i++)
		printf("%*s", i ? COLUMN : COLUMN - 2,
			format_brief(latency_ns(outcome, &columns[i]), text));
	printf("\n");
}

static void print_rate(const struct report *report)
{
	const struct outcome *o = report->outcome;
	char late[FORMAT_MAX];

	if (report->options->rate <= 0)
		return;
	printf("%-*s%.0f ops/s asked, %.0f sent, each at most %s late\n", LABEL, "rate",
		report->options->rate, a_second(o, o->begun), format_brief(o->lag_ns, late));
	if (report_is_behind(report))
		printf("%*sBehind: %" PRIu64 " were due and could not be sent, since all requests\n"
		       "%*sthat may be in flight were; how long they had waited is in the "
		       "latency.\n",
			LABEL, "", o->unsent, LABEL, "");
}

static void print_errors(const struct report *report)
{
	const struct tally *errors = &report->outcome->errors;

	printf("%-*s", LABEL, "errors");
	if (errors->n == 0)
		printf("none");
	for (size_t i = 0; i < errors->n; i++)
		printf("%s%s %" PRIu64, i ? ", " : "", errors->rows[i].name, errors->rows[i].count);
	printf("\n");
	if (report->sentence)
		printf("%*s%s: %s\n", LABEL, "", errors->first_name, report->sentence);
}

static void print_client(const struct report *report)
{
	double busy = report_busy(report);

	printf("%-*s%.2f us of its own CPU time an op, busy for %.0f %% of the time\n", LABEL,
		"client", cpu_us_per_op(report->outcome), busy * 100);
	if (busy > 0.9)
		printf("%*sIt is the limit itself: give it more --threads, if there are cores.\n",
			LABEL, "");
}

void report_print(const struct report *report)
{
	const struct outcome *o = report->outcome;

	print_head(report);
	printf("%-*s%.0f ops/s: %" PRIu64 " in %.3f s%s\n", LABEL, "throughput",
		a_second(o, o->ops), o->ops, o->duration_s,
		o->stop == STOP_ASKED    ? ", interrupted"
		: o->stop == STOP_FAILED ? ", given up"
					 : "");
	printf("%*san op is %s\n", LABEL, "", report->options->operation->unit);
	if (o->latency.count > 0)
		print_latency(o);
	print_rate(report);
	print_errors(report);
	if (o->ops > 0)
		print_client(report);
}

/* ---- JSON ---- */

static void member_text(struct json_writer *w, const char *key, const char *value)
{
	json_write_key(w, key);
	json_write_cstring(w, value);
}

static void member_int(struct json_writer *w, const char *key, uint64_t value)
{
	json_write_key(w, key);
	json_write_int(w, (int64_t)value);
}

static void member_double(struct json_writer *w, const char *key, double value)
{
	json_write_key(w, key);
	json_write_double(w, value);
}

static void write_setup(struct json_writer *w, const struct report *report)
{
	const struct options *o = report->options;

	member_text(w, "operation", o->operation->name);
	member_text(w, "dialect", o->dialect);
	member_text(w, "peer", report->peer);
	member_text(w, "socket", report->path);
	member_text(w, "pool", o->pool);
	member_int(w, "threads", o->threads);
	member_int(w, "connections", o->connections);
	member_int(w, "depth", o->depth);
	member_int(w, "metadata_bytes", o->metadata_bytes);
	member_int(w, "create_bytes", report->create_bytes);
	member_int(w, "sessions", o->sessions);
	member_int(w, "waiters", o->waiters);
	member_int(w, "idle", o->idle);
}

static void write_errors(struct json_writer *w, const struct report *report)
{
	const struct tally *errors = &report->outcome->errors;

	json_write_key(w, "errors");
	json_write_object_begin(w);
	for (size_t i = 0; i < errors->n; i++) {
		json_write_key(w, errors->rows[i].name);
		json_write_int(w, (int64_t)errors->rows[i].count);
	}
	json_write_object_end(w);
	json_write_key(w, "first_error");
	if (report->sentence)
		json_write_cstring(w, report->sentence);
	else
		json_write_null(w);
}

static void write_latency(struct json_writer *w, const struct outcome *outcome)
{
	json_write_key(w, "latency_us");
	json_write_object_begin(w);
	for (size_t i = 0; i < N_COLUMNS; i++)
		member_double(w, columns[i].key, (double)latency_ns(outcome, &columns[i]) / 1000);
	json_write_object_end(w);
}

/* Without a rate there is none to be behind. */
static void write_rate(struct json_writer *w, const struct report *report)
{
	const struct outcome *o = report->outcome;
	bool has_rate = report->options->rate > 0;

	json_write_key(w, "rate_asked");
	if (has_rate)
		json_write_double(w, report->options->rate);
	else
		json_write_null(w);
	json_write_key(w, "rate_reached");
	if (has_rate)
		json_write_double(w, a_second(o, o->begun));
	else
		json_write_null(w);
	json_write_key(w, "behind");
	json_write_bool(w, report_is_behind(report));
	member_int(w, "unsent", o->unsent);
	member_double(w, "lag_max_us", (double)o->lag_ns / 1000);
}

void report_print_json(const struct report *report)
{
	const struct outcome *o = report->outcome;
	struct json_writer w;

	json_writer_init(&w);
	json_write_object_begin(&w);
	write_setup(&w, report);
	member_double(&w, "duration_s", o->duration_s);
	member_int(&w, "ops", o->ops);
	member_double(&w, "ops_per_s", a_second(o, o->ops));
	write_errors(&w, report);
	write_latency(&w, o);
	write_rate(&w, report);
	member_double(&w, "client_cpu_us_per_op", cpu_us_per_op(o));
	member_double(&w, "client_busy", report_busy(report));
	member_int(&w, "sessions_created", o->created);
	member_int(&w, "sessions_released", o->released);
	json_write_object_end(&w);
	if (!json_writer_failed(&w))
		printf("%.*s\n", (int)w.length, w.data);
	json_writer_deinit(&w);
}
