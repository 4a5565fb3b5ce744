/* SPDX-License-Identifier: MIT */
/* A program that holds sessions through libusher, for tests that kill the broker under it:
 * holder loop|calls, with the broker in $USHER_SOCKET. It does what its standard input says, a line
 * each, and prints a line for each result and event:
 *
 *   create POOL connection|process|detached TIMEOUT_MS WAIT_MS     "session ID SLOT FENCE EXISTING"
 *   update ID | renew ID | start ID | release ID                   "ok"
 *
 * or "error NAME". "loop" has an event loop and asks asynchronously ("waiting POSITION"); "calls"
 * makes blocking calls and nothing else.
 */
#include "client/usher.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct usher *u;
static bool has_loop;

static void say_result(int result)
{
	if (result < 0)
		printf("error %s\n", usher_error_name(result));
	else
		puts("ok");
}

static void say_session(struct usher_session *session)
{
	printf("session %s %" PRIu32 " %" PRId64 " %d\n", session->session_id, session->slots[0],
		session->fence, session->is_existing);
	usher_session_clear(session);
}

/* ---- what is told ---- */

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct usher_session *session = userdata;

	if (answer->result == USHER_WAITING) {
		printf("waiting %" PRId64 "\n", answer->position);
		return;
	}
	if (answer->result == 0)
		say_session(session);
	else
		say_result(answer->result);
	free(session);
}

static void on_event(void *userdata, const struct usher_event *event)
{
	static const char *const names[] = {[USHER_EVENT_REVOKING] = "revoking",
		[USHER_EVENT_OVERDUE] = "overdue",
		[USHER_EVENT_RENEW_FAILED] = "renew-failed",
		[USHER_EVENT_LOST] = "lost",
		[USHER_EVENT_BROKER_LOST] = "broker-lost",
		[USHER_EVENT_BROKER_BACK] = "broker-back",
		[USHER_EVENT_REATTACHED] = "reattached"};

	(void)userdata;
	printf("event %s %s %d %d\n", names[event->type],
		event->session_id ? event->session_id : "-", event->outcome, event->error);
}

/* ---- what is done ---- */

static enum usher_owner owner_of(const char *name)
{
	return !strcmp(name, "process")    ? USHER_OWNER_PROCESS
	       : !strcmp(name, "detached") ? USHER_OWNER_DETACHED
					   : USHER_OWNER_CONNECTION;
}

static void create(const char *arguments)
{
	struct usher_session *session = calloc(1, sizeof(*session));
	struct usher_create_options wish = {.size = sizeof(wish)};
	char pool[64], owner[64];
	int r;

	if (!session || sscanf(arguments, "%63s %63s %" SCNd64 " %" SCNd64, pool, owner,
				&wish.timeout_ms, &wish.wait_ms) != 4)
		exit(2);
	wish.pool = pool;
	wish.owner = owner_of(owner);
	session->size = sizeof(*session);
	if (has_loop) {
		r = usher_create_async(u, &wish, session, on_answer, session, NULL);
		if (r == 0)
			return;
	} else {
		r = usher_create(u, &wish, session);
	}
	if (r == 0)
		say_session(session);
	else
		say_result(r);
	free(session);
}

static void obey(char *line)
{
	char *arguments = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (!arguments)
		exit(2);
	*arguments++ = '\0';
	if (!strcmp(line, "create"))
		create(arguments);
	else if (!strcmp(line, "update"))
		say_result(usher_update(u, arguments, "{\"touched\":true}", NULL));
	else if (!strcmp(line, "renew"))
		say_result(usher_renew(u, arguments, 0, NULL));
	else if (!strcmp(line, "start"))
		say_result(usher_start(u, arguments, NULL));
	else if (!strcmp(line, "release"))
		say_result(usher_release(u, arguments, USHER_COMPLETED, NULL, NULL));
	else
		exit(2);
}

/* False at the end of input, and while there is none yet nothing is done. */
static bool read_line(void)
{
	static char text[4096];
	static size_t used;
	ssize_t n = read(STDIN_FILENO, text + used, sizeof(text) - 1 - used);
	char *end;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	used += (size_t)n;
	while ((end = memchr(text, '\n', used)) != NULL) {
		size_t length = (size_t)(end - text) + 1;
		char line[sizeof(text)];

		memcpy(line, text, length);
		line[length] = '\0';
		memmove(text, text + length, used - length);
		used -= length;
		obey(line);
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct usher_open_options options = {
		.size = sizeof(options), .call_timeout_ms = 20000};
	struct pollfd items[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = -1}};

	if (argc != 2 || usher_open(&options, &u) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	has_loop = !strcmp(argv[1], "loop");
	if (has_loop) {
		items[1] = (struct pollfd){.fd = usher_get_fd(u), .events = POLLIN};
		usher_set_event_handler(u, on_event, NULL);
	}
	for (;;) {
		if (poll(items, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (items[0].revents && !read_line())
			break;
		if (items[1].revents && usher_dispatch(u) < 0)
			return 1;
	}
	usher_close(u);
	return 0;
}
