/* SPDX-License-Identifier: MIT */
#include "tests/bench/report.h"

#include "proto/duration.h"
#include "proto/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static double latency_us(const struct outcome *outcome, const struct column *column)
{
	return (double)histogram_percentile(&outcome->latency, column->parts) / 1000;
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

/* ---- for people ---- */

static void print_head(const struct report *report)
{
	const struct options *o = report->options;
	char text[DURATION_TEXT_MAX];

	printf("%s on %s at %s\n", o->operation->name, report->peer, report->path);
	printf("%u connection%s, %u in flight on each, %" PRIu64 " bytes of metadata",
		o->connections, o->connections == 1 ? "" : "s", o->depth, o->metadata_bytes);
	if (o->threads > 1)
		printf(", %u threads", o->threads);
	if (o->sessions > 0)
		printf(", %" PRIu64 " sessions held", o->sessions);
	if (o->waiters > 0)
		printf(", %" PRIu64 " waiting", o->waiters);
	if (o->idle > 0)
		printf(", %" PRIu64 " idle connections", o->idle);
	if (o->warmup_ms > 0)
		printf(", after %s of warm-up", duration_format(o->warmup_ms, text, sizeof(text)));
	printf("\n\n");
}

static void print_latency(const struct outcome *outcome)
{
	printf("%-16s", "latency in us");
	for (size_t i = 0; i < N_COLUMNS; i++)
		printf("%10s", columns[i].title);
	printf("\n%16s", "");
	for (size_t i = 0; i < N_COLUMNS; i++)
		printf("%10.1f", latency_us(outcome, &columns[i]));
	printf("\n");
}

static void print_rate(const struct report *report)
{
	const struct outcome *o = report->outcome;

	if (report->options->rate <= 0)
		return;
	printf("%-16s%.0f a second asked, %.0f sent, at most %.1f ms late\n", "rate",
		report->options->rate, a_second(o, o->begun), (double)o->lag_ns / 1e6);
	if (report_is_behind(report))
		printf("%-16sIt fell behind: %" PRIu64
		       " ops were due that could not be sent. Either all\n"
		       "%-16s--connections times --depth were waiting for replies, or %s needs\n"
		       "%-16smore --threads.\n",
			"", o->unsent, "", report->options->program, "");
}

static void print_errors(const struct report *report)
{
	const struct tally *errors = &report->outcome->errors;

	printf("%-16s", "errors");
	if (errors->n == 0)
		printf("none");
	for (size_t i = 0; i < errors->n; i++)
		printf("%s%s %" PRIu64, i ? ", " : "", errors->rows[i].name, errors->rows[i].count);
	printf("\n");
	if (errors->n > 0)
		printf("%-16sthe first, %s: %s\n", "", errors->first_name,
			report->sentence ? report->sentence : "see there");
}

void report_print(const struct report *report)
{
	const struct outcome *o = report->outcome;

	print_head(report);
	printf("%-16s%.0f ops a second: %" PRIu64 " in %.3f s\n", "throughput", a_second(o, o->ops),
		o->ops, o->duration_s);
	printf("%-16sone op is %s\n", "", report->options->operation->unit);
	print_latency(o);
	print_rate(report);
	print_errors(report);
	printf("%-16s%.2f us of CPU time for an op\n", "client", cpu_us_per_op(o));
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
		member_double(w, columns[i].key, latency_us(outcome, &columns[i]));
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
	member_int(&w, "sessions_created", o->created);
	member_int(&w, "sessions_released", o->released);
	json_write_object_end(&w);
	if (!json_writer_failed(&w))
		printf("%.*s\n", (int)w.length, w.data);
	json_writer_deinit(&w);
}
