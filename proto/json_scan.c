/* SPDX-License-Identifier: MIT */
#include "proto/json_scan.h"

#include <errno.h>
#include <string.h>

#include "proto/json_text.h"

#define DEPTH_CEILING 1024

/* The place in the text goes from function to function as an argument and a result, so that it
 * stays in a register; NULL is a refusal. */
struct scan {
	const char *end;
	const char *refused_at;
	const char *expected;
	bool escaped; /* a backslash was seen in the last string */
	unsigned depth;
	unsigned max_depth;
	uint64_t objects[DEPTH_CEILING / 64]; /* a bit a level: an object, or else an array */

	struct json_kept *kept; /* NULL: members are not kept */
	unsigned kept_depth;    /* as deep as they are */
	size_t n_outer;         /* of kept; one more than there is room for: some are not */
	size_t n_inner;
	size_t first_inner;            /* of the object that is open at depth 2 */
	struct json_member *member[3]; /* by depth: the one whose value comes next; or NULL */
	const char *begin[3];          /* by depth: of that value */
};

static const char *refuse(struct scan *s, const char *at, const char *expected)
{
	s->refused_at = at;
	s->expected = expected;
	return NULL;
}

static int peek(const struct scan *s, const char *at)
{
	return at < s->end ? (unsigned char)*at : -1;
}

static bool is_at(const struct scan *s, const char *at, char c)
{
	return at < s->end && *at == c;
}

static const char *skip_space(const struct scan *s, const char *at)
{
	while (at < s->end && json_is_space(*at))
		at++;
	return at;
}

static const char *scan_hex4(struct scan *s, const char *at, unsigned *ret)
{
	unsigned code = 0;

	for (int i = 0; i < 4; i++, at++) {
		int digit = json_hex_digit(peek(s, at));

		if (digit < 0)
			return refuse(s, at, "a hexadecimal digit");
		code = code << 4 | (unsigned)digit;
	}
	*ret = code;
	return at;
}

static const char *scan_low_surrogate(struct scan *s, const char *start)
{
	static const char expected[] = "a low surrogate escape";
	const char *at;
	unsigned code;

	if (!is_at(s, start, '\\') || !is_at(s, start + 1, 'u'))
		return refuse(s, start, expected);
	at = scan_hex4(s, start + strlen("\\u"), &code);
	if (at && !json_is_low_surrogate(code))
		return refuse(s, start, expected);
	return at;
}

/* From the first hexadecimal digit on. */
static const char *scan_unicode_escape(struct scan *s, const char *at)
{
	const char *start = at - strlen("\\u");
	unsigned code;

	at = scan_hex4(s, at, &code);
	if (!at)
		return NULL;
	if (code == 0)
		return refuse(s, start, "no \\u0000");
	if (json_is_low_surrogate(code))
		return refuse(s, start, "a high surrogate escape first");
	return json_is_high_surrogate(code) ? scan_low_surrogate(s, at) : at;
}

/* From the backslash on. */
static const char *scan_escape(struct scan *s, const char *at)
{
	s->escaped = true;
	at++;
	switch (peek(s, at)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 1;
	case 'u':
		return scan_unicode_escape(s, at + 1);
	default:
		return refuse(s, at, "one of \"\\/bfnrtu");
	}
}

static const char *scan_utf8(struct scan *s, const char *at)
{
	size_t length = json_utf8_length(at, s->end);

	return length ? at + length : refuse(s, at, "valid UTF-8");
}

/* Whatever there is in it. */
static const char *scan_any_string(struct scan *s, const char *at)
{
	while (at) {
		int c;

		at = json_skip_plain(at, s->end);
		c = peek(s, at);
		if (c == '"')
			return at + 1;
		if (c < 0)
			return refuse(s, at, "'\"'");
		if (c < 0x20)
			return refuse(s, at, "control characters escaped");
		at = c == '\\' ? scan_escape(s, at) : scan_utf8(s, at);
	}
	return NULL;
}

