/* SPDX-License-Identifier: MIT */
#include "proto/json_scan.h"

#include <errno.h>
#include <string.h>

#include "proto/json_text.h"

#define DEPTH_CEILING 1024

struct scan {
	const char *next;
	const char *end;
	const char *expected;
	bool escaped; /* a backslash was seen in the last string */
	unsigned depth;
	unsigned max_depth;
	uint64_t objects[DEPTH_CEILING / 64]; /* a bit a level: an object, or else an array */

	struct json_kept *kept; /* NULL: members are not kept */
	size_t n_outer;         /* of kept; one more than there is room for: some are not */
	size_t n_inner;
	size_t first_inner;            /* of the object that is open at depth 2 */
	struct json_member *member[3]; /* by depth: the one whose value comes next; or NULL */
	const char *begin[3];          /* by depth: of that value */
};

static bool refuse(struct scan *s, const char *expected)
{
	s->expected = expected;
	return false;
}

static bool refuse_at(struct scan *s, const char *where, const char *expected)
{
	s->next = where;
	return refuse(s, expected);
}

static int peek(const struct scan *s)
{
	return s->next < s->end ? (unsigned char)*s->next : -1;
}

static bool accept(struct scan *s, char c)
{
	if (s->next == s->end || *s->next != c)
		return false;
	s->next++;
	return true;
}

static void skip_space(struct scan *s)
{
	if (peek(s) > ' ') /* as nearly always */
		return;
	while (s->next < s->end && json_is_space(*s->next))
		s->next++;
}

static bool scan_hex4(struct scan *s, unsigned *ret)
{
	unsigned code = 0;

	for (int i = 0; i < 4; i++) {
		int digit = json_hex_digit(peek(s));

		if (digit < 0)
			return refuse(s, "a hexadecimal digit");
		code = code << 4 | (unsigned)digit;
		s->next++;
	}
	*ret = code;
	return true;
}

static bool scan_low_surrogate(struct scan *s)
{
	static const char expected[] = "a low surrogate escape";
	const char *start = s->next;
	unsigned code;

	if (!accept(s, '\\') || !accept(s, 'u'))
		return refuse_at(s, start, expected);
	if (!scan_hex4(s, &code))
		return false;
	if (!json_is_low_surrogate(code))
		return refuse_at(s, start, expected);
	return true;
}

/* From the first hexadecimal digit on. */
static bool scan_unicode_escape(struct scan *s)
{
	const char *start = s->next - strlen("\\u");
	unsigned code;

	if (!scan_hex4(s, &code))
		return false;
	if (code == 0)
		return refuse_at(s, start, "no \\u0000");
	if (json_is_low_surrogate(code))
		return refuse_at(s, start, "a high surrogate escape first");
	return !json_is_high_surrogate(code) || scan_low_surrogate(s);
}

static bool scan_escape(struct scan *s)
{
	s->escaped = true;
	s->next++;
	switch (peek(s)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		s->next++;
		return true;
	case 'u':
		s->next++;
		return scan_unicode_escape(s);
	default:
		return refuse(s, "one of \"\\/bfnrtu");
	}
}

static bool scan_utf8(struct scan *s)
{
	size_t length = json_utf8_length(s->next, s->end);

	if (length == 0)
		return refuse(s, "valid UTF-8");
	s->next += length;
	return true;
}

/* From the byte after the opening quote to the one after the closing quote. */
static bool scan_string(struct scan *s)
{
	s->escaped = false;
	for (;;) {
		int c;

		s->next = json_skip_plain(s->next, s->end);
		c = peek(s);
		if (c == '"') {
			s->next++;
			return true;
		}
		if (c < 0)
			return refuse(s, "'\"'");
		if (c < 0x20)
			return refuse(s, "control characters escaped");
		if (c == '\\' ? !scan_escape(s) : !scan_utf8(s))
			return false;
	}
}

static bool scan_digits(struct scan *s)
{
	const char *start = s->next;

	while (s->next < s->end && *s->next >= '0' && *s->next <= '9')
		s->next++;
	if (s->next == start)
		return refuse(s, "a digit");
	return true;
}

static bool scan_number(struct scan *s)
{
	accept(s, '-');
	if (!accept(s, '0') && !scan_digits(s))
		return false;
	if (accept(s, '.') && !scan_digits(s))
		return false;
	if (!accept(s, 'e') && !accept(s, 'E'))
		return true;
	if (!accept(s, '+'))
		accept(s, '-');
	return scan_digits(s);
}

static bool scan_literal(struct scan *s, const char *literal)
{
	for (const char *c = literal; *c != '\0'; c++) {
		if (!accept(s, *c))
			return refuse(s, literal);
	}
	return true;
}

static bool scan_scalar(struct scan *s, const char *expected)
{
	switch (peek(s)) {
	case '"':
		s->next++;
		return scan_string(s);
	case 't':
		return scan_literal(s, "true");
	case 'f':
		return scan_literal(s, "false");
	case 'n':
		return scan_literal(s, "null");
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
		return scan_number(s);
	default:
		return refuse(s, expected);
	}
}

/* ---- the members that are kept ---- */

#define KEPT_DEPTH 2
#define OUTER_ROOM (sizeof(((struct json_kept *)NULL)->outer) / sizeof(struct json_member))
#define INNER_ROOM (sizeof(((struct json_kept *)NULL)->inner) / sizeof(struct json_member))

static bool may_keep(const struct scan *s)
{
	return s->kept && s->depth <= KEPT_DEPTH;
}

