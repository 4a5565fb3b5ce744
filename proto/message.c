/* SPDX-License-Identifier: MIT */
/* The engine of the field tables; the tables themselves are in message_types.c and _tables.c. */
#include "proto/message.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct message_text message_cstring(const char *text)
{
	return message_text_of(text, text ? strlen(text) : 0);
}

static void *field_at(void *value, const struct message_field *field)
{
	return (char *)value + field->offset;
}

static const void *field_in(const void *value, const struct message_field *field)
{
	return (const char *)value + field->offset;
}

static void clear_field(const struct message_field *field, void *at)
{
	switch (field->kind) {
	case FIELD_BOOL:
		*(bool *)at = false;
		break;
	case FIELD_INT:
		*(int64_t *)at = MESSAGE_ABSENT;
		break;
	case FIELD_OPT_BOOL:
	case FIELD_ENUM:
		*(int *)at = -1;
		break;
	case FIELD_FLOAT:
		*(double *)at = 0;
		break;
	case FIELD_STRING:
	case FIELD_OBJECT:
		*(struct message_text *)at = (struct message_text){NULL, 0};
		break;
	case FIELD_NUMBERS:
		((struct message_numbers *)at)->count = 0;
		((struct message_numbers *)at)->is_present = false;
		break;
	case FIELD_STRUCT:
		*(const void **)at = NULL;
		break;
	case FIELD_STRUCTS:
	case FIELD_STRINGS:
		*(struct message_list *)at = (struct message_list){NULL, 0, false};
		break;
	}
}

void message_clear(const struct message *message, void *value)
{
	for (size_t i = 0; i < message->n_fields; i++)
		clear_field(&message->fields[i], field_at(value, &message->fields[i]));
}

/* ---- decoding ---- */

static int expect(struct varlink_fault *fault, const struct message_field *field, const char *what)
{
	varlink_fault_set(fault, field->name, "%s", what);
	return STATUS_INVALID_PARAMETER;
}

static int decode_int(const struct message_field *field, const struct json_value *value,
	int64_t *ret, struct varlink_fault *fault)
{
	int64_t number;

	if (json_get_int(value, &number) == 0 && number >= field->min && number <= field->max) {
		*ret = number;
		return 0;
	}
	if (field->min <= MESSAGE_ABSENT + 1 && field->max == INT64_MAX)
		varlink_fault_set(fault, field->name, "an integer of 64 bits");
	else if (field->max == INT64_MAX)
		varlink_fault_set(
			fault, field->name, "an integer of at least %" PRId64, field->min);
	else
		varlink_fault_set(fault, field->name, "an integer from %" PRId64 " to %" PRId64,
			field->min, field->max);
	return STATUS_INVALID_PARAMETER;
}

static int decode_string(const struct message_field *field, const struct json_value *value,
	struct message_scratch *scratch, struct message_text *ret, struct varlink_fault *fault)
{
	struct message_text text = {value->text, value->length};

	if (value->type != JSON_STRING)
		return expect(fault, field, "a string");
	if (value->escaped) {
		if (value->length > scratch->left)
			return expect(fault, field, "a shorter string");
		text.text = scratch->next;
		text.length = json_unescape(value, scratch->next);
		scratch->next += text.length;
		scratch->left -= text.length;
	}
	if ((field->max && text.length > (size_t)field->max) || text.length < (size_t)field->min) {
		varlink_fault_set(fault, field->name, "%" PRId64 " to %" PRId64 " bytes",
			field->min, field->max);
		return STATUS_INVALID_PARAMETER;
	}
	*ret = text;
	return 0;
}

static int decode_enum(const struct message_field *field, const struct json_value *value, int *ret,
	struct varlink_fault *fault)
{
	size_t used = 0;

	for (int i = 0; value->type == JSON_STRING && field->names[i]; i++)
		if (json_string_is(value, field->names[i], strlen(field->names[i]))) {
			*ret = i;
			return 0;
		}
	varlink_fault_set(fault, field->name, "one of");
	for (int i = 0; field->names[i]; i++) {
		used = strlen(fault->expected);
		if (used + strlen(field->names[i]) + 3 > sizeof(fault->expected))
			break;
		strcat(fault->expected, i ? ", " : " ");
		strcat(fault->expected, field->names[i]);
	}
	return STATUS_INVALID_PARAMETER;
}

