/* SPDX-License-Identifier: MIT */
/* Errors in words that say what to do about them. */
#include "client/cli/cli.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/refusal.h"
#include "client/cli/reply.h"
#include "client/cli/unreachable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- no way to the broker ---- */

static void explain_unreachable(const struct cli *cli, int error)
{
	const char *path = usher_socket_path(cli->usher);
	char *sentence = unreachable_sentence(path, error);
	char time[FORMAT_MAX];

	if (error == -ETIMEDOUT)
		cli_complain(cli,
			"the broker at %s did not answer within %s: it is stopped or very busy"
			" (--call-timeout waits longer)",
			path, format_age(cli->call_timeout_ms, time));
	else
		cli_complain(
			cli, "%s", sentence ? sentence : usher_last_error(cli->usher)->message);
	free(sentence);
}

/* ---- refusals ---- */

static bool are_all_paused(const cJSON *pools)
{
	const cJSON *pool;

	cJSON_ArrayForEach(pool, pools)
	{
		if (!tree_bool(pool, "paused"))
			return false;
	}
	return cJSON_GetArraySize(pools) > 1;
}

/* The error names the pool that was asked for, also where a pause is of all. */
static bool is_pause_of_all(struct usher *usher)
{
	char *text;
	cJSON *reply;
	bool is;

	if (usher_call(usher, USHER_INTERFACE ".ListPools", NULL, &text) < 0)
		return false;
	reply = cJSON_Parse(text);
	is = are_all_paused(tree_member(reply, "pools"));
	cJSON_Delete(reply);
	free(text);
	return is;
}

/* What an admin's command takes. */
static const char *denial(const struct cli *cli)
{
	if (!strcmp(cli->command->name, "set-pool"))
		return "permission denied: it takes an admin (root, the broker's user or a member"
		       " of its admin_group), and runtime_changes = yes in its configuration";
	return "permission denied: it takes an admin (root, the broker's user or a member of its"
	       " admin_group)";
}

static void explain_refusal(const struct cli *cli, int error, const struct usher_error *last)
{
	cJSON *parameters = cJSON_Parse(last->parameters);
	char *sentence = refusal_sentence(error, parameters);
	char *details = refusal_details(error, parameters);
	char *message = strdup(last->message); /* good until the next call */

	if (error == -USHER_E_PERMISSION_DENIED && cli->command->is_admin)
		cli_complain(cli, "%s", denial(cli));
	else if (error == -USHER_E_PAUSED && is_pause_of_all(cli->usher))
		cli_complain(cli, "all pools are paused%s%s",
			*tree_text(parameters, "reason") ? ": " : "",
			tree_text(parameters, "reason"));
	else
		cli_complain(cli, "%s", sentence ? sentence : message ? message : "out of memory");
	if (details)
		fputs(details, stderr);
	free(message);
	free(details);
	free(sentence);
	cJSON_Delete(parameters);
}

/* With --json the error goes to standard output as well, as the broker said it. */
static void print_error(const struct cli *cli, const struct usher_error *error)
{
	struct json_writer w;
	struct json_value value;

	json_writer_init(&w);
	json_write_object_begin(&w);
	json_write_key(&w, "error");
	json_write_cstring(&w, error->name);
	json_write_key(&w, "parameters");
	json_write_raw(&w, error->parameters, strlen(error->parameters));
	json_write_object_end(&w);
	if (!json_writer_failed(&w) && json_parse(w.data, w.length, UINT32_MAX, &value, NULL) == 0)
		json_show(&value, cli->is_terminal);
	json_writer_deinit(&w);
}

int cli_explain(const struct cli *cli, int error)
{
	const struct usher_error *last = usher_last_error(cli->usher);

	if (cli->json)
		print_error(cli, last);
	if (unreachable_is(error)) {
		explain_unreachable(cli, error);
		return EXIT_UNREACHABLE;
	}
	explain_refusal(cli, error, last);
	if (error > -USHER_E_OTHER)
		return EXIT_FAILED;
	return status_exit_code(-error - USHER_STATUS_BASE);
}
