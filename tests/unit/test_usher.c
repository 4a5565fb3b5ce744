/* SPDX-License-Identifier: MIT */
/* libusher against a broker that behaves. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_broker.h"
#include "proto/status.h"

static struct fake_broker broker;

/* ---- opening ---- */

static const char *chosen(const char *given)
{
	static char path[128];
	struct usher_open_options options = {.size = sizeof(options), .socket = given};
	struct usher *u;
	int r = usher_open(&options, &u);

	if (r < 0)
		return usher_error_name(r);
	strcpy(path, usher_socket_path(u));
	usher_close(u);
	return path;
}

START_TEST(the_socket_is_the_given_one_then_the_environments_then_the_usual)
{
	setenv("USHER_SOCKET", "/env/sock", 1);
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	ck_assert_str_eq(chosen("/given"), "/given");
	ck_assert_str_eq(chosen(NULL), "/env/sock");
	setenv("USHER_SOCKET", "", 1);
	if (access("/run/usher/usher.sock", F_OK) < 0)
		ck_assert_str_eq(chosen(NULL), "/nowhere/usher/usher.sock");
	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ck_assert_str_eq(chosen(NULL), "/run/usher/usher.sock");
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("USHER_SOCKET");
	ck_assert_str_eq(chosen(NULL), "/run/usher/usher.sock");
}
END_TEST

START_TEST(a_path_of_107_bytes_is_the_longest)
{
	char path[109];

	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	ck_assert_str_eq(chosen(path), "ENAMETOOLONG");
	path[107] = '\0';
	ck_assert_str_eq(chosen(path), path);
	ck_assert_str_eq(chosen(""), "EINVAL");
}
END_TEST

START_TEST(options_of_other_versions_are_told_apart)
{
	struct {
		struct usher_open_options options;
		char newer[16];
	} o = {.options = {.size = sizeof(o), .socket = "/x"}};
	struct usher *u = NULL;

	ck_assert_int_eq(usher_open(&o.options, &u), 0);
	usher_close(u);
	u = NULL;
	o.newer[15] = 1;
	ck_assert_int_eq(usher_open(&o.options, &u), -E2BIG);
	o.options.size = 0;
	ck_assert_int_eq(usher_open(&o.options, &u), -EINVAL);
	ck_assert_ptr_null(u);
}
END_TEST

START_TEST(nobody_listening_is_the_errno_of_connect)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = "/nowhere/sock"};
	struct usher *u;

	ck_assert_int_eq(usher_open(&options, &u), 0);
	ck_assert_int_eq(usher_connection_fd(u), -ENOTCONN);
	ck_assert_int_eq(usher_connect(u), -ENOENT);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -ENOENT);
	ck_assert_str_eq(usher_last_error(u)->name, "ENOENT");
	ck_assert_str_eq(usher_last_error(u)->parameters, "{}");
	ck_assert_ptr_nonnull(strstr(usher_last_error(u)->message, "/nowhere/sock"));
	usher_close(u);
	usher_close(NULL);
}
END_TEST

/* ---- sessions ---- */

