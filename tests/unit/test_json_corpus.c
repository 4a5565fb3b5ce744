/* SPDX-License-Identifier: MIT */
/* Every text in tests/corpus/json against json_parse(), and against cJSON as a second opinion.
 *
 * y_ must be accepted, n_ refused; RFC 8259 leaves i_ to the implementation and the table below has
 * our decision. The directory is argv[1], or $USHER_CORPUS.
 */
#include <cjson/cJSON.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_scan.h"

#define DEPTH       512 /* cJSON itself stops at 1000 */
#define LEAST_FILES 350

static const char *directory;

static const struct decision {
	const char *files;
	bool accepted;
	const char *reason;
} decisions[] = {
	{"i_number_*", true, "numbers stay text: no size is too large"},
	{"i_object_nothing_but_duplicates.json", true, "whoever reads members judges duplicates"},
	{"i_object_*_in_key.json", false, "as in other strings"},
	{"i_string_*", false, "NUL and lone surrogates have no place in a C program's strings"},
	{"i_structure_bom_*", false, "section 8.1 lets a parser refuse it"},
	{"i_structure_depth_*", false, "deeper than the limit given"},
};

/* Where cJSON may differ about acceptance; versions differ among themselves. */
static const struct decision disagreements[] = {
	{"n_number_leading_zero*.json", true, "cJSON reads numbers with strtod()"},
	{"n_number_minus_leading_zero.json", true, "the same"},
	{"n_number_top_level_leading_zero.json", true, "the same"},
	{"n_number_two_leading_zeros.json", true, "the same"},
	{"n_number_top_level_two_zeros.json", true, "the same"},
	{"n_number_trailing_point.json", true, "the same"},
	{"n_number_top_level_point.json", true, "the same"},
	{"n_number_point_exponent.json", true, "the same"},
	{"n_number_minus_point.json", true, "the same"},
	{"n_string_raw_*.json", true, "cJSON takes control bytes in strings"},
	{"n_string_utf8_*.json", true, "cJSON does not check UTF-8"},
	{"n_string_latin1.json", true, "the same"},
	{"n_object_bad_utf8_in_key.json", true, "the same"},
	{"[ni]_*escaped_nul*.json", true, "cJSON cuts the string there"},
	{"n_string_unicode_*.json", true, "cJSON takes a wrong hexadecimal digit for \\u0000"},
	{"n_structure_backspace_space.json", true, "to cJSON any byte up to 0x20 is a space"},
	{"n_structure_vertical_tab_space.json", true, "the same"},
	{"n_structure_form_feed_space.json", true, "the same"},
	{"n_structure_unit_separator_space.json", true, "the same"},
	{"n_structure_nul_inside.json", true, "the same"},
	{"n_structure_leading_nul.json", true, "the same"},
	{"n_structure_utf16_*.json", true, "the same"},
	{"n_structure_utf32_*.json", true, "the same"},
	{"n_structure_trailing_nul.json", true, "the text ends there for cJSON"},
	{"[ni]_structure_bom*.json", true, "cJSON skips a byte order mark"},
	{"i_structure_depth_513*.json", true, "cJSON's own limit is 1000"},
	{"[iy]_number_long_*.json", false, "cJSON cuts numbers at 63 bytes"},
};

struct file {
	const char *name;
	char *text; /* with a NUL after it that is not counted */
	size_t length;
};

static const struct decision *find_decision(
	const struct decision *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (fnmatch(table[i].files, name, 0) == 0)
			return &table[i];
	}
	return NULL;
}

#define FIND_DECISION(table, name) find_decision(table, sizeof(table) / sizeof(table[0]), name)

static bool is_to_be_accepted(const char *name)
{
	const struct decision *decision;

	if (name[0] != 'i')
		return name[0] == 'y';
	decision = FIND_DECISION(decisions, name);
	ck_assert_msg(decision != NULL, "%s: no decision in the table", name);
	return decision->accepted;
}

static void read_file(struct file *file, const char *name)
{
	char path[4096];
	FILE *f;
	long size;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	file->name = name;
	file->length = (size_t)size;
	file->text = malloc(file->length + 1);
	ck_assert_uint_eq(fread(file->text, 1, file->length, f), file->length);
	file->text[file->length] = '\0';
	fclose(f);
}

static int is_text_file(const struct dirent *entry)
{
	return fnmatch("[yni]_*.json", entry->d_name, 0) == 0;
}

/* Call CHECK for each file; returns how many there are. */
static int for_each_file(void (*check)(const struct file *))
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_text_file, alphasort);

	ck_assert_msg(count >= 0, "%s: %s", directory, strerror(errno));
	for (int i = 0; i < count; i++) {
		struct file file;

		read_file(&file, entries[i]->d_name);
		check(&file);
		free(file.text);
		free(entries[i]);
	}
	free(entries);
	return count;
}

static void check_acceptance(const struct file *file)
{
	char *exact = malloc(file->length > 0 ? file->length : 1);
	struct json_value value;
	struct json_fault fault = {0, "nothing"};
	int r;

	/* Without the NUL after it, so that a sanitizer sees any step too far. */
	memcpy(exact, file->text, file->length);
	r = json_parse(exact, file->length, DEPTH, &value, &fault);
	ck_assert_msg((r == 0) == is_to_be_accepted(file->name), "%s: %s at %zu, expected %s",
		file->name, r == 0 ? "accepted" : "refused", fault.offset, fault.expected);
	ck_assert_uint_le(fault.offset, file->length);
	if (r == 0)
		ck_assert(json_equal(&value, &value));
	free(exact);
}

