/* SPDX-License-Identifier: MIT */
/* A program with an event loop of its own that does jobs in slots of a pool.
 *
 *   cc worker.c $(pkg-config --cflags --libs usher) -o worker
 *   ./worker gpu 5         five jobs, each as soon as the pool has room for it
 *
 * A job is a timer here. It ends when its time is over, or early when its session is revoked or
 * overdue; when the session is lost, it must not go on: its slot may be somebody else's by then.
 */
#include <usher.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define JOBS_MAX     64
#define WORK_SECONDS 2

struct job {
	int number;
	int timer; /* -1: has no session */
	struct usher_session session;
};

static struct usher *u;
static int loop;
static struct job jobs[JOBS_MAX];
static int n_open; /* jobs that are not over */

/* ---- the work ---- */

static int start_work(struct job *job)
{
	const struct itimerspec when = {.it_value.tv_sec = WORK_SECONDS};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = job};

	job->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (job->timer < 0)
		return -errno;
	timerfd_settime(job->timer, 0, &when, NULL);
	return epoll_ctl(loop, EPOLL_CTL_ADD, job->timer, &event) < 0 ? -errno : 0;
}

static void end_work(struct job *job)
{
	if (job->timer >= 0)
		close(job->timer);
	job->timer = -1;
	usher_session_clear(&job->session);
	n_open--;
}

static void finish(struct job *job, enum usher_outcome outcome, const char *why)
{
	int r = usher_release(u, job->session.session_id, outcome, why, NULL);

	printf("job %d: %s\n", job->number, r < 0 ? usher_last_error(u)->message : why);
	end_work(job);
}

/* ---- what usher tells ---- */

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	struct job *job = userdata;

	if (answer->result == USHER_WAITING) {
		printf("job %d: number %lld of %lld that wait\n", job->number,
			(long long)answer->position, (long long)answer->waiting);
	} else if (answer->result < 0) {
		printf("job %d: %s\n", job->number, usher_last_error(u)->message);
		n_open--;
	} else {
		printf("job %d: works in slot %u\n", job->number, job->session.slots[0]);
		if (start_work(job) < 0)
			finish(job, USHER_ERROR, "no timer");
	}
}

static struct job *find_job(const char *session_id)
{
	for (int i = 0; session_id && i < JOBS_MAX; i++) {
		if (jobs[i].timer >= 0 && !strcmp(jobs[i].session.session_id, session_id))
			return &jobs[i];
	}
	return NULL;
}

static void on_event(void *userdata, const struct usher_event *event)
{
	struct job *job = find_job(event->session_id);

	(void)userdata;
	switch (event->type) {
	case USHER_EVENT_REVOKING:
		if (job)
			finish(job, USHER_CANCELLED, "stopped: the slot is needed elsewhere");
		break;
	case USHER_EVENT_OVERDUE:
		if (job)
			finish(job, USHER_ERROR, "stopped: it took too long");
		break;
	case USHER_EVENT_LOST:
		if (job) {
			printf("job %d: stopped: its session is lost\n", job->number);
			end_work(job);
		}
		break;
	case USHER_EVENT_RENEW_FAILED:
	case USHER_EVENT_BROKER_LOST:
		printf("the broker is in trouble: %s\n", usher_strerror(event->error));
		break;
	case USHER_EVENT_REATTACHED:
		if (job)
			printf("job %d: goes on in its slot\n", job->number);
		break;
	case USHER_EVENT_BROKER_BACK:
		printf("the broker is back\n");
		break;
	}
}

/* ---- the loop ---- */

static int begin(const char *pool, int count)
{
	const struct usher_create_options wish = {
		.size = sizeof(wish), .pool = pool, .wait_ms = -1, .timeout_ms = 10000};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int r = usher_open(NULL, &u);

	if (r < 0)
		return r;
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, usher_get_fd(u), &event) < 0)
		return -errno;
	r = usher_set_event_handler(u, on_event, NULL);
	for (int i = 0; r == 0 && i < count; i++) {
		jobs[i].session.size = sizeof(jobs[i].session);
		r = usher_create_async(u, &wish, &jobs[i].session, on_answer, &jobs[i], NULL);
		n_open++;
	}
	return r;
}

static int run(void)
{
	while (n_open > 0) {
		struct epoll_event event;
		int n = epoll_wait(loop, &event, 1, -1), r = 0;

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 1 && event.data.ptr)
			finish(event.data.ptr, USHER_COMPLETED, "done");
		else if (n == 1)
			r = usher_dispatch(u);
		if (r < 0)
			return r;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 1, r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < JOBS_MAX; i++)
		jobs[i] = (struct job){.number = i + 1, .timer = -1};
	if (count < 1 || count > JOBS_MAX) {
		fprintf(stderr, "usage: %s [POOL [1-%d]]\n", argv[0], JOBS_MAX);
		return EXIT_FAILURE;
	}
	r = begin(argc > 1 ? argv[1] : NULL, count);
	if (r == 0)
		r = run();
	if (r < 0)
		fprintf(stderr, "%s\n", usher_strerror(r));
	usher_close(u); /* what is held still ends with it */
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