static int decode_numbers(const struct message_field *field, const struct json_value *value,
	struct message_numbers *ret, struct varlink_fault *fault)
{
	struct json_iter iter;
	struct json_value element;
	int64_t number;

	if (value->type != JSON_ARRAY)
		return expect(fault, field, "an array of integers");
	json_iter_init(&iter, value);
	while (json_next_element(&iter, &element)) {
		if (json_get_int(&element, &number) < 0 || number < 0 || number > UINT32_MAX)
			return expect(fault, field, "an array of integers");
		if (ret->count < ret->capacity)
			ret->values[ret->count] = (uint32_t)number;
		ret->count++;
	}
	ret->is_present = true;
	return 0;
}

static int decode_field(const struct message_field *field, const struct json_value *value,
	struct message_scratch *scratch, void *at, struct varlink_fault *fault)
{
	switch (field->kind) {
	case FIELD_BOOL:
	case FIELD_OPT_BOOL:
		if (value->type != JSON_TRUE && value->type != JSON_FALSE)
			return expect(fault, field, "true or false");
		if (field->kind == FIELD_BOOL)
			*(bool *)at = value->type == JSON_TRUE;
		else
			*(int *)at = value->type == JSON_TRUE;
		return 0;
	case FIELD_INT:
		return decode_int(field, value, at, fault);
	case FIELD_STRING:
		return decode_string(field, value, scratch, at, fault);
	case FIELD_OBJECT:
		if (value->type != JSON_OBJECT)
			return expect(fault, field, "an object");
		*(struct message_text *)at = message_text_of(value->text, value->length);
		return 0;
	case FIELD_ENUM:
		return decode_enum(field, value, at, fault);
	case FIELD_NUMBERS:
		return decode_numbers(field, value, at, fault);
	case FIELD_FLOAT:
	case FIELD_STRUCT:
	case FIELD_STRUCTS:
	case FIELD_STRINGS:
		break; /* trees are read by cJSON where they are wanted */
	}
	return 0;
}

/* From the one at FIRST on: most senders keep to the order of the interface's text. */
static int find_field(const struct message *message, const struct json_value *key, size_t first)
{
	for (size_t n = 0, i = first; n < message->n_fields; n++, i++) {
		const struct message_field *field;

		if (i >= message->n_fields)
			i = 0;
		field = &message->fields[i];
		if (json_string_is(key, field->name, field->name_length))
			return (int)i;
	}
	return -1;
}

static int fault_unknown(const struct json_value *key, struct varlink_fault *fault)
{
	char name[sizeof(fault->parameter)];
	size_t length = key->length < sizeof(name) - 1 ? key->length : sizeof(name) - 1;

	memcpy(name, key->text, length);
	name[length] = '\0';
	varlink_fault_set(fault, name, "no parameter of this name");
	return STATUS_INVALID_PARAMETER;
}

static int check_required(const struct message *message, uint64_t seen, struct varlink_fault *fault)
{
	for (size_t i = 0; i < message->n_fields; i++)
		if (message->fields[i].is_required && !(seen >> i & 1))
			return expect(
				fault, &message->fields[i], "this parameter, which is required");
	return 0;
}

int message_decode(const struct message *message, const struct json_value *parameters,
	enum message_unknown unknown, struct message_scratch *scratch, void *ret,
	struct varlink_fault *fault)
{
	struct json_iter iter;
	struct json_member storage;
	const struct json_member *member;
	uint64_t named = 0, seen = 0;
	size_t next = 0;

