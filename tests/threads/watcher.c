/* SPDX-License-Identifier: MIT */
#include "tests/threads/churn.h"

#include "client/usher.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LAST    "last" /* the label of the session after which there is nothing to see */
#define GLANCES 500    /* events of all pools that are looked at before Monitor is called anew */
#define REST_US 50000  /* between two such calls: to tell all of everything would slow all down */

struct stream {
	struct watched watched;
	long n_events; /* of this call */
	int64_t sequence;
	bool is_at_end;
};

static struct stream small;
static sem_t is_ready;
static pthread_t watcher, glancer;
static atomic_bool is_over;

static bool is_type(const char *event, const char *type)
{
	char member[64];

	snprintf(member, sizeof(member), "{\"event\":{\"type\":\"%s\",", type);
	return strncmp(event, member, strlen(member)) == 0;
}

/* What happens is told in the order of the lock. */
static void check_order(struct stream *stream, const char *event)
{
	int64_t sequence = metric(event, "sequence");

	stream->n_events++;
	if (sequence < stream->sequence)
		fail("after the event %" PRId64 " came %s", stream->sequence, event);
	stream->sequence = sequence;
}

static void count(struct watched *watched, const char *event)
{
	watched->created += is_type(event, "created");
	watched->queued += is_type(event, "queued");
	watched->granted += is_type(event, "granted");
	if (is_type(event, "ended")) {
		watched->ended += strstr(event, "\"outcome\":") != NULL;
		watched->refused += strstr(event, "\"error\":") != NULL;
	}
}

/* ---- the small pool, from the first event to the last ---- */

static int on_small_event(void *userdata, const char *event, bool continues)
{
	struct stream *stream = userdata;

	(void)continues;
	check_order(stream, event);
	count(&stream->watched, event);
	if (is_type(event, "ready") && stream->watched.n_opened == 1)
		sem_post(&is_ready);
	if (is_type(event, "ended") && strstr(event, "\"label\":\"" LAST "\""))
		stream->is_at_end = true;
	return stream->is_at_end;
}

static void watch(
	struct usher *u, const char *parameters, usher_reply_fn *on_event, struct stream *stream)
{
	int r;

	stream->n_events = 0;
	stream->sequence = 0;
	stream->watched.n_opened++;
	r = usher_call_more(u, "io.usher.Broker.Monitor", parameters, on_event, stream);
	if (r != -ECANCELED && r != -ECONNRESET) /* the latter: cut off, as too slow */
		fail("Monitor: %s", usher_last_error(u)->message);
}

static void *watch_small(void *data)
{
	struct usher *u = open_broker();

	(void)data;
	while (!small.is_at_end)
		watch(u, "{\"pool\":\"" SMALL_POOL "\"}", on_small_event, &small);
	usher_close(u);
	return NULL;
}

/* ---- all pools, a part at a time ---- */

static int on_any_event(void *userdata, const char *event, bool continues)
{
	struct stream *stream = userdata;

	(void)continues;
	check_order(stream, event);
	return stream->n_events == GLANCES || atomic_load(&is_over);
}

static void *glance(void *data)
{
	struct usher *u = open_broker();
	struct stream all = {0};

	(void)data;
	while (!atomic_load(&is_over)) {
		watch(u, NULL, on_any_event, &all);
		usleep(REST_US);
	}
	usher_close(u);
	return NULL;
}

/* ---- begin and end ---- */

void start_watchers(void)
{
	sem_init(&is_ready, 0, 0);
	if (pthread_create(&watcher, NULL, watch_small, NULL) ||
		pthread_create(&glancer, NULL, glance, NULL))
		fail("no thread");
	while (sem_wait(&is_ready) < 0)
		;
}

static void take_last(void)
{
	struct usher *u = open_broker();
	struct usher_create_options wish = {
		.size = sizeof(wish), .pool = SMALL_POOL, .label = LAST, .wait_ms = -1};
	struct usher_session session = {.size = sizeof(session)};

	if (usher_create(u, &wish, &session) < 0 ||
		usher_release(u, session.session_id, USHER_COMPLETED, NULL, NULL) < 0)
		fail("the last session: %s", usher_last_error(u)->message);
	atomic_fetch_add(&seen.created, 1);
	atomic_fetch_add(&seen.small_created, 1);
	atomic_fetch_add(&seen.released, 1);
	usher_session_clear(&session);
	usher_close(u);
}

void join_watchers(struct watched *ret)
{
	atomic_store(&is_over, true);
	take_last();
	pthread_join(watcher, NULL);
	pthread_join(glancer, NULL);
	*ret = small.watched;
}
