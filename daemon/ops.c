/* SPDX-License-Identifier: MIT */
#include "daemon/ops.h"

#include "daemon/log.h"
#include "daemon/session_log.h"
#include "version.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for the parameters of any call. */
union any_call {
	struct create_call create;
	struct session_call start;
	struct renew_call renew;
	struct update_call update;
	struct release_call release;
	struct attach_call attach;
	struct cancel_call cancel;
	struct monitor_call monitor;
	struct get_call get;
	struct list_call list;
	struct history_call history;
	struct revoke_call revoke;
	struct metrics_call get_metrics;
	struct set_pool_call set_pool;
	struct pause_call pause;
	struct resume_call resume;
	struct drain_call drain;
};

void reply(struct request *request, const struct message *table, const void *value)
{
	varlink_reply_begin(request->out);
	message_encode_members(table, value, request->out);
	varlink_reply_end(request->out, false);
}

void refuse(struct request *request, int status, const struct message *table, const void *value)
{
	varlink_error_begin(request->out, status_error_name(status));
	if (table)
		message_encode_members(table, value, request->out);
	varlink_error_end(request->out);
}

void refuse_parameter(struct request *request, const char *parameter, const char *expected)
{
	struct varlink_fault fault;

	varlink_fault_set(&fault, parameter, "%s", expected);
	varlink_invalid_parameter(request->out, &fault);
}

void refuse_files(struct request *request)
{
	struct connections_error error = {
		.limit = request->conn->loop->server->max_files, .scope = 0};

	refuse(request, STATUS_TOO_MANY_CONNECTIONS, &too_many_connections_error, &error);
}

void fail_request(struct request *request)
{
	conn_close(request->conn, "out of memory");
}

void log_admin(struct request *request, const char *pool, struct message_text reason,
	const char *format, ...)
{
	char actor[ACTOR_SIZE], what[640];
	struct log_field fields[] = {
		{LOG_MESSAGE_ID, LOG_ID_ADMIN}, {LOG_USHER_ACTOR, actor}, {LOG_USHER_POOL, pool}};
	va_list args;

	format_actor(&request->conn->owner.peer, actor);
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	/* What users do to their own sessions is not what an administrator looks for. */
	log_entry(request->conn->owner.peer.is_admin ? LOG_NOTICE : LOG_INFO, fields, 3,
		"%s %s%s%.*s", actor, what, reason.text ? ": " : "", (int)reason.length,
		reason.text ? reason.text : "");
}

/* Strings with escapes are decoded into the loop's scratch; most calls have none. */
static bool set_up_scratch(
	struct request *request, const struct varlink_call *call, struct message_scratch *scratch)
{
	const struct json_value *parameters = &call->parameters;

	*scratch = (struct message_scratch){NULL, 0};
	if (!memchr(parameters->text, '\\', parameters->length))
		return true;
	scratch->next = loop_scratch(request->conn->loop, parameters->length);
	scratch->left = parameters->length;
	return scratch->next != NULL;
}

static void run_operation(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	const struct operation *operation = method->data;
	struct request *request = context;
	struct message_scratch scratch;
	struct varlink_fault fault;
	union any_call in;
	int r;

	request->call = call;
	request->out = out;
	if (operation->is_admin && !request->conn->owner.peer.is_admin) {
		varlink_error(out, status_error_name(STATUS_PERMISSION_DENIED));
		return;
	}
	if (!set_up_scratch(request, call, &scratch)) {
		fail_request(request);
		return;
	}
	r = message_decode(
		operation->in, &call->parameters, MESSAGE_REFUSE_UNKNOWN, &scratch, &in, &fault);
	if (r == 0) {
		operation->handle(request, &in);
		return;
	}
	varlink_invalid_parameter(out, &fault);
	if (operation->in == &create_in) {
		struct section section;

		broker_enter(request->broker, &section);
		table_count_rejection(section.table, REJECTED_INVALID);
		broker_leave(&section);
	}
}

/* A new operation: its row here, its handler, its tables in proto/message, its paragraph in the
 * interface text. */
static const struct operation create_operation = {&create_in, handle_create, false};
static const struct operation start_operation = {&start_in, handle_start, false};
static const struct operation renew_operation = {&renew_in, handle_renew, false};
static const struct operation update_operation = {&update_in, handle_update, false};
static const struct operation release_operation = {&release_in, handle_release, false};
static const struct operation attach_operation = {&attach_in, handle_attach, false};
static const struct operation cancel_operation = {&cancel_in, handle_cancel, false};
static const struct operation get_operation = {&get_in, handle_get, false};
static const struct operation list_operation = {&list_in, handle_list, false};
static const struct operation history_operation = {&history_in, handle_history, false};
static const struct operation revoke_operation = {&revoke_in, handle_revoke, false};
static const struct operation monitor_operation = {&monitor_in, handle_monitor, false};
static const struct operation get_metrics_operation = {&get_metrics_in, handle_get_metrics, false};
static const struct operation reset_metrics_operation = {
	&reset_metrics_in, handle_reset_metrics, true};
static const struct operation list_pools_operation = {&list_pools_in, handle_list_pools, false};
static const struct operation set_pool_operation = {&set_pool_in, handle_set_pool, true};
static const struct operation pause_operation = {&pause_in, handle_pause, true};
static const struct operation resume_operation = {&resume_in, handle_resume, true};
static const struct operation drain_operation = {&drain_in, handle_drain, true};
static const struct operation reload_operation = {&reload_in, handle_reload, true};
static const struct operation verify_operation = {&verify_in, handle_verify, false};

static const struct varlink_method methods[] = {
	{"Create", run_operation, &create_operation},
	{"Start", run_operation, &start_operation},
	{"Renew", run_operation, &renew_operation},
	{"Update", run_operation, &update_operation},
	{"Release", run_operation, &release_operation},
	{"Attach", run_operation, &attach_operation},
	{"Cancel", run_operation, &cancel_operation},
	{"Get", run_operation, &get_operation},
	{"List", run_operation, &list_operation},
	{"History", run_operation, &history_operation},
	{"Revoke", run_operation, &revoke_operation},
	{"Monitor", run_operation, &monitor_operation},
	{"GetMetrics", run_operation, &get_metrics_operation},
	{"ResetMetrics", run_operation, &reset_metrics_operation},
	{"ListPools", run_operation, &list_pools_operation},
	{"SetPool", run_operation, &set_pool_operation},
	{"Pause", run_operation, &pause_operation},
	{"Resume", run_operation, &resume_operation},
	{"Drain", run_operation, &drain_operation},
	{"Reload", run_operation, &reload_operation},
	{"Verify", run_operation, &verify_operation},
};

extern const char io_usher_Broker_varlink[]; /* generated from the interface text */

static const struct varlink_interface broker_interface = {
	.name = USHER_INTERFACE,
	.description = io_usher_Broker_varlink,
	.methods = methods,
	.n_methods = sizeof(methods) / sizeof(methods[0]),
};
const struct varlink_interface *const ops_interface = &broker_interface;
static const struct varlink_interface *const interfaces[] = {&broker_interface};

static const struct varlink_service service = {
	.vendor = "usher",
	.product = "usherd",
	.version = USHER_VERSION,
	.url = USHER_URL,
	.interfaces = interfaces,
	.n_interfaces = 1,
};

void ops_serve(struct conn *conn, const struct varlink_call *call)
{
	struct request request = request_of(conn);

	varlink_serve(&service, &request, call, &conn->out);
}