	message_clear(message, ret);
	json_iter_init(&iter, parameters);
	while ((member = json_next(&iter, &storage))) {
		int index = find_field(message, &member->key, next), r;
		const struct message_field *field;

		if (index < 0 && unknown == MESSAGE_IGNORE_UNKNOWN)
			continue;
		if (index < 0)
			return fault_unknown(&member->key, fault);
		next = (size_t)index + 1;
		field = &message->fields[index];
		if (named >> index & 1)
			return expect(fault, field, "the parameter once");
		named |= UINT64_C(1) << index;
		if (member->value.type == JSON_NULL) /* the same as absent */
			continue;
		seen |= UINT64_C(1) << index;
		r = decode_field(field, &member->value, scratch, field_at(ret, field), fault);
		if (r)
			return r;
	}
	return check_required(message, seen, fault);
}

/* ---- encoding ---- */

static bool is_present(const struct message_field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_INT:
		return *(const int64_t *)at != MESSAGE_ABSENT;
	case FIELD_STRING:
	case FIELD_OBJECT:
		return ((const struct message_text *)at)->text != NULL;
	case FIELD_ENUM:
	case FIELD_OPT_BOOL:
		return *(const int *)at >= 0;
	case FIELD_NUMBERS:
		return ((const struct message_numbers *)at)->is_present;
	case FIELD_STRUCT:
		return *(const void *const *)at != NULL;
	case FIELD_STRUCTS:
	case FIELD_STRINGS:
		return ((const struct message_list *)at)->is_present;
	case FIELD_BOOL: /* an optional flag that is false need not be said */
		return field->is_required || *(const bool *)at;
	case FIELD_FLOAT:
		return true;
	}
	return true;
}

static void encode_struct(const struct message *message, const void *value, struct json_writer *out)
{
	json_write_object_begin(out);
	message_encode_members(message, value, out);
	json_write_object_end(out);
}

static void encode_numbers(const struct message_numbers *numbers, struct json_writer *out)
{
	json_write_array_begin(out);
	for (size_t i = 0; i < numbers->count; i++)
		json_write_int(out, numbers->values[i]);
	json_write_array_end(out);
}

static void encode_list(
	const struct message_field *field, const struct message_list *list, struct json_writer *out)
{
	json_write_array_begin(out);
	for (size_t i = 0; i < list->count; i++) {
		if (field->kind == FIELD_STRUCTS) {
			encode_struct(field->nested,
				(const char *)list->items + i * field->nested->size, out);
		} else {
			const struct message_text *text =
				(const struct message_text *)list->items + i;

			json_write_string(out, text->text, text->length);
		}
	}
	json_write_array_end(out);
}

/* Most are integers and strings, which go out together with their names. */
static void encode_member(
	const struct message_field *field, const void *at, struct json_writer *out)
{
	const struct message_text *text = at;

	if (field->kind != FIELD_INT && field->kind != FIELD_STRING)
		json_write_name(out, &field->written);
	switch (field->kind) {
	case FIELD_INT:
		json_write_int_member(out, &field->written, *(const int64_t *)at);
		break;
	case FIELD_STRING:
		json_write_string_member(out, &field->written, text->text, text->length);
		break;
	case FIELD_BOOL:
		json_write_bool(out, *(const bool *)at);
		break;
	case FIELD_OPT_BOOL:
		json_write_bool(out, *(const int *)at > 0);
		break;
	case FIELD_FLOAT:
		json_write_double(out, *(const double *)at);
		break;
	case FIELD_OBJECT:
		json_write_raw(out, text->text, text->length);
		break;
	case FIELD_ENUM:
		json_write_cstring(out, field->names[*(const int *)at]);
		break;
	case FIELD_NUMBERS:
		encode_numbers(at, out);
		break;
	case FIELD_STRUCT:
		encode_struct(field->nested, *(const void *const *)at, out);
		break;
	case FIELD_STRUCTS:
	case FIELD_STRINGS:
		encode_list(field, at, out);
		break;
	}
}

void message_encode_members(
	const struct message *message, const void *value, struct json_writer *out)
{
	for (size_t i = 0; i < message->n_fields; i++) {
		const struct message_field *field = &message->fields[i];
		const void *at = field_in(value, field);

		if (is_present(field, at))
			encode_member(field, at, out);
	}
}
