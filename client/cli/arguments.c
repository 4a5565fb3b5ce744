/* SPDX-License-Identifier: MIT */
#include "client/cli/arguments.h"

#include "proto/duration.h"
#include "proto/json_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_FILE_MAX (64 * (size_t)1048576)
#define JSON_DEPTH    1024

int argument_duration(const struct cli *cli, const char *option, const char *text, int64_t *ret_ms)
{
	int r = duration_parse_ms(text, ret_ms);

	if (r == -ERANGE)
		return cli_usage_error(cli, "--%s: '%s' is too long; write infinity", option, text);
	if (r < 0)
		return cli_usage_error(cli,
			"--%s: '%s' is no time; write 300ms, 30s, 5min, 1h 30min or infinity",
			option, text);
	return 0;
}

int argument_timeout(const struct cli *cli, const char *option, const char *text, int64_t *ret_ms)
{
	int64_t ms;
	int code = argument_duration(cli, option, text, &ms);

	if (code)
		return code;
	if (ms == 0)
		return cli_usage_error(cli, "--%s must be more than 0", option);
	*ret_ms = ms;
	return 0;
}

int argument_number(const struct cli *cli, const char *option, const char *text, int64_t min,
	int64_t max, int64_t *ret)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max)
		return cli_usage_error(cli,
			"--%s: '%s' is no whole number from %" PRId64 " to %" PRId64, option, text,
			min, max);
	*ret = value;
	return 0;
}

int argument_choice(
	const struct cli *cli, const char *option, const char *text, const char *const *names)
{
	char all[128] = "";

	for (size_t i = 0; names[i]; i++) {
		size_t used = strlen(all);

		if (!strcmp(names[i], text))
			return 0;
		snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", names[i]);
	}
	return cli_usage_error(cli, "--%s: '%s' is none of %s", option, text, all);
}

static int read_stream(FILE *stream, char **ret)
{
	char *text = NULL;
	size_t length = 0, capacity = 0, n;

	do {
		if (capacity - length < 2) {
			char *larger = realloc(text, capacity = capacity * 2 + 8192);

			if (!larger) {
				free(text);
				return -ENOMEM;
			}
			text = larger;
		}
		n = fread(text + length, 1, capacity - length - 1, stream);
		length += n;
	} while (n > 0 && length < JSON_FILE_MAX);
	if (ferror(stream) || length >= JSON_FILE_MAX || memchr(text, '\0', length)) {
		free(text);
		return ferror(stream) ? -EIO : length >= JSON_FILE_MAX ? -EFBIG : -EILSEQ;
	}
	text[length] = '\0';
	*ret = text;
	return 0;
}

static int read_file(const char *path, char **ret)
{
	FILE *stream = fopen(path, "re");
	int r;

	if (!stream)
		return -errno;
	r = read_stream(stream, ret);
	fclose(stream);
	return r;
}

static int get_text(const char *argument, char **ret)
{
	if (!strcmp(argument, "-"))
		return read_stream(stdin, ret);
	if (*argument == '@')
		return read_file(argument + 1, ret);
	*ret = strdup(argument);
	return *ret ? 0 : -ENOMEM;
}

static int no_object(
	const struct cli *cli, const char *name, const char *text, const struct json_fault *fault)
{
	const char *first = text + strspn(text, " \t\r\n");

	if (!*first)
		return cli_usage_error(cli, "%s must be a JSON object: it is empty", name);
	if (*first != '{')
		return cli_usage_error(cli,
			"%s must be a JSON object, as {\"job\": 7}: it begins with '%.*s'", name,
			(int)strcspn(first, "\n") > 20 ? 20 : (int)strcspn(first, "\n"), first);
	return cli_usage_error(cli, "%s must be a JSON object: expected %s at byte %zu", name,
		fault->expected, fault->offset);
}

int argument_json(const struct cli *cli, const char *name, const char *argument, char **ret)
{
	struct json_fault fault = {0, "an object"};
	struct json_value value;
	char *text = NULL;
	int r = get_text(argument, &text);

	if (r < 0 || !text)
		return cli_usage_error(cli, "%s %s: %s", name, argument, usher_strerror(r));
	r = json_parse(text, strlen(text), JSON_DEPTH, &value, &fault);
	if (r < 0 || value.type != JSON_OBJECT) {
		r = no_object(cli, name, text, &fault);
	} else {
		free(*ret);
		*ret = strndup(value.text, value.length);
		r = *ret ? 0 : EXIT_FAILED;
		if (r)
			cli_complain(cli, "out of memory");
	}
	free(text);
	return r;
}

int argument_session(struct cli *cli, const char **ret)
{
	const char *session = getenv("USHER_SESSION");
	char **operands;
	int code = cli_operands(cli, 0, 1, &operands);

	if (code)
		return code;
	if (operands[0])
		session = operands[0];
	if (!session || !*session)
		return cli_usage_error(cli, "give a session's id, or set USHER_SESSION");
	*ret = session;
	return 0;
}
