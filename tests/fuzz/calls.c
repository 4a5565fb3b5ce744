/* SPDX-License-Identifier: MIT */
/* Calls: what clients send to a whole usherd, in pieces. After each piece the table is checked, and
 * what comes back must be replies, not more of them than there were calls.
 *
 * The text is what client 0 sends; a new line ends a call, and ~ begins what is done meanwhile:
 *   ~0 to ~3  from here on it is this client that sends
 *   ~.        what there is is sent, in mid-call or not
 *   ~s ~S     the last session's id that a client was told, and the one before
 *   ~d        from here on this client does not read; again: it does
 *   ~>        half-close; ~x close: it connects anew when it has more to say
 *   ~+ ~*     a second, an hour passes
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/json_scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define SAID_MAX  65536
#define HEARD_MAX 262144
#define ID_SIZE   20 /* session_0123456789ab */
#define DEPTH     64
#define TEXT_MAX  16384

static const char settings[] = "[broker]\nlog_level = err\n"
			       "max_message = 4096\n"
			       "max_output = 65536\n"
			       "max_pipelined = 8\n"
			       "[pool two]\nlimit = 2\nmax_waiters = 3\n"
			       "[pool held]\nlimit = 2\non_timeout = hold\nper_uid_limit = 1\n";

struct client {
	int fd; /* -1: none */
	unsigned number;
	bool is_deaf;
	size_t n_calls;   /* sent, over all */
	size_t n_replies; /* that were the last of their call */
	size_t length;    /* said, but not sent yet */
	size_t n_heard;
	char said[SAID_MAX];
	char heard[HEARD_MAX];
};

static struct client clients[HOST_CLIENTS];
static char ids[2][ID_SIZE + 1];

/* ---- hearing ---- */

static void note_id(const struct json_value *id)
{
	if (id->type != JSON_STRING || id->length != ID_SIZE || !strncmp(id->text, ids[0], ID_SIZE))
		return;
	memcpy(ids[1], ids[0], sizeof(ids[0]));
	memcpy(ids[0], id->text, ID_SIZE);
}

/* Whether it is the last of its call. */
static bool hear_members(const struct json_value *reply)
{
	struct json_iter iter;
	struct json_value key, value;
	bool is_last = true;

	json_iter_init(&iter, reply);
	while (json_next_member(&iter, &key, &value)) {
		if (json_string_is(&key, "continues", 9))
			is_last = value.type != JSON_TRUE;
		if (json_string_is(&key, "session_id", 10))
			note_id(&value);
		if (json_string_is(&key, "parameters", 10)) {
			REQUIRE(value.type == JSON_OBJECT);
			hear_members(&value);
		}
	}
	return is_last;
}

static void hear_reply(struct client *client, const char *frame, size_t length)
{
	struct json_value reply;

	REQUIRE(json_parse(frame, length, DEPTH, &reply, NULL) == 0);
	REQUIRE(reply.type == JSON_OBJECT);
	client->n_replies += hear_members(&reply);
	REQUIRE(client->n_replies <= client->n_calls);
}

static void hear(struct client *client)
{
	char *at = client->heard, *end;
	ssize_t n;

	if (client->fd < 0 || client->is_deaf)
		return;
	while ((n = read(client->fd, client->heard + client->n_heard,
			HEARD_MAX - client->n_heard)) > 0)
		client->n_heard += (size_t)n;
	while ((end = memchr(at, '\0', client->n_heard))) {
		hear_reply(client, at, (size_t)(end - at));
		client->n_heard -= (size_t)(end - at) + 1;
		at = end + 1;
	}
	memmove(client->heard, at, client->n_heard);
	REQUIRE(client->n_heard < HEARD_MAX);
}

/* ---- saying ---- */

static void turn(void)
{
	host_turn();
	for (unsigned i = 0; i < HOST_CLIENTS; i++)
		hear(&clients[i]);
}

static void hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->length = client->n_heard = 0;
}

static void count_calls(struct client *client)
{
	for (size_t i = 0; i < client->length; i++)
		client->n_calls += client->said[i] == '\0';
}

/* What the server does not take is lost, as by a peer that gives up; a frame that is too long is
 * answered before its end, so it counts. */
static void send_said(struct client *client)
{
	if (client->length == 0)
		return;
	if (client->fd < 0) {
		client->fd = host_connect(client->number);
		client->n_calls++;
	}
	count_calls(client);
	if (send(client->fd, client->said, client->length, MSG_NOSIGNAL) < 0)
		hang_up(client);
	client->length = 0;
	turn();
}

static void say(struct client *client, const char *bytes, size_t length)
{
	if (client->length + length > SAID_MAX)
		send_said(client);
	memcpy(client->said + client->length, bytes, length);
	client->length += length;
}

static void end_input(struct client *client)
{
	if (client->fd >= 0)
		shutdown(client->fd, SHUT_WR);
}

/* ---- the script ---- */

static struct client *obey(struct client *client, char command)
{
	if (command == 's' || command == 'S') {
		say(client, ids[command == 'S'], ID_SIZE);
		return client;
	}
	send_said(client);
	if (command >= '0' && command < '0' + HOST_CLIENTS)
		return &clients[command - '0'];
	switch (command) {
	case 'd':
		client->is_deaf = !client->is_deaf;
		break;
	case '>':
		end_input(client);
		break;
	case 'x':
		hang_up(client);
		break;
	case '+':
		host_advance(1000000);
		break;
	case '*':
		host_advance(INT64_C(3600000000));
		break;
	}
	turn();
	return client;
}

static void begin(void)
{
	host_begin();
	for (unsigned i = 0; i < HOST_CLIENTS; i++) {
		clients[i].fd = -1;
		clients[i].number = i;
		clients[i].is_deaf = false;
		clients[i].n_calls = clients[i].n_replies = 0;
		clients[i].length = clients[i].n_heard = 0;
	}
	memset(ids, '0', sizeof(ids));
}

/* Whoever waits does so for a connection, and there is none any more. */
static void end(void)
{
	struct table_metrics metrics;
	struct section section;

	for (unsigned i = 0; i < HOST_CLIENTS; i++) {
		clients[i].is_deaf = false;
		send_said(&clients[i]);
		hang_up(&clients[i]);
	}
	while (!list_is_empty(&host_server.loops[0].conns) ||
		!list_is_empty(&host_server.loops[0].leaving))
		host_turn();
	broker_enter(host_server.broker, &section);
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	REQUIRE(metrics.waiting == 0);
	host_end();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	host_init(settings);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client *client = &clients[0];

	if (size > TEXT_MAX)
		return 0;
	begin();
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '~' && i + 1 < size)
			client = obey(client, (char)data[++i]);
		else
			say(client, data[i] == '\n' ? "" : (const char *)&data[i], 1);
	}
	end();
	return 0;
}
