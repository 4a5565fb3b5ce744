/* SPDX-License-Identifier: MIT */
/* forked: a child that uses its parent's handle, with the broker in $USHER_SOCKET. Prints the names
 * of the errors that the child gets, then what the parent's own release of its session gets. */
#include "client/usher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, int result)
{
	printf("%s %s\n", what, result < 0 ? strerror(-result) : "ok");
	fflush(stdout);
}

static void misuse(struct usher *u, const struct usher_session *held)
{
	struct usher_create_options options = {.size = sizeof(options), .pool = "one"};
	struct usher_session session = {.size = sizeof(session)};

	say("create", usher_create(u, &options, &session));
	say("renew", usher_renew(u, held->session_id, 0, NULL));
	say("release", usher_release(u, held->session_id, USHER_COMPLETED, NULL, NULL));
	say("dispatch", usher_dispatch(u));
	usher_close(u);
}

int main(void)
{
	struct usher_create_options options = {.size = sizeof(options), .pool = "one"};
	struct usher_session session = {.size = sizeof(session)};
	struct usher *u = NULL;
	int status = 0;
	pid_t child;

	if (usher_open(NULL, &u) < 0 || usher_create(u, &options, &session) < 0)
		return EXIT_FAILURE;
	child = fork();
	if (child == 0) {
		misuse(u, &session);
		_exit(EXIT_SUCCESS);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return EXIT_FAILURE;
	say("parent", usher_release(u, session.session_id, USHER_COMPLETED, NULL, NULL));
	usher_session_clear(&session);
	usher_close(u);
	return EXIT_SUCCESS;
}
