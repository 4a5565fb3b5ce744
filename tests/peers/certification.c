/* SPDX-License-Identifier: MIT */
/* A server of org.varlink.certification, the conformance test of Varlink implementations, built on
 * proto's generic server: foreign clients run against it and find out whether we speak Varlink.
 *
 *   certification SOCKET DESCRIPTION
 *
 * DESCRIPTION is a file with the interface text. Connections are served one after the other. A
 * client calls Start, Test01 to Test11 and End in this order, each with what the one before
 * returned.
 */
#include "proto/frame.h"
#include "proto/json_scan.h"
#include "proto/json_write.h"
#include "proto/varlink.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INTERFACE     "org.varlink.certification"
#define MAX_DEPTH     32
#define MAX_FRAME     65536
#define MAX_CLIENTS   64
#define N_MORE        10 /* Test10's replies */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct member {
	const char *key;
	const char *value; /* JSON */
};

/* One call of the certification: its parameters beside client_id, and what it answers. */
struct step {
	const char *wants;
	struct member gives[5]; /* ended by a NULL key */
};

/* What each client has to call next, as an index into steps; a client's id is its number. */
struct certification {
	size_t next[MAX_CLIENTS];
	size_t n_clients;
};

#define BASICS "\"bool\":false,\"int\":2,\"float\":3.141592653589793,\"string\":\"a lot of string\""
#define WORDS  "{\"foo\":\"Foo\",\"bar\":\"Bar\"}"
#define SET    "{\"one\":{},\"two\":{},\"three\":{}}"
#define REPLIES                                                                                    \
	"[\"Reply number 1\",\"Reply number 2\",\"Reply number 3\",\"Reply number 4\","            \
	"\"Reply number 5\",\"Reply number 6\",\"Reply number 7\",\"Reply number 8\","             \
	"\"Reply number 9\",\"Reply number 10\"]"
#define MY_TYPE                                                                                    \
	"{\"object\":{\"method\":\"" INTERFACE ".Test09\",\"parameters\":{\"map\":" WORDS "}},"    \
	"\"enum\":\"two\",\"struct\":{\"first\":1,\"second\":\"2\"},"                              \
	"\"array\":[\"one\",\"two\",\"three\"],\"dictionary\":" WORDS ",\"stringset\":" SET ","    \
	"\"nullable\":null,\"nullable_array_struct\":null,"                                        \
	"\"interface\":{\"foo\":[null,{\"foo\":\"foo\",\"bar\":\"bar\"},null,"                     \
	"{\"one\":\"foo\",\"two\":\"bar\"}],\"anon\":{\"foo\":true,\"bar\":false}}}"

