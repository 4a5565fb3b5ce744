/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/scanner.h"

#include <math.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define DEPTH 1024

static void write_value(struct json_writer *w, const struct json_value *value, bool is_other);

static void write_string(struct json_writer *w, const struct json_value *string)
{
	char *decoded = exact_copy(string->text, string->length);

	json_write_string(w, decoded, json_unescape(string, decoded));
	free(decoded);
}

/* 15 as 15, or, if IS_OTHER, as 15.0 or 15e00, which is the same number. */
static void write_number(struct json_writer *w, const struct json_value *number, bool is_other)
{
	bool has_point = memchr(number->text, '.', number->length) != NULL;
	bool has_exponent = memchr(number->text, 'e', number->length) ||
			    memchr(number->text, 'E', number->length);

	json_write_raw(w, number->text, number->length);
	if (is_other && !has_exponent)
		json_write_bytes(w, has_point ? "00E-0" : ".0", has_point ? 5 : 2);
}

static void write_members(struct json_writer *w, struct json_iter iter, bool is_other)
{
	struct json_value key, value;

	while (json_next_member(&iter, &key, &value)) {
		write_string(w, &key);
		json_write_bytes(w, ":", 1);
		write_value(w, &value, is_other);
	}
}

/* In another order the last of a name must stay the last: so the first member goes to the end only
 * if no other has its name, and else comes twice. */
static void write_members_otherwise(struct json_writer *w, const struct json_value *object)
{
	struct json_iter iter, first, other;
	struct json_value key, value, name, unused;
	bool is_alone = true;

	json_iter_init(&iter, object);
	first = iter;
	if (!json_next_member(&iter, &key, &value))
		return;
	for (other = iter; json_next_member(&other, &name, &unused);)
		is_alone &= !json_strings_equal(&key, &name);
	if (!is_alone) {
		write_string(w, &key);
		json_write_bytes(w, ":0", 2);
		write_members(w, first, true);
		return;
	}
	write_members(w, iter, true);
	write_string(w, &key);
	json_write_bytes(w, ":", 1);
	write_value(w, &value, true);
}

static void write_container(struct json_writer *w, const struct json_value *value, bool is_other)
{
	struct json_iter iter;
	struct json_value inner;

	json_iter_init(&iter, value);
	if (value->type == JSON_OBJECT) {
		json_write_object_begin(w);
		if (is_other)
			write_members_otherwise(w, value);
		else
			write_members(w, iter, false);
		json_write_object_end(w);
		return;
	}
	json_write_array_begin(w);
	while (json_next_element(&iter, &inner))
		write_value(w, &inner, is_other);
	json_write_array_end(w);
}

static void write_value(struct json_writer *w, const struct json_value *value, bool is_other)
{
	switch (value->type) {
	case JSON_NULL:
		json_write_null(w);
		break;
	case JSON_FALSE:
	case JSON_TRUE:
		json_write_bool(w, value->type == JSON_TRUE);
		break;
	case JSON_NUMBER:
		write_number(w, value, is_other);
		break;
	case JSON_STRING:
		write_string(w, value);
		break;
	default:
		write_container(w, value, is_other);
	}
}

/* VALUE in TEXT, which is the caller's to free. */
static struct json_value written(
	const struct json_value *value, bool is_other, struct json_writer *text)
{
	struct json_value again;

	json_writer_init(text);
	write_value(text, value, is_other);
	REQUIRE(!json_writer_failed(text));
	REQUIRE(json_parse(text->data, text->length, DEPTH, &again, NULL) == 0);
	REQUIRE(again.type == value->type);
	return again;
}

void rewrite_value(const struct json_value *value)
{
	struct json_writer plain, twice, other;
	struct json_value again = written(value, false, &plain);
	struct json_value changed = written(value, true, &other);

	REQUIRE(json_equal(value, value));
	REQUIRE(json_equal(value, &again) && json_equal(&again, value));
	REQUIRE(json_equal(value, &changed) && json_equal(&changed, value));
	written(&again, false, &twice);
	REQUIRE(plain.length == twice.length);
	REQUIRE(memcmp(plain.data, twice.data, plain.length) == 0);
	json_writer_deinit(&plain);
	json_writer_deinit(&twice);
	json_writer_deinit(&other);
}

/* ---- what programs write ---- */

static void rewrite_string(const char *bytes, size_t size)
{
	struct json_writer text, again;
	struct json_value string;

	json_writer_init(&text);
	json_writer_init(&again);
	json_write_string(&text, bytes, size);
	REQUIRE(json_parse(text.data, text.length, 1, &string, NULL) == 0);
	REQUIRE(string.type == JSON_STRING);
	write_string(&again, &string);
	REQUIRE(text.length == again.length);
	REQUIRE(memcmp(text.data, again.data, text.length) == 0);
	json_writer_deinit(&text);
	json_writer_deinit(&again);
}

static void rewrite_double(double number)
{
	struct json_writer text;
	struct json_value value;

	json_writer_init(&text);
	json_write_double(&text, number);
	REQUIRE(json_parse(text.data, text.length, 1, &value, NULL) == 0);
	json_write_bytes(&text, "", 1);
	if (isfinite(number))
		REQUIRE(strtod(text.data, NULL) == number);
	else
		REQUIRE(value.type == JSON_NULL);
	json_writer_deinit(&text);
}

static void rewrite_int(int64_t number)
{
	struct json_writer text;
	struct json_value value;
	int64_t again;

	json_writer_init(&text);
	json_write_int(&text, number);
	REQUIRE(json_parse(text.data, text.length, 1, &value, NULL) == 0);
	REQUIRE(json_get_int(&value, &again) == 0 && again == number);
	json_writer_deinit(&text);
}

void rewrite_bytes(const char *bytes, size_t size)
{
	int64_t number = 0;
	double real = 0;

	rewrite_string(bytes, size);
	memcpy(&number, bytes, size < sizeof(number) ? size : sizeof(number));
	memcpy(&real, bytes, size < sizeof(real) ? size : sizeof(real));
	rewrite_int(number);
	rewrite_double(real);
}