START_TEST(create_fills_the_session)
{
	struct usher_create_options wish = {.size = sizeof(wish),
		.pool = "p\"ool",
		.metadata = "{\"a\":9007199254740993, \"a\":1e400}",
		.timeout_ms = -1,
		.label = "l",
		.units = 2,
		.owner = USHER_OWNER_DETACHED,
		.request_id = "mine"};
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, &wish, &s), 0);
	ck_assert_str_eq(fake_last_call(&broker),
		"{\"method\":\"io.usher.Broker.Create\",\"parameters\":{\"pool\":\"p\\\"ool\","
		"\"request_id\":\"mine\",\"metadata\":{\"a\":9007199254740993, \"a\":1e400},"
		"\"timeout_ms\":-1,\"label\":\"l\",\"units\":2,\"owner\":\"detached\"}}");
	ck_assert_str_eq(s.session_id, "session_0123456789ab");
	ck_assert_str_eq(s.request_id, "req_1");
	ck_assert_str_eq(s.pool, "default");
	ck_assert_uint_eq(s.n_slots, 2);
	ck_assert_uint_eq(s.slots[0], 3);
	ck_assert_uint_eq(s.slots[1], 4);
	ck_assert_int_eq(s.fence, INT64_C(9007199254740991));
	ck_assert_int_eq(s.expires_at_us, INT64_C(1700000000000000));
	ck_assert_int_eq(s.metadata_bytes, 7);
	ck_assert_ptr_null(s.metadata);
	ck_assert(!s.is_existing);
	ck_assert_int_eq(usher_last_error(u)->error, 0);
	usher_session_clear(&s);
	ck_assert_ptr_null(s.slots);
	ck_assert_uint_eq(s.size, sizeof(s));
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(create_makes_a_request_id_if_none_is_given)
{
	struct usher_session s = {.size = sizeof(s)};
	char first[65536];
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), 0);
	usher_session_clear(&s);
	strcpy(first, fake_last_call(&broker));
	ck_assert_ptr_nonnull(strstr(first, "\"request_id\":\"req_"));
	ck_assert_ptr_null(strstr(first, "pool"));
	ck_assert_int_eq(usher_create(u, NULL, &s), 0);
	usher_session_clear(&s);
	ck_assert_str_ne(first, fake_last_call(&broker));
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static int count_reply(void *userdata, const char *parameters, bool continues)
{
	(void)userdata;
	(void)parameters;
	(void)continues;
	return 0;
}

static void on_answer(void *userdata, const struct usher_create_answer *answer)
{
	(void)userdata;
	(void)answer;
}