static const struct step steps[] = {
	{"{}", {{"bool", "true"}}},
	{"{\"bool\":true}", {{"int", "1"}}},
	{"{\"int\":1}", {{"float", "1.0"}}},
	{"{\"float\":1.0}", {{"string", "\"ping\""}}},
	{"{\"string\":\"ping\"}", {{"bool", "false"}, {"int", "2"}, {"float", "3.141592653589793"},
					  {"string", "\"a lot of string\""}}},
	{"{" BASICS "}", {{"struct", "{" BASICS "}"}}},
	{"{\"struct\":{" BASICS "}}", {{"map", WORDS}}},
	{"{\"map\":" WORDS "}", {{"set", SET}}},
	{"{\"set\":" SET "}", {{"mytype", MY_TYPE}}},
	{"{\"mytype\":" MY_TYPE "}", {{NULL, NULL}}},
	{"{\"last_more_replies\":" REPLIES "}", {{NULL, NULL}}},
	{"{}", {{"all_ok", "true"}}},
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certification: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- values ---- */

static bool matches(const struct json_value *want, const struct json_value *got);

/* KEY's value in OBJECT, null if it has none. A key of the wanted values has no escapes. */
static struct json_value member_of(const struct json_value *object, const struct json_value *key)
{
	struct json_value name, value, null = {.type = JSON_NULL, .text = "null", .length = 4};
	struct json_iter iter;

	json_iter_init(&iter, object);
	while (json_next_member(&iter, &name, &value)) {
		if (json_equal(&name, key))
			return value;
	}
	return null;
}

/* Each member of A against the one of B of the same name; an absent one is null. */
static bool members_match(const struct json_value *a, const struct json_value *b)
{
	struct json_value key, value, other;
	struct json_iter iter;

	json_iter_init(&iter, a);
	while (json_next_member(&iter, &key, &value)) {
		other = member_of(b, &key);
		if (!matches(&value, &other))
			return false;
	}
	return true;
}

static bool elements_match(const struct json_value *want, const struct json_value *got)
{
	struct json_value a, b;
	struct json_iter wanted, gotten;

	json_iter_init(&wanted, want);
	json_iter_init(&gotten, got);
	while (json_next_element(&wanted, &a)) {
		if (!json_next_element(&gotten, &b) || !matches(&a, &b))
			return false;
	}
	return !json_next_element(&gotten, &b);
}

/* Equal, but that a null member may be left out. */
static bool matches(const struct json_value *want, const struct json_value *got)
{
	if (want->type != got->type)
		return false;
	if (want->type == JSON_OBJECT)
		return members_match(want, got) && members_match(got, want);
	if (want->type == JSON_ARRAY)
		return elements_match(want, got);
	return json_equal(want, got);
}

/* Are the parameters but client_id those that the step wants? */
static bool parameters_match(const struct step *step, const struct json_value *parameters)
{
	struct json_value wants, key, value, other;
	struct json_iter iter;

	must(json_parse(step->wants, strlen(step->wants), MAX_DEPTH, &wants, NULL) == 0,
		step->wants);
	json_iter_init(&iter, parameters);
	while (json_next_member(&iter, &key, &value)) {
		if (json_string_is(&key, "client_id", 9))
			continue;
		other = member_of(&wants, &key);
		if (!matches(&other, &value))
			return false;
	}
	return members_match(&wants, parameters);
}

/* ---- replies ---- */

static void reply_error(struct json_writer *out, const char *wants, const struct json_value *got)
{
	varlink_error_begin(out, INTERFACE ".CertificationError");
	json_write_key(out, "wants");
	json_write_raw(out, wants, strlen(wants));
	json_write_key(out, "got");
	json_write_raw(out, got->text, got->length);
	varlink_error_end(out);
}

static void reply_members(struct json_writer *out, const struct member *members)
{
	varlink_reply_begin(out);
	for (; members->key; members++) {
		json_write_key(out, members->key);
		json_write_raw(out, members->value, strlen(members->value));
	}
	varlink_reply_end(out, false);
}

/* ---- methods ---- */

/* The client's place in the order of calls; NULL after an error reply for an id never given. */
static size_t *find_client(
	struct certification *c, const struct varlink_call *call, struct json_writer *out)
{
	struct json_value id;
	char name[32];

	for (size_t i = 0; i < c->n_clients; i++) {
		snprintf(name, sizeof(name), "client-%zu", i);
		if (json_find_member(&call->parameters, "client_id", &id) &&
			json_string_is(&id, name, strlen(name)))
			return &c->next[i];
	}
	varlink_error(out, INTERFACE ".ClientIdError");
	return NULL;
}

/* The step, if this client may call it now and with these parameters; NULL after an error reply. */
static const struct step *take_step(struct certification *c, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	const struct step *step = method->data;
	size_t *next = find_client(c, call, out);

	if (!next)
		return NULL;
	if (&steps[*next] != step || !parameters_match(step, &call->parameters)) {
		fprintf(stderr, "certification: %s: wanted %s, got %.*s\n", method->name,
			step->wants, (int)call->parameters.length, call->parameters.text);
		reply_error(out, step->wants, &call->parameters);
		return NULL;
	}
	/* After End comes the first call again. */
	*next = (*next + 1) % ARRAY_SIZE(steps);
	return step;
}

static void handle_start(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	struct certification *c = context;
	char id[32];

	(void)method;
	(void)call;
	must(c->n_clients < MAX_CLIENTS, "too many clients");
	snprintf(id, sizeof(id), "client-%zu", c->n_clients++);
	varlink_reply_begin(out);
	json_write_key(out, "client_id");
	json_write_cstring(out, id);
	varlink_reply_end(out, false);
}

static void handle_step(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	const struct step *step = take_step(context, method, call, out);

	if (step)
		reply_members(out, step->gives);
}

static void handle_more(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	char text[32];

	if (!call->more) {
		varlink_error(out, VARLINK_INTERFACE ".ExpectedMore");
		return;
	}
	if (!take_step(context, method, call, out))
		return;
	for (int i = 1; i <= N_MORE; i++) {
		snprintf(text, sizeof(text), "Reply number %d", i);
		varlink_reply_begin(out);
		json_write_key(out, "string");
		json_write_cstring(out, text);
		varlink_reply_end(out, i < N_MORE);
	}
}

/* A call that wants an answer is wrong here, whatever its parameters. */
static void handle_oneway(void *context, const struct varlink_method *method,
	const struct varlink_call *call, struct json_writer *out)
{
	if (!call->oneway)
		reply_error(out, "{\"oneway\":true}", &call->parameters);
	else if (take_step(context, method, call, out))
		reply_members(out, (const struct member[]){{NULL, NULL}});
}

static const struct varlink_method methods[] = {
	{"Start", handle_start, NULL},
	{"Test01", handle_step, &steps[0]},
	{"Test02", handle_step, &steps[1]},
	{"Test03", handle_step, &steps[2]},
	{"Test04", handle_step, &steps[3]},
	{"Test05", handle_step, &steps[4]},
	{"Test06", handle_step, &steps[5]},
	{"Test07", handle_step, &steps[6]},
	{"Test08", handle_step, &steps[7]},
	{"Test09", handle_step, &steps[8]},
	{"Test10", handle_more, &steps[9]},
	{"Test11", handle_oneway, &steps[10]},
	{"End", handle_step, &steps[11]},
};

/* ---- input and output ---- */

static bool send_all(int fd, const char *data, size_t length)
{
	ssize_t n;

	while (length > 0) {
		n = send(fd, data, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return true;
}

/* Answer one frame; false if the connection cannot be used any more. */
static bool serve_frame(const struct varlink_service *service, struct certification *c, int fd,
	const char *frame, size_t length)
{
	struct varlink_fault fault;
	struct varlink_call call;
	struct json_writer out;
	bool ok;

	if (varlink_call_decode(frame, length, MAX_DEPTH, &call, &fault) < 0) {
		fprintf(stderr, "certification: bad call: %s: %s\n", fault.parameter,
			fault.expected);
		return false;
	}
	json_writer_init(&out);
	varlink_serve(service, c, &call, &out);
	ok = !json_writer_failed(&out) && send_all(fd, out.data, out.length);
	json_writer_deinit(&out);
	return ok;
}

static bool serve_piece(const struct varlink_service *service, struct certification *c, int fd,
	struct frame_reader *reader)
{
	const char *frame;
	size_t length;
	int r;

	while ((r = frame_next(reader, &frame, &length)) > 0) {
		if (!serve_frame(service, c, fd, frame, length))
			return false;
	}
	return r == 0 && frame_keep(reader) == 0;
}

static void serve_connection(const struct varlink_service *service, struct certification *c, int fd)
{
	struct frame_reader reader;
	char piece[4096];
	ssize_t n;

	frame_reader_init(&reader, MAX_FRAME);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
		frame_feed(&reader, piece, (size_t)n);
		if (!serve_piece(service, c, fd, &reader))
			break;
	}
	frame_reader_deinit(&reader);
	close(fd);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0, "socket");
	must(strlen(path) < sizeof(address.sun_path), path);
	memcpy(address.sun_path, path, strlen(path));
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, path);
	must(listen(fd, 16) == 0, path);
	return fd;
}

