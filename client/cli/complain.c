/* SPDX-License-Identifier: MIT */
/* Errors in words that say what to do about them. */
#include "client/cli/cli.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/refusal.h"
#include "client/cli/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef USHER_SYSTEM_SOCKET
#define USHER_SYSTEM_SOCKET "/run/usher/usher.sock"
#endif

/* ---- no way to the broker ---- */

/* What keeps this user from the socket: a directory that may not be searched, or the socket. */
static void find_obstacle(const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%s", path);
	for (char *slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (faccessat(AT_FDCWD, buf, X_OK, AT_EACCESS) < 0)
			return;
		*slash = '/';
	}
}

/* The group whose members get by, unless that is root's, which is no group to join. */
static const char *group_to_join(const struct stat *st)
{
	mode_t needed = S_ISDIR(st->st_mode) ? S_IXGRP : S_IWGRP;
	const struct group *group;

	if (!(st->st_mode & needed) || st->st_gid == 0)
		return NULL;
	group = getgrgid(st->st_gid);
	return group ? group->gr_name : NULL;
}

static void explain_closed(const struct cli *cli, const char *path)
{
	char obstacle[128];
	const char *group;
	struct stat st;

	find_obstacle(path, obstacle, sizeof(obstacle));
	if (stat(obstacle, &st) < 0) {
		cli_complain(cli, "you may not connect to %s", path);
		return;
	}
	group = group_to_join(&st);
	if (group)
		cli_complain(cli,
			"you may not connect to %s: %s is for members of the group '%s'"
			" (join it with: sudo adduser $USER %s, and log in again)",
			path, S_ISDIR(st.st_mode) ? "its directory" : "it", group, group);
	else
		cli_complain(cli, "you may not connect to %s: %s is for user %s only (mode %04o)",
			path, strcmp(obstacle, path) ? obstacle : "it",
			format_user((int64_t)st.st_uid), (unsigned)st.st_mode & 07777);
}

static bool is_unit_installed(void)
{
	static const char *const directories[] = {
		"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"};
	char path[64];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/systemd/system/usherd.service", directories[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void explain_nobody(const struct cli *cli, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		cli_complain(cli, "no broker can listen at %s: it is %s, not a socket", path,
			S_ISDIR(st.st_mode) ? "a directory" : "a file");
	else if (strcmp(path, USHER_SYSTEM_SOCKET) != 0)
		cli_complain(cli, "no broker listens at %s; start one with: usherd --socket %s",
			path, path);
	else
		cli_complain(cli, "no broker listens at %s; start one with: %s", path,
			is_unit_installed() ? "sudo systemctl start usherd" : "sudo usherd");
}

static void explain_unreachable(const struct cli *cli, int error)
{
	const char *path = usher_socket_path(cli->usher);
	char time[FORMAT_MAX];

	switch (error) {
	case -EACCES:
	case -EPERM:
		explain_closed(cli, path);
		break;
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -ENOTSOCK:
		explain_nobody(cli, path);
		break;
	case -ETIMEDOUT:
		cli_complain(cli,
			"the broker at %s did not answer within %s: it is stopped or very busy"
			" (--call-timeout waits longer)",
			path, format_age(cli->call_timeout_ms, time));
		break;
	default:
		cli_complain(cli, "%s", usher_last_error(cli->usher)->message);
	}
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

static bool is_unreachable(int error)
{
	switch (error) {
	case -ECONNRESET:
	case -ETIMEDOUT:
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -EACCES:
	case -EPERM:
	case -EPROTOTYPE:
	case -ENOTSOCK:
	case -ELOOP:
		return true;
	default:
		return false;
	}
}

int cli_explain(const struct cli *cli, int error)
{
	const struct usher_error *last = usher_last_error(cli->usher);

	if (cli->json)
		print_error(cli, last);
	if (is_unreachable(error)) {
		explain_unreachable(cli, error);
		return EXIT_UNREACHABLE;
	}
	explain_refusal(cli, error, last);
	if (error > -USHER_E_OTHER)
		return EXIT_FAILED;
	return status_exit_code(-error - USHER_STATUS_BASE);
}
