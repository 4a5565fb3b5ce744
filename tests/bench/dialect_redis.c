/* SPDX-License-Identifier: MIT */
/* The usual semaphore: a sorted set of the holders by the time at which they expire, a hash of
 * their metadata, and two scripts that each do their work in one step. */
#include "tests/bench/dialect.h"

#include "tests/bench/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHA_LENGTH 40
#define TTL_MS     "3600000" /* no holder expires during a run */

/* KEYS: holders, metadata. ARGV: id, limit, time to live in ms, metadata. */
static const char acquire[] =
	"local t = redis.call('TIME')\n"
	"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
	"local late = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)\n"
	"if #late > 0 then\n"
	"  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)\n"
	"  redis.call('HDEL', KEYS[2], unpack(late))\n"
	"end\n"
	"if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end\n"
	"redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])\n"
	"redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])\n"
	"return 1\n";

/* KEYS: holders, metadata. ARGV: id. */
static const char release[] = "redis.call('HDEL', KEYS[2], ARGV[1])\n"
			      "return redis.call('ZREM', KEYS[1], ARGV[1])\n";

/* ---- replies ---- */

static size_t bulk_length(const char *input, size_t line, size_t length)
{
	long long bytes = strtoll(input + 1, NULL, 10);

	if (bytes < 0)
		return line;
	return (size_t)bytes + 2 <= length - line ? line + (size_t)bytes + 2 : 0;
}

static size_t reply_length(const char *input, size_t length)
{
	const char *end = memchr(input, '\n', length);
	size_t line = end ? (size_t)(end - input) + 1 : 0;

	return line > 0 && *input == '$' ? bulk_length(input, line, length) : line;
}

/* -ERR and its like: the first word. */
static void take_error(const char *reply, size_t length, struct answer *ret)
{
	ret->error = reply + 1;
	ret->error_length = 0;
	while (ret->error_length + 1 < length && ret->error[ret->error_length] > ' ')
		ret->error_length++;
	ret->is_final = true;
}

static void judge(const struct dialect *dialect, enum call call, const char *reply, size_t length,
	struct answer *ret)
{
	(void)dialect;
	if (*reply == '-')
		take_error(reply, length, ret);
	else if (length == 4 && memcmp(reply, ":0\r\n", 4) == 0) {
		ret->error = call == CALL_CREATE ? "Full" : "NotHeld";
		ret->is_gone = call == CALL_RELEASE;
	} else if (length != 4 || memcmp(reply, ":1\r\n", 4) != 0)
		ret->error = "BadReply";
	if (ret->error && ret->error_length == 0)
		ret->error_length = strlen(ret->error);
}

/* ---- requests ---- */

/* One word of a command. */
static void put(FILE *out, const char *word)
{
	fprintf(out, "$%zu\r\n%s\r\n", strlen(word), word);
}

static void put_keys(FILE *out, const struct dialect_wish *wish)
{
	char key[256];

	put(out, "2");
	snprintf(key, sizeof(key), "{%s}:holders", wish->pool);
	put(out, key);
	snprintf(key, sizeof(key), "{%s}:metadata", wish->pool);
	put(out, key);
	put(out, ID_PLACE);
}

static void put_acquire(FILE *out, const char *sha, const struct dialect_wish *wish)
{
	char number[32];

	fputs("*9\r\n", out);
	put(out, "EVALSHA");
	put(out, sha);
	put_keys(out, wish);
	snprintf(number, sizeof(number), "%" PRIu64, wish->limit);
	put(out, number);
	put(out, TTL_MS);
	fprintf(out, "$%" PRIu64 "\r\n%0*d\r\n", wish->metadata_bytes, (int)wish->metadata_bytes,
		0);
}

static void put_release(FILE *out, const char *sha, const struct dialect_wish *wish)
{
	fputs("*6\r\n", out);
	put(out, "EVALSHA");
	put(out, sha);
	put_keys(out, wish);
}

typedef void put_fn(FILE *out, const char *sha, const struct dialect_wish *wish);

static int render(struct request *request, put_fn *put_request, const char *sha,
	const struct dialect_wish *wish)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int r = -ENOMEM;

	if (!out)
		return r;
	put_request(out, sha, wish);
	if (fclose(out) == 0)
		r = request_set(request, text, length);
	free(text);
	return r;
}

/* ---- scripts ---- */

static int receive_sha(int fd, char *ret_sha)
{
	char reply[512];
	size_t length = 0;

	while (!reply_length(reply, length)) {
		ssize_t n = recv(fd, reply + length, sizeof(reply) - 1 - length, 0);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		length += (size_t)n;
		reply[length] = '\0';
	}
	if (sscanf(reply, "$40\r\n%40[0-9a-f]", ret_sha) != 1)
		return -EPROTO;
	return 0;
}

static int load_script(int fd, const char *script, char *ret_sha)
{
	char command[2048];
	int n = snprintf(command, sizeof(command),
		"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n", strlen(script), script);

	if (send(fd, command, (size_t)n, MSG_NOSIGNAL) != n)
		return -errno;
	return receive_sha(fd, ret_sha);
}

static int load_scripts(const char *path, char *ret_acquire, char *ret_release)
{
	int fd = link_connect(path, 0), r;

	if (fd < 0)
		return fd;
	r = load_script(fd, acquire, ret_acquire);
	if (r == 0)
		r = load_script(fd, release, ret_release);
	close(fd);
	return r;
}

int dialect_init_redis(struct dialect *dialect, const struct dialect_wish *wish, const char *path)
{
	char sha_of_acquire[SHA_LENGTH + 1], sha_of_release[SHA_LENGTH + 1];
	int r = load_scripts(path, sha_of_acquire, sha_of_release);

	*dialect = (struct dialect){.name = "redis",
		.peer = "redis",
		.makes_ids = true,
		.reply_length = reply_length,
		.judge = judge};
	if (r == 0)
		r = render(&dialect->requests[CALL_CREATE], put_acquire, sha_of_acquire, wish);
	if (r == 0)
		r = render(&dialect->requests[CALL_RELEASE], put_release, sha_of_release, wish);
	return r;
}