static void read_text(const char *path, char *ret, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n;

	must(file != NULL, path);
	n = fread(ret, 1, size - 1, file);
	must(!ferror(file) && feof(file), path);
	ret[n] = '\0';
	fclose(file);
}

static volatile sig_atomic_t is_ending;

static void on_term(int signal)
{
	(void)signal;
	is_ending = 1;
}

static void serve(const struct varlink_service *service, int listener)
{
	struct certification c = {.n_clients = 0};
	int fd;

	while (!is_ending) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve_connection(service, &c, fd);
		else
			must(errno == EINTR, "accept");
	}
}

int main(int argc, char **argv)
{
	static char text[16384];
	static const struct varlink_interface interface = {
		INTERFACE, text, methods, ARRAY_SIZE(methods)};
	static const struct varlink_interface *const interfaces[] = {&interface};
	static const struct varlink_service service = {
		"usher", "certification", "1", "https://varlink.org", interfaces, 1};
	struct sigaction term = {.sa_handler = on_term};
	int listener;

	if (argc != 3) {
		fprintf(stderr, "usage: certification SOCKET DESCRIPTION\n");
		return 2;
	}
	sigaction(SIGTERM, &term, NULL);
	read_text(argv[2], text, sizeof(text));
	listener = listen_on(argv[1]);
	serve(&service, listener);
	close(listener);
	return 0;
}
