/* SPDX-License-Identifier: MIT */
#include "daemon/config_value.h"

#include "daemon/accounts.h"
#include "proto/duration.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where "expected ..., not ..." goes. */
struct message {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 2, 3)))
refuse(const struct message *message, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message->text, message->size, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- numbers ---- */

static void store(const struct config_key *key, void *base, int64_t value)
{
	char *at = (char *)base + key->offset;

	if (key->width == 8)
		*(int64_t *)at = value;
	else if (key->width == 4)
		*(uint32_t *)at = (uint32_t)value;
	else
		*(bool *)at = value != 0;
}

static int64_t fetch(const struct config_key *key, const void *base)
{
	const char *at = (const char *)base + key->offset;

	if (key->width == 8)
		return *(const int64_t *)at;
	if (key->width == 4)
		return *(const uint32_t *)at;
	return *(const bool *)at;
}

static int read_integer(const char *text, int base, int64_t *ret)
{
	char *end;
	long long value;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoll(text, &end, base);
	if (errno || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int read_size(const char *text, int64_t *ret)
{
	uint64_t bytes;
	int r = size_parse(text, &bytes);

	if (r < 0)
		return r;
	*ret = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
	return 0;
}

/* Where infinity is allowed, 0 would only be mistaken for it. */
static int read_duration(const struct config_key *key, const char *text, int64_t *ret)
{
	int r = duration_parse_ms(text, ret);

	return r == 0 && *ret == 0 && key->min < 0 ? -ERANGE : r;
}

static int read_bool(const char *text, int64_t *ret)
{
	static const char *const yes[] = {"yes", "true", "on", "1"};
	static const char *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_choice(const struct config_key *key, const char *text, int64_t *ret)
{
	for (int i = 0; key->choices[i]; i++)
		if (strcmp(text, key->choices[i]) == 0) {
			*ret = i + key->min;
			return 0;
		}
	return -EINVAL;
}

static int read_number(const struct config_key *key, const char *text, int64_t *ret)
{
	switch (key->kind) {
	case KEY_INTEGER:
		return read_integer(text, 10, ret);
	case KEY_OCTAL:
		return read_integer(text, 8, ret);
	case KEY_SIZE:
		return read_size(text, ret);
	case KEY_DURATION:
		return read_duration(key, text, ret);
	case KEY_BOOL:
		return read_bool(text, ret);
	default:
		return -EINVAL;
	}
}

static void say_choices(const struct config_key *key, char *expected, size_t size)
{
	size_t used = (size_t)snprintf(expected, size, "one of");

	for (int i = 0; key->choices[i] && used < size; i++)
		used += (size_t)snprintf(
			expected + used, size - used, "%s %s", i ? "," : "", key->choices[i]);
}

static void say_duration(const struct config_key *key, char *expected, size_t size)
{
	char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];

	duration_format(key->min < 0 ? 1 : key->min, least, sizeof(least));
	duration_format(key->max, most, sizeof(most));
	snprintf(expected, size, "a duration from %s to %s, as 300ms, 30s or 5min%s", least, most,
		key->min < 0 ? ", or infinity" : "");
}

static void say_expected(const struct config_key *key, char *expected, size_t size)
{
	switch (key->kind) {
	case KEY_INTEGER:
		snprintf(expected, size, "%s%san integer from %" PRId64 " to %" PRId64,
			key->word ? key->word : "", key->word ? " or " : "", key->min, key->max);
		break;
	case KEY_OCTAL:
		snprintf(expected, size, "an octal mode from 0 to %" PRIo64, (uint64_t)key->max);
		break;
	case KEY_SIZE:
		snprintf(expected, size,
			"a size from %" PRId64 " to %" PRId64 " bytes, as 64K or 1M", key->min,
			key->max);
		break;
	case KEY_DURATION:
		say_duration(key, expected, size);
		break;
	case KEY_CHOICE:
		say_choices(key, expected, size);
		break;
	default:
		snprintf(expected, size, "yes or no");
		break;
	}
}

static int parse_number(
	const struct config_key *key, const char *value, void *base, const struct message *message)
{
	int64_t number;
	char expected[192];
	int r;

	if (key->word && strcmp(value, key->word) == 0) {
		store(key, base, key->word_value);
		return 0;
	}
	if (key->kind == KEY_CHOICE)
		r = read_choice(key, value, &number);
	else
		r = read_number(key, value, &number);
	if (r < 0 || (key->kind != KEY_CHOICE && (number < key->min || number > key->max))) {
		say_expected(key, expected, sizeof(expected));
		return refuse(message, "expected %s, not \"%s\"", expected, value);
	}
	store(key, base, number);
	return 0;
}

/* ---- texts ---- */

static char **text_at(const struct config_key *key, void *base)
{
	return (char **)((char *)base + key->offset);
}

static int replace_text(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* How long a value may be for "name = value" to be a line again. */
static size_t longest_value(const struct config_key *key)
{
	return CONFIG_LINE_MAX - strlen(key->name) - strlen(" = ");
}

static int parse_path(
	const struct config_key *key, const char *value, void *base, const struct message *message)
{
	if (value[0] != '/' || strlen(value) > (size_t)key->max)
		return refuse(message,
			"expected an absolute path of at most %" PRId64 " bytes, not \"%s\"",
			key->max, value);
	return replace_text(text_at(key, base), value);
}

/* R of a look-up: what the name service says when it is not merely that there is no such name. */
static const char *trouble(int r)
{
	return r == -ENOENT ? "" : strerror(-r);
}

static int parse_group(
	const struct config_key *key, const char *value, void *base, const struct message *message)
{
	uint32_t gid;
	int r = account_find_group(value, &gid);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(message,
			"expected the name of a group of this system, or a number, not \"%s\"%s%s",
			value, r == -ENOENT ? "" : ": ", trouble(r));
	if (strlen(value) > longest_value(key))
		return refuse(message, "expected at most %zu bytes", longest_value(key));
	r = replace_text(text_at(key, base), value);
	if (r == 0)
		*(gid_t *)((char *)base + key->id_offset) = gid;
	return r;
}

/* ---- allow ---- */

static int find_allowed(char *name, struct allowed *ret, const struct message *message)
{
	int r;

	ret->is_group = name[0] == '@';
	r = ret->is_group ? account_find_group(name + 1, &ret->id)
			  : account_find_user(name, &ret->id);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return refuse(message,
			"expected users and @groups of this system, separated by commas, not "
			"\"%s\"%s%s",
			name, r == -ENOENT ? "" : ": ", trouble(r));
	ret->name = text_new(name, strlen(name));
	return ret->name ? 0 : -ENOMEM;
}

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && isspace((unsigned char)text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* NAMES is taken apart. */
static int fill_allowed(
	struct allow_list *list, char *names, size_t most_bytes, const struct message *message)
{
	size_t bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		char *name = trim(strsep(&names, ","));
		int r = find_allowed(name, &list->entries[i], message);

		if (r < 0)
			return r;
		bytes += strlen(name) + (i ? strlen(", ") : 0);
	}
	if (bytes > most_bytes)
		return refuse(
			message, "expected at most %zu bytes: name a group instead", most_bytes);
	return 0;
}

static size_t count_names(const char *value)
{
	size_t count = 1;

	for (; *value; value++)
		count += *value == ',';
	return count;
}

static int parse_allow(
	const struct config_key *key, const char *value, void *base, const struct message *message)
{
	struct allow_list **at = (struct allow_list **)((char *)base + key->offset);
	struct allow_list *list = allow_list_new(count_names(value));
	char *names = strdup(value);
	int r = -ENOMEM;

	if (list && names)
		r = fill_allowed(list, names, longest_value(key), message);
	free(names);
	if (r < 0) {
		allow_list_unref(list);
		return r;
	}
	allow_list_unref(*at);
	*at = list;
	return 0;
}

static void print_allow(const struct allow_list *list, FILE *to)
{
	for (size_t i = 0; list && i < list->count; i++)
		fprintf(to, "%s%s", i ? ", " : "", list->entries[i].name->bytes);
}

/* ---- all kinds ---- */

int config_value_parse(
	const struct config_key *key, const char *value, void *base, char *message, size_t size)
{
	struct message to = {message, size};

	switch (key->kind) {
	case KEY_PATH:
		return parse_path(key, value, base, &to);
	case KEY_GROUP:
		return parse_group(key, value, base, &to);
	case KEY_ALLOW:
		return parse_allow(key, value, base, &to);
	default:
		return parse_number(key, value, base, &to);
	}
}

static bool is_pointer(const struct config_key *key)
{
	return key->kind == KEY_PATH || key->kind == KEY_GROUP || key->kind == KEY_ALLOW;
}

static void *pointer_at(const struct config_key *key, const void *base)
{
	void *pointer;

	memcpy(&pointer, (const char *)base + key->offset, sizeof(pointer));
	return pointer;
}

static void print_number(const struct config_key *key, int64_t number, FILE *to)
{
	char duration[DURATION_TEXT_MAX];

	if (key->word && number == key->word_value)
		fputs(key->word, to);
	else if (key->kind == KEY_OCTAL)
		fprintf(to, "%04" PRIo64, (uint64_t)number);
	else if (key->kind == KEY_BOOL)
		fputs(number ? "yes" : "no", to);
	else if (key->kind == KEY_CHOICE)
		fputs(key->choices[number - key->min], to);
	else if (key->kind == KEY_DURATION)
		fputs(duration_format(number, duration, sizeof(duration)), to);
	else
		fprintf(to, "%" PRId64, number);
}

void config_value_print(const struct config_key *key, const void *base, FILE *to)
{
	const void *pointer = is_pointer(key) ? pointer_at(key, base) : NULL;

	if (is_pointer(key) && !pointer) {
		fprintf(to, "# %s =\n", key->name);
		return;
	}
	fprintf(to, "%s = ", key->name);
	if (key->kind == KEY_ALLOW)
		print_allow(pointer, to);
	else if (pointer)
		fputs(pointer, to);
	else
		print_number(key, fetch(key, base), to);
	fputc('\n', to);
}

void config_value_deinit(const struct config_key *key, void *base)
{
	if (key->kind == KEY_ALLOW)
		allow_list_unref(pointer_at(key, base));
	else if (is_pointer(key))
		free(pointer_at(key, base));
}
