/* SPDX-License-Identifier: MIT */
#include "tests/threads/churn.h"

#include "client/usher.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITERS    8
#define OWNERS     6 /* processes of each waiter that own a session and are killed then */
#define FOR_EVER   (-1)
#define PATIENT_MS 20 /* at most; a bit longer than the usual wait */

struct waiter {
	unsigned seed;
	int number;
	long each;
	atomic_long turn; /* of the request that is under way: part of its id */
	pid_t owners[OWNERS];
	int n_owners;
	struct usher *usher;
	pthread_t thread;
};

static struct waiter waiters[WAITERS];
static atomic_bool is_over;
static atomic_long n_cancels;
static pthread_t canceller;

void breed_owners(void)
{
	for (int i = 0; i < WAITERS * OWNERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		waiters[i / OWNERS].owners[i % OWNERS] = pid;
	}
}

static unsigned draw(struct waiter *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static void write_request_id(const struct waiter *w, long turn, char *buf, size_t size)
{
	snprintf(buf, size, "w%d-%ld", w->number, turn);
}

/* ---- one turn ---- */

/* Spread over the whole run: one owner now and then. */
static pid_t next_owner(struct waiter *w, long turn)
{
	if (w->n_owners == OWNERS || turn < w->each / OWNERS * w->n_owners)
		return 0;
	return w->owners[w->n_owners++];
}

static void wish_for(struct waiter *w, pid_t owner, struct usher_create_options *wish)
{
	static const char *const labels[] = {NULL, "a", "b", "c"};

	wish->pool = SMALL_POOL;
	wish->wait_ms = draw(w, 4) ? FOR_EVER : 1 + (int64_t)draw(w, PATIENT_MS);
	wish->priority = draw(w, 10);
	wish->label = labels[draw(w, 4)];
	wish->units = 1 + draw(w, 2);
	wish->metadata = draw(w, 2) ? "{\"work\": \"waited for\"}" : NULL;
	wish->owner = USHER_OWNER_CONNECTION;
	if (owner || draw(w, 4) == 0)
		wish->owner = USHER_OWNER_PROCESS;
	wish->pid = owner;
}

static void release(struct waiter *w, const struct usher_session *session)
{
	enum usher_outcome outcome = (enum usher_outcome)draw(w, 3);

	if (usher_release(w->usher, session->session_id, outcome, NULL, NULL) < 0)
		fail("release: %s", usher_last_error(w->usher)->message);
	atomic_fetch_add(&seen.released, 1);
}

static void leave_to_owner(pid_t owner)
{
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	atomic_fetch_add(&seen.left, 1);
}

static void leave_to_connection(struct waiter *w)
{
	usher_close(w->usher);
	w->usher = open_broker();
	atomic_fetch_add(&seen.left, 1);
}

/* Work, now and then for long enough that others lose their patience, and let go. */
static void use(struct waiter *w, const struct usher_create_options *wish,
	const struct usher_session *session)
{
	if (session->n_slots != wish->units)
		fail("%zu slots for %u units", session->n_slots, wish->units);
	atomic_fetch_add(&seen.created, 1);
	atomic_fetch_add(&seen.small_created, 1);
	if (draw(w, 4) == 0 && usher_start(w->usher, session->session_id, NULL) < 0)
		fail("start: %s", usher_last_error(w->usher)->message);
	if (draw(w, 32) == 0)
		usleep(PATIENT_MS * 500);
	if (wish->pid)
		leave_to_owner(wish->pid);
	else if (wish->owner == USHER_OWNER_CONNECTION && draw(w, 16) == 0)
		leave_to_connection(w);
	else
		release(w, session);
}

static void take_turn(struct waiter *w, long turn)
{
	char request_id[32];
	struct usher_session session = {.size = sizeof(session)};
	struct usher_create_options wish = {.size = sizeof(wish), .request_id = request_id};
	int r;

	write_request_id(w, turn, request_id, sizeof(request_id));
	wish_for(w, next_owner(w, turn), &wish);
	if (wish.pid)
		wish.wait_ms = FOR_EVER;
	atomic_store(&w->turn, turn);
	r = usher_create(w->usher, &wish, &session);
	if (r == 0)
		use(w, &wish, &session);
	else if (r == -USHER_E_WAIT_TIMEOUT)
		atomic_fetch_add(&seen.timed_out, 1);
	else if (r == -USHER_E_CANCELLED)
		atomic_fetch_add(&seen.cancelled, 1);
	else
		fail("create: %s", usher_last_error(w->usher)->message);
	usher_session_clear(&session);
}

static void *run_waiter(void *data)
{
	struct waiter *w = data;

	w->usher = open_broker();
	for (long turn = 0; turn < w->each; turn++)
		take_turn(w, turn);
	usher_close(w->usher);
	return NULL;
}

/* ---- cancelling ---- */

/* Whether the request waits, has its session or is over already is chance: all are answers. */
static void *run_canceller(void *data)
{
	struct usher *u = open_broker();
	unsigned seed = 1;
	char request_id[32];

	(void)data;
	while (!atomic_load(&is_over)) {
		const struct waiter *w = &waiters[rand_r(&seed) % WAITERS];
		int r;

		write_request_id(w, atomic_load(&w->turn), request_id, sizeof(request_id));
		r = usher_cancel_request(u, request_id);
		if (r == 0)
			atomic_fetch_add(&n_cancels, 1);
		else if (r != -USHER_E_NO_SUCH_SESSION && r != -USHER_E_INVALID_STATE)
			fail("cancel: %s", usher_last_error(u)->message);
		usleep(5000);
	}
	usher_close(u);
	return NULL;
}

void start_waiters(long each)
{
	for (int i = 0; i < WAITERS; i++) {
		waiters[i].number = i;
		waiters[i].seed = (unsigned)(100 + i);
		waiters[i].each = each;
		if (pthread_create(&waiters[i].thread, NULL, run_waiter, &waiters[i]))
			fail("no thread");
	}
	if (pthread_create(&canceller, NULL, run_canceller, NULL))
		fail("no thread");
}

void join_waiters(void)
{
	for (int i = 0; i < WAITERS; i++)
		pthread_join(waiters[i].thread, NULL);
	atomic_store(&is_over, true);
	pthread_join(canceller, NULL);
	if (n_cancels != seen.cancelled)
		fail("%ld waits were cancelled, and %ld were told so", atomic_load(&n_cancels),
			atomic_load(&seen.cancelled));
	for (int i = 0; i < WAITERS; i++)
		while (waiters[i].n_owners < OWNERS) {
			pid_t pid = waiters[i].owners[waiters[i].n_owners++];

			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
}
