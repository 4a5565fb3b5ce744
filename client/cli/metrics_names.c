/* SPDX-License-Identifier: MIT */
#include "client/cli/metrics_names.h"

#include "client/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct metrics_name metrics_names[] = {
	{"total_sessions", METRICS_NOW, METRICS_PLAIN},
	{"active_sessions", METRICS_NOW, METRICS_PLAIN},
	{"current_metadata_bytes", METRICS_NOW, METRICS_PLAIN},
	{"shutdown_requested", METRICS_NOW, METRICS_PLAIN},
	{"limit", METRICS_NOW, METRICS_PLAIN},
	{"used_units", METRICS_NOW, METRICS_PLAIN},
	{"waiting_sessions", METRICS_NOW, METRICS_PLAIN},
	{"oldest_hold_ms", METRICS_NOW, METRICS_MS},
	{"oldest_wait_ms", METRICS_NOW, METRICS_MS},
	{"over", METRICS_NOW, METRICS_PLAIN},
	{"overdue", METRICS_NOW, METRICS_PLAIN},
	{"orphaned", METRICS_NOW, METRICS_PLAIN},
	{"paused", METRICS_NOW, METRICS_PLAIN},
	{"recomputed_metadata_bytes", METRICS_NOW, METRICS_PLAIN},
	{"metadata_bytes_drift", METRICS_NOW, METRICS_PLAIN},
	{"store", METRICS_NOW, METRICS_PLAIN},
	{"store_error", METRICS_NOW, METRICS_PLAIN},
	{"store_used_bytes", METRICS_NOW, METRICS_BYTES},
	{"store_size_bytes", METRICS_NOW, METRICS_BYTES},
	{"lifetime_total_created", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_completed", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_timeout", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_error", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_cancelled", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_abandoned", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"lifetime_total_revoked", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"peak_concurrent_sessions", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_capacity", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_metadata_size", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_creation_error", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_shutdown", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_paused", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_quota", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_queue_full", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_wait_timeout", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_store", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"sessions_rejected_invalid", METRICS_SINCE_RESET, METRICS_PLAIN},
	{"average_session_duration", METRICS_SINCE_RESET, METRICS_SECONDS},
	{"success_rate", METRICS_SINCE_RESET, METRICS_RATE},
	{"timeout_rate", METRICS_SINCE_RESET, METRICS_RATE},
	{"error_rate", METRICS_SINCE_RESET, METRICS_RATE},
	{"started_at", METRICS_OF_BROKER, METRICS_TIME},
	{"version", METRICS_OF_BROKER, METRICS_PLAIN},
	{"last_reload_ok", METRICS_OF_BROKER, METRICS_PLAIN},
	{"workers", METRICS_OF_BROKER, METRICS_PLAIN},
	{"watched_processes", METRICS_OF_BROKER, METRICS_PLAIN},
	{"watchers", METRICS_OF_BROKER, METRICS_PLAIN},
	{"connections", METRICS_OF_BROKER, METRICS_PLAIN},
	{"connections_total", METRICS_OF_BROKER, METRICS_PLAIN},
	{"connections_refused", METRICS_OF_BROKER, METRICS_PLAIN},
	{"connections_dropped", METRICS_OF_BROKER, METRICS_PLAIN},
	{"frames_received", METRICS_OF_BROKER, METRICS_PLAIN},
	{"frames_sent", METRICS_OF_BROKER, METRICS_PLAIN},
	{"bytes_received", METRICS_OF_BROKER, METRICS_BYTES},
	{"bytes_sent", METRICS_OF_BROKER, METRICS_BYTES},
	{"lock_acquisitions", METRICS_OF_BROKER, METRICS_PLAIN},
	{"lock_contended", METRICS_OF_BROKER, METRICS_PLAIN},
	{0},
};

const struct metrics_name *metrics_find_name(const char *name, size_t length)
{
	for (const struct metrics_name *n = metrics_names; n->name; n++) {
		if (strlen(n->name) == length && !memcmp(n->name, name, length))
			return n;
	}
	return NULL;
}

static void format_bytes(double bytes, char *buf)
{
	static const char units[] = {'K', 'M', 'G', 'T'};
	size_t i = 0;

	if (bytes < 10240) {
		snprintf(buf, METRICS_VALUE_MAX, "%.0f", bytes);
		return;
	}
	for (bytes /= 1024; bytes >= 1023.95 && i < sizeof(units) - 1; i++)
		bytes /= 1024;
	snprintf(buf, METRICS_VALUE_MAX, "%.1f%c", bytes, units[i]);
}

static void format_start(int64_t at_us, char *buf)
{
	char time[FORMAT_MAX], age[FORMAT_MAX];

	snprintf(buf, METRICS_VALUE_MAX, "%s (%s ago)", format_time(at_us, time),
		format_span((format_now_us() - at_us) / 1000, age));
}

static void format_number(enum metrics_kind kind, const char *text, char *buf)
{
	double number = strtod(text, NULL);
	char short_text[FORMAT_MAX];

	switch (kind) {
	case METRICS_BYTES:
		format_bytes(number, buf);
		break;
	case METRICS_MS:
		strcpy(buf, format_span(strtoll(text, NULL, 10), short_text));
		break;
	case METRICS_SECONDS:
		strcpy(buf, format_brief(number < 1e9 ? (int64_t)(number * 1e9) : 0, short_text));
		break;
	case METRICS_RATE:
		snprintf(buf, METRICS_VALUE_MAX, "%.1f%%", number * 100);
		break;
	case METRICS_TIME:
		format_start(strtoll(text, NULL, 10), buf);
		break;
	case METRICS_PLAIN:
		snprintf(buf, METRICS_VALUE_MAX, "%s", text);
		break;
	}
}

char *metrics_format(const struct metrics_name *kind_of, const struct json_value *value, char *buf)
{
	char text[METRICS_VALUE_MAX];

	snprintf(text, sizeof(text), "%.*s",
		(int)(value->length < sizeof(text) ? value->length : sizeof(text) - 1),
		value->text);
	if (value->type == JSON_TRUE || value->type == JSON_FALSE)
		strcpy(buf, value->type == JSON_TRUE ? "yes" : "no");
	else if (value->type == JSON_NULL)
		strcpy(buf, "-");
	else if (value->type == JSON_NUMBER && kind_of)
		format_number(kind_of->kind, text, buf);
	else
		strcpy(buf, text);
	return buf;
}