/* From the byte after the opening quote to the one after the closing quote: most are short. */
static inline const char *scan_string(struct scan *s, const char *at)
{
	s->escaped = false;
	if (s->end - at > 16) {
		const char *stop = at + json_count_plain_16(at);

		if (*stop == '"')
			return stop + 1;
	}
	return scan_any_string(s, at);
}

static const char *scan_digits(struct scan *s, const char *start)
{
	const char *at = start;

	while (at < s->end && *at >= '0' && *at <= '9')
		at++;
	return at > start ? at : refuse(s, at, "a digit");
}

static const char *scan_number(struct scan *s, const char *at)
{
	if (*at == '-')
		at++;
	at = is_at(s, at, '0') ? at + 1 : scan_digits(s, at);
	if (at && is_at(s, at, '.'))
		at = scan_digits(s, at + 1);
	if (!at || (!is_at(s, at, 'e') && !is_at(s, at, 'E')))
		return at;
	at++;
	if (is_at(s, at, '+') || is_at(s, at, '-'))
		at++;
	return scan_digits(s, at);
}

static const char *scan_literal(struct scan *s, const char *at, const char *literal)
{
	for (const char *c = literal; *c != '\0'; c++, at++) {
		if (!is_at(s, at, *c))
			return refuse(s, at, literal);
	}
	return at;
}

static const char *scan_scalar(struct scan *s, const char *at, const char *expected)
{
	switch (peek(s, at)) {
	case '"':
		return scan_string(s, at + 1);
	case 't':
		return scan_literal(s, at, "true");
	case 'f':
		return scan_literal(s, at, "false");
	case 'n':
		return scan_literal(s, at, "null");
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return scan_number(s, at);
	default:
		return refuse(s, at, expected);
	}
}

/* ---- the members that are kept ---- */

#define KEPT_DEPTH 2
#define OUTER_ROOM (sizeof(((struct json_kept *)NULL)->outer) / sizeof(struct json_member))
#define INNER_ROOM (sizeof(((struct json_kept *)NULL)->inner) / sizeof(struct json_member))

/* Of what is in a container: of the outermost value set_outermost() takes care. */
static bool may_keep(const struct scan *s)
{
	return s->depth - 1 < s->kept_depth;
}

static struct json_member *take_room(struct json_member *items, size_t room, size_t *n)
{
	if (*n >= room) {
		*n = room + 1;
		return NULL;
	}
	return &items[(*n)++];
}

/* The key has just been scanned, from START to END. */
static void keep_key(struct scan *s, const char *start, const char *end)
{
	struct json_member *member = NULL;

	if (s->depth == 1)
		member = take_room(s->kept->outer, OUTER_ROOM, &s->n_outer);
	else if (s->member[1])
		member = take_room(s->kept->inner, INNER_ROOM, &s->n_inner);
	if (member)
		json_set_value(&member->key, JSON_STRING, start, end, s->escaped);
	s->member[s->depth] = member;
}

static void begin_value(struct scan *s, const char *at)
{
	if (!may_keep(s))
		return;
	s->begin[s->depth] = at;
	if (s->depth != 1)
		return;
	s->member[2] = NULL;
	if (s->n_inner <= INNER_ROOM)
		s->first_inner = s->n_inner;
}

static void end_value(struct scan *s, const char *end)
{
	struct json_member *member;
	struct json_value *value;
	const char *begin;

	if (!may_keep(s) || !s->member[s->depth])
		return;
	member = s->member[s->depth];
	value = &member->value;
	begin = s->begin[s->depth];
	json_set_value(value, json_type_of(*begin), begin, end, s->escaped);
	if (s->depth == 1 && value->type == JSON_OBJECT && s->n_inner <= INNER_ROOM) {
		value->members = s->kept->inner + s->first_inner;
		value->n_members = s->n_inner - s->first_inner;
	}
	s->member[s->depth] = NULL;
}

/* ---- containers ---- */

/* To its value. */
static const char *scan_key(struct scan *s, const char *at, const char *expected)
{
	const char *start = skip_space(s, at);

	if (!is_at(s, start, '"'))
		return refuse(s, start, expected);
	at = scan_string(s, start + 1);
	if (!at)
		return NULL;
	if (may_keep(s))
		keep_key(s, start, at);
	at = skip_space(s, at);
	return is_at(s, at, ':') ? at + 1 : refuse(s, at, "':'");
}

