/* SPDX-License-Identifier: MIT */
/* Every call of libusher with each of its allocations failing, or of its system calls of a kind,
 * before a broker that has what it needs: starved_client SOCKET VARIABLE once|always ERROR...,
 * under the shim that VARIABLE tells what to do. Always: once, and then for good. A call answers
 * what it would, or one of the ERRORs (numbers); afterwards the handle can be closed, and no
 * memory, descriptor or session is left.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "client/usher.h"
#include "tests/faults/shim.h"

#define MOST       2000 /* allocations or system calls of one call: far more than any makes */
#define PATIENCE_S 60

static const char *socket_path;
static struct shim_turn *turn;
static bool is_always;
static int errors[8]; /* all below zero; the rest are 0 */

struct stage {
	struct usher *u;
	struct usher_session session;
	char *reply;
	int answers;
	int answer; /* of usher_create_async() */
	int replies;
	uint64_t request;
};

struct scene {
	const char *name;
	int (*prepare)(struct stage *);
	int (*act)(struct stage *);
	int result; /* if nothing fails */
};

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* ---- starving ---- */

static bool is_expected(int r)
{
	for (int i = 0; errors[i]; i++)
		if (errors[i] == r)
			return true;
	return false;
}

static void arm(int64_t n, bool is_good)
{
	atomic_store(&turn->failed, 0);
	atomic_store(&turn->is_good, is_good);
	atomic_store(&turn->left, n);
}

static int64_t disarm(void)
{
	atomic_store(&turn->is_good, 0);
	atomic_store(&turn->left, 0);
	return atomic_load(&turn->failed);
}

/* ---- what is done ---- */

static int open_handle(struct stage *s)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = socket_path};

	return usher_open(&options, &s->u);
}

static int connect_handle(struct stage *s)
{
	return usher_connect(s->u);
}

static int open_and_connect(struct stage *s)
{
	int r = open_handle(s);

	return r < 0 ? r : usher_connect(s->u);
}

static int create(struct stage *s)
{
	struct usher_create_options options = {.size = sizeof(options),
		.metadata = "{\"a\":\"some text\"}",
		.label = "label",
		.timeout_ms = 3600000};

	s->session.size = sizeof(s->session);
	return usher_create(s->u, &options, &s->session);
}

static int create_in(struct stage *s, const char *pool, int64_t wait_ms)
{
	struct usher_create_options options = {
		.size = sizeof(options), .pool = pool, .wait_ms = wait_ms};

	s->session.size = sizeof(s->session);
	return usher_create(s->u, &options, &s->session);
}

static int create_with_patience(struct stage *s)
{
	return create_in(s, NULL, 10000);
}

static int create_in_a_full_pool(struct stage *s)
{
	return create_in(s, "full", 0);
}

static int wait_in_vain(struct stage *s)
{
	return create_in(s, "full", 1);
}

static int open_and_create(struct stage *s)
{
	int r = open_handle(s);

	return r < 0 ? r : create(s);
}

static int cancel_request(struct stage *s)
{
	return usher_cancel_request(s->u, "nobody's");
}

static int start(struct stage *s)
{
	return usher_start(s->u, s->session.session_id, NULL);
}

static int renew(struct stage *s)
{
	return usher_renew(s->u, s->session.session_id, 7200000, NULL);
}

static int update(struct stage *s)
{
	return usher_update(s->u, s->session.session_id, "{\"b\":[1,2,3]}", NULL);
}

static int release(struct stage *s)
{
	return usher_release(s->u, s->session.session_id, USHER_ERROR, "a \"result\"", NULL);
}

static int attach(struct stage *s)
{
	struct usher_session session = {.size = sizeof(session)};
	int r = usher_attach(s->u, s->session.session_id, USHER_OWNER_CONNECTION, &session);

	usher_session_clear(&session);
	return r;
}

static int forget(struct stage *s)
{
	return usher_forget(s->u, s->session.session_id);
}