START_TEST(every_text_is_judged_as_its_name_says)
{
	ck_assert_int_ge(for_each_file(check_acceptance), LEAST_FILES);
}
END_TEST

static void check_walk(const struct json_value *value)
{
	struct json_iter iter;
	struct json_value key, inner;

	if (value->type != JSON_ARRAY && value->type != JSON_OBJECT)
		return;
	json_iter_init(&iter, value);
	if (value->type == JSON_ARRAY) {
		while (json_next_element(&iter, &inner))
			check_walk(&inner);
	} else {
		while (json_next_member(&iter, &key, &inner))
			check_walk(&inner);
	}
}

static void check_cuts(const struct file *file)
{
	size_t step = file->length / 300 + 1;

	for (size_t length = 0; length < file->length; length += step) {
		char *exact = malloc(length > 0 ? length : 1);
		struct json_value value;

		memcpy(exact, file->text, length);
		if (json_parse(exact, length, DEPTH, &value, NULL) == 0)
			check_walk(&value);
		free(exact);
	}
}

START_TEST(any_cut_of_any_text_is_safe)
{
	for_each_file(check_cuts);
}
END_TEST

static enum json_type type_of_item(const cJSON *item)
{
	switch (item->type & 0xff) {
	case cJSON_NULL:
		return JSON_NULL;
	case cJSON_False:
		return JSON_FALSE;
	case cJSON_True:
		return JSON_TRUE;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Array:
		return JSON_ARRAY;
	default:
		return JSON_OBJECT;
	}
}

static void check_same_string(const char *name, const struct json_value *value, const char *text)
{
	char *decoded = malloc(value->length + 1);
	size_t length = json_unescape(value, decoded);

	decoded[length] = '\0';
	ck_assert_msg(length == strlen(text) && strcmp(decoded, text) == 0, "%s: %s, not %s", name,
		decoded, text);
	ck_assert(json_string_is(value, text, strlen(text)));
	free(decoded);
}

static void check_same_number(const char *name, const struct json_value *value, double number)
{
	char *text = strndup(value->text, value->length);
	const int64_t exact = INT64_C(1) << 53;
	int64_t n;

	ck_assert_msg(strtod(text, NULL) == number, "%s: %s", name, text);
	if (json_get_int(value, &n) == 0 && n > -exact && n < exact)
		ck_assert_msg(n == (int64_t)number, "%s: %s", name, text);
	free(text);
}

static void check_same(const char *name, const struct json_value *value, const cJSON *item);

static void check_same_members(const char *name, const struct json_value *value, const cJSON *item)
{
	const cJSON *child;
	struct json_iter iter;
	struct json_value key, inner;

	json_iter_init(&iter, value);
	for (child = item->child; child != NULL; child = child->next) {
		if (value->type == JSON_OBJECT) {
			ck_assert(json_next_member(&iter, &key, &inner));
			check_same_string(name, &key, child->string);
		} else {
			ck_assert(json_next_element(&iter, &inner));
		}
		check_same(name, &inner, child);
	}
	ck_assert(!json_next_element(&iter, &inner));
}

static void check_same(const char *name, const struct json_value *value, const cJSON *item)
{
	ck_assert_msg(value->type == type_of_item(item), "%s: types differ", name);
	switch (value->type) {
	case JSON_NUMBER:
		check_same_number(name, value, item->valuedouble);
		break;
	case JSON_STRING:
		check_same_string(name, value, item->valuestring);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		check_same_members(name, value, item);
		break;
	default:
		break;
	}
}

static int both_accept;

static void check_second_opinion(const struct file *file)
{
	struct json_value value;
	bool ours = json_parse(file->text, file->length, DEPTH, &value, NULL) == 0;
	/* The length must have the NUL in it for require_null_terminated to work. */
	cJSON *item = cJSON_ParseWithLengthOpts(file->text, file->length + 1, NULL, 1);
	bool theirs = item != NULL;

	if (ours && theirs) {
		check_same(file->name, &value, item);
		both_accept++;
	} else if (ours != theirs) {
		const struct decision *known = FIND_DECISION(disagreements, file->name);

		ck_assert_msg(known != NULL && known->accepted == theirs,
			"%s: cJSON %s it, which is not on the list", file->name,
			theirs ? "accepts" : "refuses");
	}
	cJSON_Delete(item);
}

START_TEST(cjson_agrees_but_for_the_list)
{
	for_each_file(check_second_opinion);
	ck_assert_int_ge(both_accept, LEAST_FILES / 4);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("json_corpus");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase_create("corpus");
	int failed;

	directory = argc > 1 ? argv[1] : getenv("USHER_CORPUS");
	if (directory == NULL) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_text_is_judged_as_its_name_says);
	tcase_add_test(tc, any_cut_of_any_text_is_safe);
	tcase_add_test(tc, cjson_agrees_but_for_the_list);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