static const char *open_container(struct scan *s, const char *at, bool object)
{
	uint64_t bit = UINT64_C(1) << (s->depth % 64);
	uint64_t *word;

	if (s->depth >= s->max_depth)
		return refuse(s, at, "less nesting");
	word = &s->objects[s->depth / 64];
	if (s->depth % 64 == 0)
		*word = 0;
	*word = object ? *word | bit : *word & ~bit;
	s->depth++;
	return skip_space(s, at + 1);
}

static bool is_in_object(const struct scan *s)
{
	unsigned level = s->depth - 1;

	return (s->objects[level / 64] >> (level % 64) & 1) != 0;
}

/* Down to the first scalar, or to the end of an empty container, which is left open. */
static const char *scan_down(struct scan *s, const char *at)
{
	const char *expected = "a value";

	for (;;) {
		bool object;

		at = skip_space(s, at);
		begin_value(s, at);
		object = is_at(s, at, '{');
		if (!object && !is_at(s, at, '[')) {
			at = scan_scalar(s, at, expected);
			if (at)
				end_value(s, at);
			return at;
		}
		at = open_container(s, at, object);
		if (!at || is_at(s, at, object ? '}' : ']'))
			return at;
		if (object)
			at = scan_key(s, at, "a string or '}'");
		if (!at)
			return NULL;
		expected = object ? "a value" : "a value or ']'";
	}
}

/* Past the ends of containers, to the place of the next value or out of the outermost one. */
static const char *scan_up(struct scan *s, const char *at)
{
	while (s->depth > 0) {
		bool object = is_in_object(s);

		at = skip_space(s, at);
		if (is_at(s, at, ','))
			return object ? scan_key(s, at + 1, "a string") : at + 1;
		if (!is_at(s, at, object ? '}' : ']'))
			return refuse(s, at, object ? "',' or '}'" : "',' or ']'");
		at++;
		s->depth--;
		end_value(s, at);
	}
	return at;
}

static const char *scan_value(struct scan *s, const char *at)
{
	do {
		at = scan_down(s, at);
		if (at)
			at = scan_up(s, at);
	} while (at && s->depth > 0);
	return at;
}

static void set_outermost(
	struct scan *s, const char *start, const char *end, struct json_value *ret)
{
	json_set_value(ret, json_type_of(*start), start, end, s->escaped);
	if (!s->kept || ret->type != JSON_OBJECT || s->n_outer > OUTER_ROOM)
		return;
	ret->members = s->kept->outer;
	ret->n_members = s->n_outer;
}

int json_parse_keeping(const char *text, size_t length, unsigned max_depth, struct json_kept *kept,
	struct json_value *ret, struct json_fault *fault)
{
	struct scan s;
	const char *start, *end, *rest;

	s.end = text + length;
	refuse(&s, text,
		"a value"); /* each refusal says its own, which clang's analyser does not see */
	s.escaped = false;
	s.depth = 0;
	s.kept = kept;
	s.kept_depth = kept ? KEPT_DEPTH : 0;
	s.n_outer = s.n_inner = s.first_inner = 0;
	s.member[1] = s.member[2] = NULL;
	s.max_depth = max_depth < DEPTH_CEILING ? max_depth : DEPTH_CEILING;
	start = skip_space(&s, text);
	end = scan_value(&s, start);
	if (end) {
		rest = skip_space(&s, end);
		if (rest == s.end) {
			set_outermost(&s, start, end, ret);
			return 0;
		}
		refuse(&s, rest, "the end of the text");
	}
	if (fault != NULL) {
		fault->offset = (size_t)(s.refused_at - text);
		fault->expected = s.expected;
	}
	return -EBADMSG;
}

int json_parse(const char *text, size_t length, unsigned max_depth, struct json_value *ret,
	struct json_fault *fault)
{
	return json_parse_keeping(text, length, max_depth, NULL, ret, fault);
}