static int set_renewal(struct stage *s)
{
	return usher_set_renewal(s->u, s->session.session_id, false);
}

static int get_fd(struct stage *s)
{
	int fd = usher_get_fd(s->u);

	return fd < 0 ? fd : 0;
}

static int call(struct stage *s)
{
	return usher_call(s->u, "io.usher.Broker.GetMetrics", "{\"pool\":\"default\"}", &s->reply);
}

static int call_wrongly(struct stage *s)
{
	return usher_call(s->u, "io.usher.Broker.Get", "{\"session_id\":5}", &s->reply);
}

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct stage *s = userdata;

	(void)parameters;
	(void)continues;
	s->replies++;
	return 0;
}

static int call_more(struct stage *s)
{
	return usher_call_more(s->u, "io.usher.Broker.List", NULL, on_reply, s);
}

static void on_event(void *userdata, const struct usher_event *event)
{
	(void)userdata;
	(void)event;
}

static int listen_for_events(struct stage *s)
{
	return usher_set_event_handler(s->u, on_event, s);
}

static int open_and_listen(struct stage *s)
{
	int r = open_handle(s);

	return r < 0 ? r : listen_for_events(s);
}

static int open_listen_and_create(struct stage *s)
{
	int r = open_and_listen(s);

	return r < 0 ? r : create(s);
}

static int dispatch(struct stage *s)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 20; i++) {
		struct pollfd item = {.fd = usher_get_fd(s->u), .events = POLLIN};

		r = item.fd < 0 ? item.fd : usher_dispatch(s->u);
		poll(&item, 1, 1);
	}
	return r;
}

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct stage *s = userdata;

	if (answer->result == USHER_WAITING)
		return;
	s->answers++;
	s->answer = answer->result;
}

static int ask(struct stage *s)
{
	struct usher_create_options options = {.size = sizeof(options), .wait_ms = 10000};

	s->session.size = sizeof(s->session);
	return usher_create_async(s->u, &options, &s->session, on_answer, s, &s->request);
}

/* An answer comes in the end: nothing fails any more after the first error that is told. */
static int ask_and_dispatch(struct stage *s)
{
	time_t end = time(NULL) + PATIENCE_S;
	int r = ask(s);

	if (r < 0)
		return r;
	r = dispatch(s);
	if (r < 0 && !is_expected(r))
		return r;
	if (s->answers == 0 && atomic_load(&turn->failed))
		atomic_store(&turn->left, 0);
	while (s->answers == 0 && time(NULL) < end) {
		r = dispatch(s);
		if (r < 0 && !is_expected(r))
			return r;
	}
	if (s->answers != 1)
		fail("a request got %d answers", s->answers);
	return s->answer;
}

static int open_and_ask(struct stage *s)
{
	int r = open_handle(s);

	return r < 0 ? r : ask(s);
}

static int cancel(struct stage *s)
{
	return usher_cancel(s->u, s->request);
}

static const struct scene scenes[] = {
	{"open", NULL, open_handle, 0},
	{"connect", open_handle, connect_handle, 0},
	{"create", open_and_connect, create, 0},
	{"create, and connect for it", open_handle, create, 0},
	{"create with patience", open_and_connect, create_with_patience, 0},
	{"create in a full pool", open_and_connect, create_in_a_full_pool,
		-USHER_E_CAPACITY_REACHED},
	{"wait in vain", open_and_connect, wait_in_vain, -USHER_E_WAIT_TIMEOUT},
	{"cancel_request", open_and_connect, cancel_request, -USHER_E_NO_SUCH_SESSION},
	{"start", open_and_create, start, 0},
	{"renew", open_and_create, renew, 0},
	{"update", open_and_create, update, 0},
	{"release", open_and_create, release, 0},
	{"attach", open_and_create, attach, 0},
	{"forget", open_and_create, forget, 0},
	{"set_renewal", open_and_create, set_renewal, 0},
	{"get_fd", open_and_create, get_fd, 0},
	{"call", open_and_connect, call, 0},
	{"call wrongly", open_and_connect, call_wrongly, -USHER_E_INVALID_PARAMETER},
	{"call_more", open_and_create, call_more, 0},
	{"set_event_handler", open_and_create, listen_for_events, 0},
	{"create with an event handler", open_and_listen, create, 0},
	{"dispatch", open_listen_and_create, dispatch, 0},
	{"create_async", open_handle, ask_and_dispatch, 0},
	{"cancel", open_and_ask, cancel, 0},
};