static struct json_member *take_room(struct json_member *items, size_t room, size_t *n)
{
	if (*n >= room) {
		*n = room + 1;
		return NULL;
	}
	return &items[(*n)++];
}

/* The key has just been scanned. */
static void keep_key(struct scan *s, const char *start)
{
	struct json_member *member = NULL;

	if (s->depth == 1)
		member = take_room(s->kept->outer, OUTER_ROOM, &s->n_outer);
	else if (s->member[1])
		member = take_room(s->kept->inner, INNER_ROOM, &s->n_inner);
	if (member)
		json_set_value(&member->key, start, s->next, s->escaped);
	s->member[s->depth] = member;
}

static void begin_value(struct scan *s)
{
	if (!may_keep(s))
		return;
	s->begin[s->depth] = s->next;
	if (s->depth != 1)
		return;
	s->member[2] = NULL;
	if (s->n_inner <= INNER_ROOM)
		s->first_inner = s->n_inner;
}

static void end_value(struct scan *s)
{
	struct json_member *member;
	struct json_value *value;

	if (!may_keep(s) || !s->member[s->depth])
		return;
	member = s->member[s->depth];
	value = &member->value;
	json_set_value(value, s->begin[s->depth], s->next, s->escaped);
	if (s->depth == 1 && value->type == JSON_OBJECT && s->n_inner <= INNER_ROOM) {
		value->members = s->kept->inner + s->first_inner;
		value->n_members = s->n_inner - s->first_inner;
	}
	s->member[s->depth] = NULL;
}

/* ---- containers ---- */

static bool scan_key(struct scan *s, const char *expected)
{
	const char *start;

	skip_space(s);
	start = s->next;
	if (!accept(s, '"'))
		return refuse(s, expected);
	if (!scan_string(s))
		return false;
	if (may_keep(s))
		keep_key(s, start);
	skip_space(s);
	if (!accept(s, ':'))
		return refuse(s, "':'");
	return true;
}

static bool open_container(struct scan *s, bool object)
{
	uint64_t bit = UINT64_C(1) << (s->depth % 64);
	uint64_t *word;

	if (s->depth >= s->max_depth)
		return refuse(s, "less nesting");
	word = &s->objects[s->depth / 64];
	if (s->depth % 64 == 0)
		*word = 0;
	*word = object ? *word | bit : *word & ~bit;
	s->depth++;
	s->next++;
	skip_space(s);
	return true;
}

static bool is_in_object(const struct scan *s)
{
	unsigned level = s->depth - 1;

	return (s->objects[level / 64] >> (level % 64) & 1) != 0;
}

static bool is_close(const struct scan *s)
{
	return peek(s) == (is_in_object(s) ? '}' : ']');
}

/* Down to the first scalar, or to the end of an empty container, which is left open. */
static bool scan_down(struct scan *s)
{
	const char *expected = "a value";

	for (;;) {
		bool object;

		skip_space(s);
		begin_value(s);
		object = peek(s) == '{';
		if (!object && peek(s) != '[') {
			if (!scan_scalar(s, expected))
				return false;
			end_value(s);
			return true;
		}
		if (!open_container(s, object))
			return false;
		if (is_close(s))
			return true;
		if (object && !scan_key(s, "a string or '}'"))
			return false;
		expected = object ? "a value" : "a value or ']'";
	}
}

/* Past the ends of containers, to the place of the next value or out of the outermost one. */
static bool scan_up(struct scan *s)
{
	while (s->depth > 0) {
		bool object = is_in_object(s);

		skip_space(s);
		if (accept(s, ','))
			return !object || scan_key(s, "a string");
		if (!is_close(s))
			return refuse(s, object ? "',' or '}'" : "',' or ']'");
		s->next++;
		s->depth--;
		end_value(s);
	}
	return true;
}

static bool scan_value(struct scan *s)
{
	do {
		if (!scan_down(s) || !scan_up(s))
			return false;
	} while (s->depth > 0);
	return true;
}

static void set_outermost(
	struct scan *s, const char *start, const char *end, struct json_value *ret)
{
	json_set_value(ret, start, end, s->escaped);
	if (!s->kept || ret->type != JSON_OBJECT || s->n_outer > OUTER_ROOM)
		return;
	ret->members = s->kept->outer;
	ret->n_members = s->n_outer;
}

int json_parse_keeping(const char *text, size_t length, unsigned max_depth, struct json_kept *kept,
	struct json_value *ret, struct json_fault *fault)
{
	struct scan s;
	const char *start, *end;

	s.next = text;
	s.end = text + length;
	s.expected = "the end of the text";
	s.escaped = false;
	s.depth = 0;
	s.kept = kept;
	s.n_outer = s.n_inner = s.first_inner = 0;
	s.member[0] = s.member[1] = s.member[2] = NULL;
	s.max_depth = max_depth < DEPTH_CEILING ? max_depth : DEPTH_CEILING;
	skip_space(&s);
	start = s.next;
	if (!scan_value(&s))
		goto refused;
	end = s.next;
	skip_space(&s);
	if (s.next < s.end)
		goto refused;
	set_outermost(&s, start, end, ret);
	return 0;

refused:
	if (fault != NULL) {
		fault->offset = (size_t)(s.next - text);
		fault->expected = s.expected;
	}
	return -EBADMSG;
}

int json_parse(const char *text, size_t length, unsigned max_depth, struct json_value *ret,
	struct json_fault *fault)
{
	return json_parse_keeping(text, length, max_depth, NULL, ret, fault);
}
