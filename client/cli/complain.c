/* SPDX-License-Identifier: MIT */
/* Errors in words that say what to do about them. */
#include "client/cli/cli.h"
#include "client/cli/escape.h"
#include "client/cli/format.h"
#include "client/cli/json_show.h"
#include "client/cli/reply.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef USHER_SYSTEM_SOCKET
#define USHER_SYSTEM_SOCKET "/run/usher/usher.sock"
#endif

/* The group that may connect: the socket's, or its directory's where that cannot be searched. */
static const char *owning_group(const char *path)
{
	char directory[128];
	const struct group *group;
	struct stat st;

	snprintf(directory, sizeof(directory), "%s", path);
	if (strrchr(directory, '/'))
		*strrchr(directory, '/') = '\0';
	if (stat(path, &st) < 0 && stat(directory, &st) < 0)
		return NULL;
	group = getgrgid(st.st_gid);
	return group ? group->gr_name : NULL;
}

static void explain_unreachable(const struct cli *cli, int error)
{
	const char *path = usher_socket_path(cli->usher);
	const char *group;

	switch (error) {
	case -EACCES:
	case -EPERM:
		group = owning_group(path);
		if (group)
			cli_complain(cli,
				"you may not connect to %s: it is for members of the group '%s'"
				" (join it with: sudo adduser $USER %s, and log in again)",
				path, group, group);
		else
			cli_complain(cli, "you may not connect to %s", path);
		break;
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		cli_complain(cli, "no broker listens at %s; start one with: %s%s", path,
			strcmp(path, USHER_SYSTEM_SOCKET) ? "usherd --socket "
							  : "sudo systemctl start usherd",
			strcmp(path, USHER_SYSTEM_SOCKET) ? path : "");
		break;
	default:
		cli_complain(cli, "%s", usher_last_error(cli->usher)->message);
	}
}

/* One line for each of those who hold what was asked for. */
static void explain_holder(const cJSON *holder)
{
	char age[FORMAT_MAX], line[512];
	const char *unit = tree_text(holder, "systemd_unit");
	int64_t pid = tree_int(holder, "pid", -1), units = tree_int(holder, "units", 1);
	int n = snprintf(line, sizeof(line), "%.64s of %s", tree_text(holder, "session_id"),
		format_user(tree_int(holder, "uid", -1)));

	if (pid > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", pid %" PRId64 " (%.32s)", pid,
			tree_text(holder, "comm"));
	if (*unit)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " in %.128s", unit);
	if (units > 1)
		n += snprintf(line + n, sizeof(line) - (size_t)n, ", %" PRId64 " slots", units);
	snprintf(line + n, sizeof(line) - (size_t)n, ", for %s",
		format_age(tree_int(holder, "age_ms", 0), age));
	escape_print(stderr, "  held by ", line);
}

static void explain_holders(const char *parameters)
{
	cJSON *tree = cJSON_Parse(parameters);
	const cJSON *holder;

	cJSON_ArrayForEach(holder, tree_member(tree, "holders"))
	{
		explain_holder(holder);
	}
	cJSON_Delete(tree);
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
	cli_complain(cli, "%s", last->message);
	if (error == -USHER_E_CAPACITY_REACHED)
		explain_holders(last->parameters);
	if (error > -USHER_E_OTHER)
		return EXIT_FAILED;
	return status_exit_code(-error - USHER_STATUS_BASE);
}
