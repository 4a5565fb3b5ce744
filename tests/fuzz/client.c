/* SPDX-License-Identifier: MIT */
/* libusher and a broker that says anything. Every call must come back, with a result and an
 * explanation that are what usher.h says.
 *
 * The first line is calls, a letter each (see call()); the rest is the broker's script, script.h.
 */
#include <string.h>

#include "client/usher.h"
#include "proto/json_scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"

#define ASYNC_MAX  8
#define CALLS_MAX  64
#define TIMEOUT_MS 20000
#define DEPTH      1024
#define TEXT_MAX   16384
#define DISPATCHES 4

static struct usher *u;
static struct usher_session session = {.size = sizeof(session)};
static struct usher_session later[ASYNC_MAX];
static uint64_t requests[ASYNC_MAX];
static bool is_answered[ASYNC_MAX];
static size_t n_later;

/* ---- what must be true ---- */

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static void check_result(int r)
{
	const struct usher_error *error = usher_last_error(u);
	struct json_value value;

	REQUIRE(r <= 0 && error->error == r && usher_strerror(r));
	REQUIRE((r == 0) == (error->name[0] == '\0') && is_plain(error->message));
	REQUIRE(json_parse(error->parameters, strlen(error->parameters), DEPTH, &value, NULL) == 0);
	REQUIRE(value.type == JSON_OBJECT);
}

static void check_session(const struct usher_session *s)
{
	REQUIRE(s->session_id[0] && memchr(s->session_id, '\0', sizeof(s->session_id)));
	REQUIRE(memchr(s->pool, '\0', sizeof(s->pool)) && s->n_slots > 0 && s->slots);
	for (size_t i = 1; i < s->n_slots; i++)
		REQUIRE(s->slots[i] > s->slots[i - 1]);
}

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	size_t i = (size_t)((struct usher_session *)userdata - later);

	REQUIRE(answer->request == requests[i] && !is_answered[i]);
	REQUIRE(answer->result <= 0 || answer->result == USHER_WAITING);
	is_answered[i] = answer->result != USHER_WAITING;
	if (answer->result == 0)
		check_session(answer->session);
}

static void on_event(void *userdata, const struct usher_event *event)
{
	(void)userdata;
	REQUIRE(event->error <= 0 && event->outcome >= -1 && event->outcome <= USHER_REVOKED);
}

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct json_value value;

	(void)userdata;
	(void)continues;
	REQUIRE(json_parse(parameters, strlen(parameters), DEPTH, &value, NULL) == 0);
	return 0;
}

/* ---- calls ---- */

static int create(const struct usher_create_options *options)
{
	int r;

	usher_session_clear(&session);
	r = usher_create(u, options, &session);
	if (r == 0)
		check_session(&session);
	return r;
}

static int attach(void)
{
	struct usher_session taken = {.size = sizeof(taken)};
	int r = usher_attach(u, session.session_id, USHER_OWNER_CONNECTION, &taken);

	if (r == 0)
		check_session(&taken);
	usher_session_clear(&taken);
	return r;
}

static int create_later(const struct usher_create_options *options)
{
	struct usher_session *s = &later[n_later];
	int r;

	if (n_later == ASYNC_MAX)
		return usher_last_error(u)->error;
	s->size = sizeof(*s);
	is_answered[n_later] = false;
	r = usher_create_async(u, options, s, on_answer, s, &requests[n_later]);
	n_later += r == 0;
	return r;
}

static int call_any(void)
{
	char *parameters = NULL;
	int r = usher_call(u, "io.usher.Broker.GetMetrics", NULL, &parameters);

	REQUIRE(r < 0 || parameters);
	free(parameters);
	return r;
}

static void dispatch(void)
{
	for (int i = 0; i < DISPATCHES; i++) {
		REQUIRE(usher_dispatch(u) <= 0);
		script_go_on();
		script_advance_ms(500);
	}
}

/* True if what it returns is to be looked at. */
static bool call(char what, int *ret)
{
	const struct usher_create_options now = {.size = sizeof(now), .pool = "p"};
	const struct usher_create_options wait = {
		.size = sizeof(wait), .request_id = "r", .metadata = "{}", .wait_ms = 5000};
	const struct usher_create_options kept = {
		.size = sizeof(kept), .timeout_ms = 9000, .owner = USHER_OWNER_DETACHED};
	int64_t number;

	switch (what) {
	case 'c':
		*ret = create(&now);
		return true;
	case 'w':
		*ret = create(&wait);
		return true;
	case 'k':
		*ret = create(&kept);
		return true;
	case 'C':
		*ret = create_later(&now);
		return true;
	case 'W':
		*ret = create_later(&wait);
		return true;
	case 's':
		*ret = usher_start(u, session.session_id, &number);
		return true;
	case 'r':
		*ret = usher_renew(u, session.session_id, 1000, &number);
		return true;
	case 'u':
		*ret = usher_update(u, session.session_id, "{\"a\":1}", &number);
		return true;
	case 'l':
		*ret = usher_release(u, session.session_id, USHER_COMPLETED, "ok", &number);
		return true;
	case 'a':
		*ret = attach();
		return true;
	case 'x':
		*ret = usher_cancel_request(u, "r");
		return true;
	case 'm':
		*ret = usher_call_more(u, "io.usher.Broker.List", NULL, on_reply, NULL);
		return true;
	case 'g':
		*ret = call_any();
		return true;
	case 'f':
		*ret = usher_forget(u, session.session_id);
		return true;
	case 'n':
		*ret = usher_set_renewal(u, session.session_id, false);
		return true;
	case 'z':
		*ret = n_later > 0 ? usher_cancel(u, requests[n_later - 1]) : 0;
		return n_later > 0;
	case 'e':
		*ret = usher_set_event_handler(u, on_event, NULL);
		return true;
	case 'd':
		dispatch();
		return false;
	case 't':
		script_advance_ms(10000);
		return false;
	default:
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct usher_open_options options = {
		.size = sizeof(options), .socket = "/nonexistent", .call_timeout_ms = TIMEOUT_MS};
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t n_calls = end ? (size_t)(end - data) : size;
	int r;

	if (size > TEXT_MAX)
		return 0;
	script_begin(data + n_calls + (end != NULL), size - n_calls - (end != NULL));
	REQUIRE(usher_open(&options, &u) == 0);
	for (size_t i = 0; i < n_calls && i < CALLS_MAX; i++)
		if (call((char)data[i], &r))
			check_result(r);
	usher_close(u);
	script_end();
	usher_session_clear(&session);
	while (n_later > 0)
		usher_session_clear(&later[--n_later]);
	return 0;
}