/* ---- what is to be so afterwards ---- */

static int count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int n = 0;

	if (!directory)
		fail("/proc/self/fd: %s", strerror(errno));
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void end(struct stage *s)
{
	usher_close(s->u);
	usher_session_clear(&s->session);
	free(s->reply);
}

/* One round: true if anything failed. */
static bool play(const struct scene *scene, int64_t n, bool is_good)
{
	size_t bytes = mallinfo2().uordblks;
	struct stage s = {.session.size = sizeof(s.session)};
	int fds = count_fds(), r = scene->prepare ? scene->prepare(&s) : 0;
	int64_t failed;

	if (r < 0)
		fail("%s: cannot be prepared: %s", scene->name, usher_strerror(r));
	arm(n, is_good);
	r = scene->act(&s);
	failed = disarm();
	if (r != scene->result && (!is_expected(r) || !failed))
		fail("%s: %s%s after %lld: %s", scene->name, failed ? "a failure" : "none",
			is_good ? " for good" : "", (long long)n, usher_strerror(r));
	if (s.u && usher_last_error(s.u)->error != r && s.answers == 0 && scene->act != dispatch)
		fail("%s: returned %d, the last error is %d", scene->name, r,
			usher_last_error(s.u)->error);
	end(&s);
	if (count_fds() != fds)
		fail("%s: %d descriptors, %d before", scene->name, count_fds(), fds);
	/* A sanitizer has an allocator of its own, and looks for leaks at the end. In the first
	 * round libraries allocate what they do once. */
	if (n > 0 && mallinfo2().uordblks > bytes)
		fail("%s: %s%lld: %zu bytes are left", scene->name, is_good ? "for good " : "",
			(long long)n, mallinfo2().uordblks - bytes);
	return failed;
}

/* The broker takes note of a closed connection in its own time. */
static void await_no_sessions(const char *name)
{
	time_t until = time(NULL) + PATIENCE_S;
	struct stage s = {.u = NULL};
	bool is_done = false;

	if (open_handle(&s) < 0)
		fail("no handle to look with");
	while (!is_done) {
		if (usher_call(s.u, "io.usher.Broker.List", "{\"pool\":\"default\"}", &s.reply) < 0)
			fail("%s: %s", name, usher_last_error(s.u)->message);
		is_done = strstr(s.reply, "session_id") == NULL;
		if (!is_done && time(NULL) > until)
			fail("%s: sessions are left: %s", name, s.reply);
		free(s.reply);
		s.reply = NULL;
	}
	end(&s);
}

static void play_all_rounds(const struct scene *scene)
{
	int failures = 0;

	play(scene, 0, false);
	for (int is_good = 0; is_good <= is_always; is_good++) {
		int64_t n = 1;

		while (play(scene, n++, is_good)) {
			failures++;
			if (n > MOST)
				fail("%s: fails without end", scene->name);
		}
	}
	await_no_sessions(scene->name);
	printf("%s: %d failures\n", scene->name, failures);
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc - 4 >= (int)(sizeof(errors) / sizeof(errors[0])))
		return 2;
	socket_path = argv[1];
	turn = shim_map(argv[2], sizeof(*turn));
	is_always = strcmp(argv[3], "always") == 0;
	for (int i = 4; i < argc; i++)
		errors[i - 4] = -atoi(argv[i]);
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		play_all_rounds(&scenes[i]);
	return 0;
}
