/* SPDX-License-Identifier: MIT */
#include "proto/json_scan.h"

#include <string.h>

#include "proto/json_text.h"

/* A number as significant digits d.ddd times ten to the power of (magnitude + exponent). The
 * magnitude comes from places in the text and is small; the exponent is as long as the peer likes,
 * so it stays text. */
struct number {
	bool is_negative;
	const char *first; /* significant digit; NULL if the number is zero */
	const char *last;  /* significant digit; a '.' may lie between the two */
	int64_t magnitude;
	int exponent_sign;
	const char *exponent; /* digits */
	size_t exponent_length;
};

static void split_exponent(const char *p, const char *end, struct number *ret)
{
	ret->exponent_sign = 1;
	ret->exponent = end;
	ret->exponent_length = 0;
	if (p == end)
		return;
	p++;
	if (*p == '-')
		ret->exponent_sign = -1;
	if (*p == '-' || *p == '+')
		p++;
	ret->exponent = p;
	ret->exponent_length = (size_t)(end - p);
}

static struct number split_number(const struct json_value *value)
{
	const char *p = value->text, *end = p + value->length, *point = NULL;
	struct number n = {.is_negative = *p == '-'};

	for (p += n.is_negative; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			point = p;
		} else if (*p != '0') {
			n.last = p;
			if (n.first == NULL)
				n.first = p;
		}
	}
	split_exponent(p, end, &n);
	if (point == NULL)
		point = p;
	if (n.first != NULL)
		n.magnitude = point - n.first - (n.first < point);
	return n;
}

/* The digit worth ten to the power of PLACE in the exponent, with its sign. */
static int exponent_digit(const struct number *n, size_t place)
{
	if (place >= n->exponent_length)
		return 0;
	return n->exponent_sign * (n->exponent[n->exponent_length - 1 - place] - '0');
}

/* A's exponent less B's. Beyond the bound, which no magnitude reaches, only its sign is right:
 * from there on further digits take it further away from zero. */
static int64_t exponent_difference(const struct number *a, const struct number *b)
{
	const int64_t bound = INT64_MAX / 16;
	size_t place = a->exponent_length;
	int64_t difference = 0;

	if (place < b->exponent_length)
		place = b->exponent_length;
	while (place > 0 && difference < bound && difference > -bound) {
		place--;
		difference = difference * 10 + exponent_digit(a, place) - exponent_digit(b, place);
	}
	return difference;
}

/* The digit at *NEXT, which moves on; 0 after LAST. */
static char next_digit(const char **next, const char *last)
{
	if (*next <= last && **next == '.')
		(*next)++;
	return *next <= last ? *(*next)++ : '\0';
}

static bool equal_digits(const struct number *a, const struct number *b)
{
	const char *p = a->first, *q = b->first;
	char digit;

	do {
		digit = next_digit(&p, a->last);
		if (digit != next_digit(&q, b->last))
			return false;
	} while (digit != '\0');
	return true;
}

static bool equal_numbers(const struct json_value *a, const struct json_value *b)
{
	struct number x = split_number(a), y = split_number(b);

	if (x.first == NULL || y.first == NULL)
		return x.first == y.first;
	return x.is_negative == y.is_negative && equal_digits(&x, &y) &&
	       exponent_difference(&x, &y) == y.magnitude - x.magnitude;
}

static bool equal_arrays(const struct json_value *a, const struct json_value *b)
{
	struct json_iter p, q;
	struct json_value x, y;
	bool has_x, has_y;

	json_iter_init(&p, a);
	json_iter_init(&q, b);
	for (;;) {
		has_x = json_next_element(&p, &x);
		has_y = json_next_element(&q, &y);
		if (!has_x || !has_y)
			return has_x == has_y;
		if (!json_equal(&x, &y))
			return false;
	}
}

#define PORTION 32

/* Some members of one object, to be looked for in one pass over the other. A larger portion means
 * fewer passes, but there is one on the stack for each level of nesting. */
struct portion {
	size_t count;
	uint32_t hashes[PORTION];
	struct member {
		struct json_value name;
		struct json_value value;
		struct json_value other; /* the last of this name in the other object */
		bool is_superseded;      /* a later member of this name counts instead */
		bool is_found;
	} members[PORTION];
};

static bool take_portion(struct json_iter *iter, struct portion *ret)
{
	ret->count = 0;
	while (ret->count < PORTION) {
		struct member *m = &ret->members[ret->count];

		if (!json_next_member(iter, &m->name, &m->value))
			break;
		m->is_superseded = false;
		m->is_found = false;
		ret->hashes[ret->count++] = json_string_hash(&m->name);
	}
	return ret->count > 0;
}

static bool is_named(
	const struct portion *p, size_t i, uint32_t hash, const struct json_value *name)
{
	return p->hashes[i] == hash && json_strings_equal(&p->members[i].name, name);
}

/* Mark those that have a later namesake among themselves or in REST. */
static void mark_superseded(struct portion *p, struct json_iter rest)
{
	struct json_value name, value;

	for (size_t i = 0; i < p->count; i++) {
		for (size_t k = i + 1; k < p->count; k++)
			p->members[i].is_superseded |=
				is_named(p, i, p->hashes[k], &p->members[k].name);
	}
	while (json_next_member(&rest, &name, &value)) {
		uint32_t hash = json_string_hash(&name);

		for (size_t i = 0; i < p->count; i++)
			p->members[i].is_superseded |= is_named(p, i, hash, &name);
	}
}

static void find_others(struct portion *p, const struct json_value *object)
{
	struct json_iter iter;
	struct json_value name, value;

	json_iter_init(&iter, object);
	while (json_next_member(&iter, &name, &value)) {
		uint32_t hash = json_string_hash(&name);

		for (size_t i = 0; i < p->count; i++) {
			if (is_named(p, i, hash, &name)) {
				p->members[i].other = value;
				p->members[i].is_found = true;
			}
		}
	}
}

/* True if every member of A that counts has its equal in B. */
static bool has_equal_members(const struct json_value *a, const struct json_value *b)
{
	struct json_iter iter;
	struct portion p;

	json_iter_init(&iter, a);
	while (take_portion(&iter, &p)) {
		mark_superseded(&p, iter);
		find_others(&p, b);
		for (size_t i = 0; i < p.count; i++) {
			struct member *m = &p.members[i];

			if (m->is_superseded)
				continue;
			if (!m->is_found || !json_equal(&m->value, &m->other))
				return false;
		}
	}
	return true;
}

/* True if every name in B is in A. */
static bool has_all_names(const struct json_value *a, const struct json_value *b)
{
	struct json_iter iter;
	struct portion p;

	json_iter_init(&iter, b);
	while (take_portion(&iter, &p)) {
		find_others(&p, a);
		for (size_t i = 0; i < p.count; i++) {
			if (!p.members[i].is_found)
				return false;
		}
	}
	return true;
}

bool json_equal(const struct json_value *a, const struct json_value *b)
{
	if (a->type != b->type)
		return false;
	if (a->length == b->length && memcmp(a->text, b->text, a->length) == 0)
		return true;
	switch (a->type) {
	case JSON_NUMBER:
		return equal_numbers(a, b);
	case JSON_STRING:
		return json_strings_equal(a, b);
	case JSON_ARRAY:
		return equal_arrays(a, b);
	default: /* an object: literals of one type have one text */
		return has_equal_members(a, b) && has_all_names(a, b);
	}
}