START_TEST(wrong_arguments_never_reach_the_broker)
{
	static const char *const texts[] = {"", "[]", "1", "{", "{}}", "{\"a\":1}x", "{\"a\":\x01}",
		"{},\"oneway\":true,\"b\":{}", "{\"\xff\":1}"};
	struct usher_create_options wish = {.size = sizeof(wish)};
	struct usher_session s = {.size = sizeof(s)}, small = {.size = 8};
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		wish.metadata = texts[i];
		ck_assert_int_eq(usher_create(u, &wish, &s), -EINVAL);
		ck_assert_int_eq(usher_update(u, "session_1", texts[i], NULL), -EINVAL);
		ck_assert_int_eq(usher_call(u, "a.B", texts[i], NULL), -EINVAL);
		ck_assert_int_eq(usher_call_more(u, "a.B", texts[i], count_reply, &s), -EINVAL);
	}
	ck_assert_int_eq(usher_open(NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_create(u, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_create_async(u, NULL, NULL, on_answer, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_create_async(u, NULL, &s, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_attach(u, "x", USHER_OWNER_DETACHED, NULL), -EINVAL);
	ck_assert_int_eq(usher_call_more(u, "a.B", NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_call_more(u, NULL, NULL, count_reply, NULL), -EINVAL);
	ck_assert_int_eq(usher_create(u, NULL, &small), -EINVAL);
	ck_assert_int_eq(usher_call(u, NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_start(u, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_renew(u, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(usher_update(u, "x", NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_release(u, NULL, USHER_ERROR, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_release(u, "x", (enum usher_outcome)9, NULL, NULL), -EINVAL);
	ck_assert_int_eq(usher_attach(u, NULL, USHER_OWNER_DETACHED, &s), -EINVAL);
	ck_assert_int_eq(usher_attach(u, "x", (enum usher_owner)9, &s), -EINVAL);
	ck_assert_str_eq(usher_last_error(u)->name, "EINVAL");
	usher_close(u);
	ck_assert_int_eq(broker.connections, 0);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(blanks_around_metadata_do_not_belong_to_it)
{
	struct usher_create_options wish = {
		.size = sizeof(wish), .label = "l", .metadata = "\n{\"a\": 1 }\r\n\t "};
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, &wish, &s), 0);
	ck_assert_ptr_nonnull(
		strstr(fake_last_call(&broker), "\"metadata\":{\"a\": 1 },\"label\""));
	usher_update(u, s.session_id, wish.metadata, NULL);
	ck_assert_ptr_nonnull(strstr(fake_last_call(&broker), "\"metadata\":{\"a\": 1 }}}"));
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(the_other_session_calls_say_what_they_are_told)
{
	int64_t value = 0;
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text,
		"{\"parameters\":{\"expires_at\":12,\"duration_ms\":13,\"metadata_bytes\":14,"
		"\"new\":[]}}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_start(u, "s1", &value), 0);
	ck_assert_int_eq(value, 12);
	ck_assert_str_eq(fake_last_call(&broker),
		"{\"method\":\"io.usher.Broker.Start\",\"parameters\":{"
		"\"session_id\":\"s1\"}}");
	ck_assert_int_eq(usher_renew(u, "s1", 500, &value), 0);
	ck_assert_str_eq(fake_last_call(&broker),
		"{\"method\":\"io.usher.Broker.Renew\",\"parameters\":{"
		"\"session_id\":\"s1\",\"timeout_ms\":500}}");
	ck_assert_int_eq(usher_renew(u, "s1", 0, NULL), 0);
	ck_assert_ptr_null(strstr(fake_last_call(&broker), "timeout_ms"));
	ck_assert_int_eq(usher_update(u, "s1", "{ }", &value), 0);
	ck_assert_int_eq(value, 14);
	ck_assert_ptr_nonnull(strstr(fake_last_call(&broker), "\"metadata\":{ }"));
	ck_assert_int_eq(usher_release(u, "s1", USHER_CANCELLED, "r", &value), 0);
	ck_assert_int_eq(value, 13);
	ck_assert_str_eq(fake_last_call(&broker),
		"{\"method\":\"io.usher.Broker.Release\",\"parameters\":{\"session_id\":\"s1\","
		"\"outcome\":\"cancelled\",\"result\":\"r\"}}");
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(a_missing_deadline_is_minus_one)
{
	int64_t value = 0;
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, "{}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_start(u, "s1", &value), 0);
	ck_assert_int_eq(value, -1);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(attach_understands_sessions_of_a_newer_broker)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text,
		"{\"parameters\":{\"session\":{\"session_id\":\"s1\",\"request_id\":\"r\","
		"\"pool\":\"\\u00fc\\/\",\"state\":\"dreaming\",\"owner\":\"moon\",\"slots\":[9],"
		"\"fence\":5,\"metadata\":{\"x\" : 1e999},\"metadata_bytes\":13,\"extra\":{}}}}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_attach(u, "s1", USHER_OWNER_CONNECTION, &s), 0);
	ck_assert_str_eq(s.pool, "\xc3\xbc/");
	ck_assert_str_eq(s.metadata, "{\"x\" : 1e999}");
	ck_assert_int_eq(s.expires_at_us, -1);
	ck_assert(s.is_existing);
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

/* ---- any method ---- */

START_TEST(call_gives_the_parameters_as_they_came)
{
	char *text;
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text,
		" {\"com.example.x\":1, \"parameters\" : {\"n\":9007199254740993 ,\"n\":-0} } ");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "org.x.Do", " {\"a\": 1} ", &text), 0);
	ck_assert_str_eq(text, "{\"n\":9007199254740993 ,\"n\":-0}");
	ck_assert_str_eq(
		fake_last_call(&broker), "{\"method\":\"org.x.Do\",\"parameters\":{\"a\": 1}}");
	free(text);
	ck_assert_int_eq(usher_call(u, "org.x.Do", NULL, NULL), 0);
	ck_assert_str_eq(fake_last_call(&broker), "{\"method\":\"org.x.Do\",\"parameters\":{}}");
	ck_assert_int_eq(broker.connections, 1);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void serve_stream(struct fake_broker *b, int fd, int index)
{
	(void)index;
	while (fake_read_call(b, fd)) {
		if (strstr(b->last_call, "\"more\":true")) {
			fake_reply(fd, "{\"parameters\":{\"i\":0},\"continues\":true}");
			fake_reply(fd, "{\"parameters\":{\"i\":1},\"continues\":true}");
			fake_reply(fd, "{\"parameters\":{}}");
			return; /* one connection at a time here */
		}
		fake_reply(fd, "{\"parameters\":{}}");
	}
}

struct seen {
	struct usher *u;
	int count;
	int stop_at;
	char texts[64];
};

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct seen *seen = userdata;

	strcat(seen->texts, parameters);
	strcat(seen->texts, continues ? "+" : ".");
	seen->count++;
	return seen->count == seen->stop_at;
}

START_TEST(a_stream_is_handed_out_reply_by_reply)
{
	struct seen seen = {0};
	struct usher *u;

	fake_broker_start(&broker, serve_stream, NULL);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call_more(u, "a.B", "{\"x\":1}", on_reply, &seen), 0);
	ck_assert_str_eq(seen.texts, "{\"i\":0}+{\"i\":1}+{}.");
	ck_assert_str_eq(fake_last_call(&broker),
		"{\"method\":\"a.B\",\"more\":true,\"parameters\":{\"x\":1}}");
	ck_assert_int_eq(usher_connection_fd(u), -ENOTCONN);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(a_stream_ends_when_the_program_has_enough)
{
	struct seen seen = {.stop_at = 1};
	struct usher *u;

	fake_broker_start(&broker, serve_stream, NULL);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call_more(u, "a.B", NULL, on_reply, &seen), -ECANCELED);
	ck_assert_str_eq(seen.texts, "{\"i\":0}+");
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void serve_both(struct fake_broker *b, int fd, int index)
{
	(void)index;
	if (fake_read_call(b, fd))
		fake_reply(fd, "{\"parameters\":{\"i\":0},\"continues\":true}");
	/* The call from within comes over another connection, which stays in the backlog until the
	 * stream's is closed here: its answer shows that it is not the stream's. */
	fake_reply(fd, "{\"parameters\":{}}");
}

static int call_within(void *userdata, const char *parameters, bool continues)
{
	struct seen *seen = userdata;

	(void)parameters;
	seen->count++;
	if (continues)
		ck_assert_int_eq(usher_call(seen->u, "a.C", NULL, NULL), -ECONNRESET);
	return 0;
}

static void serve_two(struct fake_broker *b, int fd, int index)
{
	if (index == 0)
		serve_both(b, fd, index);
	else
		fake_read_call(b, fd); /* and close without an answer */
}

START_TEST(calls_may_be_made_while_a_stream_is_read)
{
	struct seen seen = {0};

	fake_broker_start(&broker, serve_two, NULL);
	seen.u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call_more(seen.u, "a.B", NULL, call_within, &seen), 0);
	ck_assert_int_eq(seen.count, 2);
	ck_assert_int_eq(usher_last_error(seen.u)->error, 0);
	usher_close(seen.u);
	fake_broker_stop(&broker);
}
END_TEST

/* ---- errors ---- */

START_TEST(a_refusal_has_its_number_name_parameters_and_sentence)
{
	struct usher_session s = {.size = sizeof(s)};
	const struct usher_error *e;
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text,
		"{\"error\":\"io.usher.Broker.CapacityReached\",\"parameters\":{\"pool\":"
		"\"g\\u001bu\","
		"\"limit\":2,\"used_units\":2,\"requested_units\":3,\"active_sessions\":1,"
		"\"waiting_sessions\":5,\"holders\":[{\"session_id\":\"s\",\"uid\":1000,\"pid\":42,"
		"\"comm\":\"py\\nthon\",\"units\":1,\"age_ms\":182345},{\"uid\":7}],"
		"\"retry_after_ms\":1500}}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), -USHER_E_CAPACITY_REACHED);
	e = usher_last_error(u);
	ck_assert_int_eq(e->error, -USHER_E_CAPACITY_REACHED);
	ck_assert_str_eq(e->name, "io.usher.Broker.CapacityReached");
	ck_assert_str_eq(e->message,
		"pool \"g?u\" is full: 2 of 2 slots are taken, and 3 were asked for; the oldest "
		"session is that of user 1000, pid 42 (py?thon), since 3min 2s; 5 wait already; "
		"try again in about 1s 500ms");
	ck_assert_ptr_nonnull(strstr(e->parameters, "\"retry_after_ms\":1500"));
	ck_assert_ptr_null(s.slots);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

struct explained {
	const char *reply;
	int error;
	const char *message;
};

static const struct explained explained[] = {
	{"{\"error\":\"io.usher.Broker.MetadataTooLarge\",\"parameters\":{\"size\":11,\"limit\":10}"
	 "}",
		USHER_E_METADATA_TOO_LARGE, "the metadata has 11 bytes, the pool accepts 10"},
	{"{\"error\":\"io.usher.Broker.TimeoutOutOfRange\",\"parameters\":{\"timeout_ms\":90000,"
	 "\"max_timeout_ms\":60000}}",
		USHER_E_TIMEOUT_OUT_OF_RANGE,
		"a timeout of 1min 30s is refused: the pool accepts up to 1min"},
	{"{\"error\":\"io.usher.Broker.NoSuchPool\",\"parameters\":{\"pool\":\"x\"}}",
		USHER_E_NO_SUCH_POOL, "there is no pool \"x\""},
	{"{\"error\":\"io.usher.Broker.NoSuchSession\",\"parameters\":{\"session_id\":\"x\"}}",
		USHER_E_NO_SUCH_SESSION, "there is no session \"x\""},
	{"{\"error\":\"io.usher.Broker.SessionEnded\",\"parameters\":{\"session_id\":\"x\","
	 "\"outcome\":\"timeout\"}}",
		USHER_E_SESSION_ENDED, "session x has ended (timeout)"},
	{"{\"error\":\"io.usher.Broker.SessionEnded\",\"parameters\":{\"session_id\":\"x\","
	 "\"outcome\":\"of a newer broker\"}}",
		USHER_E_SESSION_ENDED, "the session has ended"},
	{"{\"error\":\"io.usher.Broker.InvalidState\",\"parameters\":{\"session_id\":\"x\","
	 "\"state\":\"processing\"}}",
		USHER_E_INVALID_STATE, "session x is processing already"},
	{"{\"error\":\"io.usher.Broker.RequestIdInUse\",\"parameters\":{\"request_id\":\"r\","
	 "\"session_id\":\"x\"}}",
		USHER_E_REQUEST_ID_IN_USE, "request id \"r\" belongs to another session, x"},
	{"{\"error\":\"io.usher.Broker.ShuttingDown\"}", USHER_E_SHUTTING_DOWN,
		"the broker is draining"},
	{"{\"error\":\"io.usher.Broker.Paused\",\"parameters\":{\"pool\":\"p\",\"reason\":\"why\"}"
	 "}",
		USHER_E_PAUSED, "pool \"p\" is paused: why"},
	{"{\"error\":\"io.usher.Broker.TooManyConnections\",\"parameters\":{\"limit\":5,"
	 "\"scope\":\"user\"}}",
		USHER_E_TOO_MANY_CONNECTIONS,
		"you have 5 connections to the broker, and may have no more"},
	{"{\"error\":\"io.usher.Broker.StoreUnavailable\",\"parameters\":{\"reason\":\"r\"}}",
		USHER_E_STORE_UNAVAILABLE, "the broker cannot store new sessions: r"},
	{"{\"error\":\"io.usher.Broker.StoreUnavailable\"}", USHER_E_STORE_UNAVAILABLE,
		"the broker cannot store its state"},
	{"{\"error\":\"io.usher.Broker.InvalidConfig\",\"parameters\":{\"message\":\"a:1: b\"}}",
		USHER_E_INVALID_CONFIG, "a:1: b"},
	{"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"u\","
	 "\"expected\":\"an integer\"}}",
		USHER_E_INVALID_PARAMETER, "parameter \"u\" is wrong: expected an integer"},
	{"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":7}}",
		USHER_E_INVALID_PARAMETER, "a parameter is missing, unknown or wrong"},
	{"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.B\"}}",
		USHER_E_METHOD_NOT_FOUND, "the broker has no method \"a.B\""},
	{"{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}",
		USHER_E_PERMISSION_DENIED, "permission denied"},
	{"{\"error\":\"io.usher.Broker.CapacityReached\",\"parameters\":{\"pool\":\"p\",\"limit\":"
	 "4,"
	 "\"used_units\":2,\"requested_units\":1,\"active_sessions\":1,\"waiting_sessions\":1,"
	 "\"holders\":[{\"uid\":7,\"age_ms\":20}]}}",
		USHER_E_CAPACITY_REACHED,
		"pool \"p\" has slots free, but 1 wait for more of them; the oldest session is "
		"that "
		"of user 7, since 20ms"},
	{"{\"error\":\"io.usher.Broker.QueueFull\",\"parameters\":{}}", USHER_E_QUEUE_FULL,
		"too many wait already"},
	{"{\"error\":\"io.usher.Broker.QueueFull\",\"parameters\":{\"pool\":\"p\",\"waiting\":5,"
	 "\"limit\":5,\"scope\":\"pool\"}}",
		USHER_E_QUEUE_FULL, "5 wait for pool \"p\", which lets no more than 5 wait"},
	{"{\"error\":\"io.usher.Broker.QueueFull\",\"parameters\":{\"pool\":\"p\",\"waiting\":5,"
	 "\"limit\":5,\"scope\":\"user\"}}",
		USHER_E_QUEUE_FULL,
		"you have 5 waiting for pool \"p\", and may have no more than 5"},
	{"{\"error\":\"io.usher.Broker.WaitTimeout\",\"parameters\":{\"pool\":\"p\","
	 "\"waited_ms\":1500}}",
		USHER_E_WAIT_TIMEOUT, "there was no room in pool \"p\" within 1s 500ms"},
	{"{\"error\":\"io.usher.Broker.Cancelled\",\"parameters\":{\"request_id\":\"r\"}}",
		USHER_E_CANCELLED, "the wait of request \"r\" was cancelled"},
	{"{\"error\":\"io.usher.Broker.QuotaExceeded\",\"parameters\":{\"pool\":\"p\","
	 "\"quota\":\"uid\",\"limit\":2,\"used_units\":2,\"requested_units\":1}}",
		USHER_E_QUOTA_EXCEEDED,
		"a user may hold 2 slots of pool \"p\": this one holds 2, and 1 more was asked "
		"for"},
	{"{\"error\":\"io.usher.Broker.InvalidState\",\"parameters\":{\"session_id\":\"x\","
	 "\"state\":\"waiting\"}}",
		USHER_E_INVALID_STATE, "session x waits for its slots still"},
	{"{\"error\":\"x\",\"parameters\":{}}", USHER_E_OTHER, "the broker refused with x"},
};

START_TEST(every_refusal_is_explained)
{
	const struct explained *c = &explained[_i];
	struct usher *u;

	fake_broker_start(&broker, fake_serve_text, c->reply);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -c->error);
	ck_assert_str_eq(usher_last_error(u)->message, c->message);
	/* A refusal leaves the connection as it is. */
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), -c->error);
	ck_assert_int_eq(broker.connections, 1);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(every_number_has_a_name_and_a_text)
{
#define X(name, number, interface, error, code, text)                                              \
	ck_assert_str_eq(usher_error_name(-USHER_E_##name), interface "." error);                  \
	ck_assert_str_eq(usher_strerror(-USHER_E_##name), text);
	USHER_STATUS_LIST(X)
#undef X
	ck_assert_str_eq(usher_error_name(-ECHILD), "ECHILD");
	ck_assert_str_eq(usher_strerror(-ECHILD), "No child processes");
	ck_assert_str_eq(usher_strerror(0), "success");
	ck_assert_ptr_null(usher_error_name(0));
	ck_assert_ptr_null(usher_error_name(-USHER_E_OTHER));
	ck_assert_ptr_nonnull(usher_strerror(-USHER_E_OTHER));
	ck_assert_ptr_null(usher_error_name(-3000));
	ck_assert_str_eq(usher_strerror(-3000), "unknown error");
	ck_assert_str_eq(usher_strerror(-5000), "unknown status");
	usher_strerror(INT32_MIN);
	usher_error_name(INT32_MIN);
}
END_TEST

/* ---- process ---- */

START_TEST(a_forked_child_may_not_use_the_handle)
{
	struct usher_session s = {.size = sizeof(s)};
	struct usher *u;
	int status;
	pid_t pid;

	fake_broker_start(&broker, fake_serve_text, FAKE_SESSION_REPLY);
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_create(u, NULL, &s), 0);
	pid = fork();
	if (pid == 0) {
		bool good = usher_call(u, "a.B", NULL, NULL) == -ECHILD &&
			    usher_create(u, NULL, &s) == -ECHILD &&
			    usher_release(u, "x", USHER_ERROR, NULL, NULL) == -ECHILD &&
			    usher_connect(u) == -ECHILD && usher_connection_fd(u) == -ECHILD &&
			    usher_call_more(u, "a.B", NULL, on_reply, NULL) == -ECHILD &&
			    usher_last_error(u)->error == -ECHILD;

		usher_close(u);
		_exit(good ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(broker.calls, 1);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	ck_assert_int_eq(broker.connections, 1);
	usher_session_clear(&s);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

static void on_alarm(int signo)
{
	(void)signo;
}

static void serve_slowly(struct fake_broker *b, int fd, int index)
{
	sigset_t set;

	(void)index;
	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (fake_read_call(b, fd)) {
		usleep(100000); /* so that signals come in between */
		fake_reply(fd, "{\"parameters\":{}}");
	}
}

START_TEST(signals_do_not_disturb_a_call)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_alarm};
	struct usher *u;

	fake_broker_start(&broker, serve_slowly, NULL);
	u = fake_broker_open(&broker, 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ck_assert_int_eq(usher_call(u, "a.B", NULL, NULL), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

START_TEST(the_connection_can_be_watched_and_is_closed_on_exec)
{
	struct usher *u;
	int fd;

	fake_broker_start(&broker, fake_serve_text, "{}");
	u = fake_broker_open(&broker, 0);
	ck_assert_int_eq(usher_connect(u), 0);
	ck_assert_int_eq(usher_connect(u), 0);
	fd = usher_connection_fd(u);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	usher_close(u);
	fake_broker_stop(&broker);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("usher");
	TCase *tc = tcase_create("usher");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, the_socket_is_the_given_one_then_the_environments_then_the_usual);
	tcase_add_test(tc, a_path_of_107_bytes_is_the_longest);
	tcase_add_test(tc, options_of_other_versions_are_told_apart);
	tcase_add_test(tc, nobody_listening_is_the_errno_of_connect);
	tcase_add_test(tc, create_fills_the_session);
	tcase_add_test(tc, create_makes_a_request_id_if_none_is_given);
	tcase_add_test(tc, wrong_arguments_never_reach_the_broker);
	tcase_add_test(tc, blanks_around_metadata_do_not_belong_to_it);
	tcase_add_test(tc, the_other_session_calls_say_what_they_are_told);
	tcase_add_test(tc, a_missing_deadline_is_minus_one);
	tcase_add_test(tc, attach_understands_sessions_of_a_newer_broker);
	tcase_add_test(tc, call_gives_the_parameters_as_they_came);
	tcase_add_test(tc, a_stream_is_handed_out_reply_by_reply);
	tcase_add_test(tc, a_stream_ends_when_the_program_has_enough);
	tcase_add_test(tc, calls_may_be_made_while_a_stream_is_read);
	tcase_add_test(tc, a_refusal_has_its_number_name_parameters_and_sentence);
	tcase_add_loop_test(
		tc, every_refusal_is_explained, 0, (int)(sizeof(explained) / sizeof(explained[0])));
	tcase_add_test(tc, every_number_has_a_name_and_a_text);
	tcase_add_test(tc, a_forked_child_may_not_use_the_handle);
	tcase_add_test(tc, signals_do_not_disturb_a_call);
	tcase_add_test(tc, the_connection_can_be_watched_and_is_closed_on_exec);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
