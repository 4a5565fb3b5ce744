/* SPDX-License-Identifier: MIT */
#include "client/cli/victim.h"

#include "client/cli/format.h"
#include "client/cli/process.h"
#include "client/cli/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_EVERY_MS  200
#define SETTLE_MS      2000    /* for the broker to notice the end of a process */
#define CLOCK_SLACK_US 2000000 /* of the wall clock, which is set now and then */

/* ---- the session ---- */

/* What the session is now, without a word: 0 and the reply, or what the library returned. */
static int look_up(struct cli *cli, const char *session_id, struct reply *ret)
{
	struct json_writer parameters;
	const char *text;
	char *reply = NULL;
	int r;

	parameters_init(&parameters);
	parameters_add_text(&parameters, "session_id", session_id);
	text = parameters_finish(&parameters);
	r = text ? usher_call(cli->usher, USHER_INTERFACE ".Get", text, &reply) : -ENOMEM;
	json_writer_deinit(&parameters);
	if (r >= 0)
		r = reply_read(reply, ret);
	free(reply);
	return r;
}

/* The pid, or 0 for none. */
static pid_t owner_of(const cJSON *session)
{
	int64_t pid = tree_int(session, "pid", 0);

	/* Of a detached one the pid is only of who made it, perhaps long ago. */
	if (!strcmp(tree_text(session, "owner"), "detached"))
		return 0;
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int explain_no_process(const struct victim *v, const cJSON *session)
{
	if (!strcmp(tree_text(session, "owner"), "detached"))
		cli_complain(v->cli,
			"%s is detached: no process holds it. 'usherctl revoke --force' ends it",
			v->session_id);
	else
		cli_complain(v->cli,
			"the process that holds %s is in another pid namespace, so it cannot be"
			" signalled from here. 'usherctl revoke --force' ends the session",
			v->session_id);
	return EXIT_FAILED;
}

/* ---- the process ---- */

/* A connection may have outlived the process that made it, in a child; then the number may be
 * another's by now. The broker watches only owners by process. */
static bool is_too_young(const struct victim *v, const cJSON *session)
{
	int64_t started_us;

	if (!strcmp(tree_text(session, "owner"), "process"))
		return false;
	if (process_start_us(v->pid, &started_us) < 0)
		return true;
	return started_us > tree_int(session, "created_at", 0) + CLOCK_SLACK_US;
}

static int check_session(struct victim *v, const cJSON *session)
{
	int64_t uid = tree_int(session, "uid", -1);

	if (owner_of(session) != v->pid) {
		cli_complain(v->cli,
			"%s has changed hands just now; look again with 'usherctl get'",
			v->session_id);
		return EXIT_FAILED;
	}
	if (!process_has_user(v->pid, uid)) {
		cli_complain(v->cli,
			"process %d does not run for user %s, who holds %s; nothing was signalled",
			(int)v->pid, format_user(uid), v->session_id);
		return EXIT_FAILED;
	}
	if (is_too_young(v, session)) {
		cli_complain(v->cli,
			"process %d began after %s was taken: it may be another one that got its"
			" number; nothing was signalled",
			(int)v->pid, v->session_id);
		return EXIT_FAILED;
	}
	return 0;
}

static int open_process(struct victim *v)
{
	v->pidfd = process_open(v->pid);
	if (v->pidfd >= 0)
		return 0;
	if (v->pidfd == -ESRCH)
		cli_complain(v->cli,
			"process %d, which took %s, is gone; 'usherctl revoke --force' ends the"
			" session",
			(int)v->pid, v->session_id);
	else
		cli_complain(
			v->cli, "cannot open process %d: %s", (int)v->pid, strerror(-v->pidfd));
	return EXIT_FAILED;
}

static int find(struct victim *v)
{
	struct reply reply;
	int code, r = look_up(v->cli, v->session_id, &reply);

	if (r < 0)
		return cli_explain(v->cli, r);
	v->pid = owner_of(tree_member(reply.tree, "session"));
	code = v->pid ? open_process(v) : explain_no_process(v, tree_member(reply.tree, "session"));
	reply_deinit(&reply);
	return code;
}

/* The second look: what is said about the number now is said about the process that is open. */
static int verify(struct victim *v)
{
	struct reply reply;
	int code, r = look_up(v->cli, v->session_id, &reply);

	if (r < 0)
		return cli_explain(v->cli, r);
	code = check_session(v, tree_member(reply.tree, "session"));
	reply_deinit(&reply);
	return code;
}

int victim_open(struct cli *cli, const char *session_id, struct victim *ret)
{
	struct victim v = {.cli = cli, .session_id = session_id, .pidfd = -1};
	int code = cli->usher ? 0 : cli_connect(cli);

	if (code == 0)
		code = find(&v);
	if (code == 0)
		code = verify(&v);
	if (code)
		victim_close(&v);
	else
		*ret = v;
	return code;
}

void victim_close(struct victim *v)
{
	if (v->pidfd >= 0)
		close(v->pidfd);
	v->pidfd = -1;
}

int victim_signal(const struct victim *v, int number)
{
	int r = process_signal(v->pidfd, number);

	if (r == 0 || r == -ESRCH)
		return 0;
	if (r == -EPERM)
		cli_complain(
			v->cli, "you may not signal process %d: it is another user's", (int)v->pid);
	else
		cli_complain(v->cli, "cannot signal process %d: %s", (int)v->pid, strerror(-r));
	return r == -EPERM ? status_exit_code(STATUS_PERMISSION_DENIED) : EXIT_FAILED;
}

/* ---- waiting ---- */

static bool holds_still(const struct victim *v)
{
	struct reply reply;
	bool holds;

	if (look_up(v->cli, v->session_id, &reply) < 0)
		return false;
	holds = owner_of(tree_member(reply.tree, "session")) == v->pid;
	reply_deinit(&reply);
	return holds;
}

/* True once the process has ended. */
static bool wait_for_exit(const struct victim *v, int64_t ms)
{
	struct pollfd item = {.fd = v->pidfd, .events = POLLIN};

	return poll(&item, 1, (int)ms) > 0;
}

static enum victim_state settle(const struct victim *v)
{
	for (int64_t waited_ms = 0; waited_ms < SETTLE_MS; waited_ms += 20) {
		if (!holds_still(v))
			return VICTIM_LET_GO;
		poll(NULL, 0, 20);
	}
	return VICTIM_ENDED;
}

enum victim_state victim_wait(const struct victim *v, int64_t limit_ms)
{
	int64_t end_us = format_now_us() + limit_ms * 1000;

	for (;;) {
		int64_t left_ms = limit_ms < 0 ? LOOK_EVERY_MS : (end_us - format_now_us()) / 1000;
		int64_t step_ms = left_ms < LOOK_EVERY_MS ? left_ms : LOOK_EVERY_MS;

		if (wait_for_exit(v, step_ms > 0 ? step_ms : 0))
			return settle(v);
		if (!holds_still(v))
			return VICTIM_LET_GO;
		if (left_ms <= 0)
			return VICTIM_WORKS;
	}
}
