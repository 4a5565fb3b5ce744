/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/config_keys.h"

static char directory[64];
static char path[PATH_MAX];
static char message[512];

static void make_directory(void)
{
	strcpy(directory, "/tmp/usher-config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/usherd.conf", directory);
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_bytes(const char *file, const char *bytes, size_t length)
{
	FILE *stream = fopen(file, "w");

	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	fclose(stream);
}

static void write_text(const char *file, const char *text)
{
	write_bytes(file, text, strlen(text));
}

static const char *drop_in_path(const char *name)
{
	static char file[PATH_MAX + 64];

	snprintf(file, sizeof(file), "%s.d", path);
	mkdir(file, 0700);
	snprintf(file, sizeof(file), "%s.d/%s", path, name);
	return file;
}

/* The settings that are in the files, which must be right. */
static struct config *load_files(void)
{
	struct config *config = NULL;
	int r = config_load(path, true, &config, message, sizeof(message));

	ck_assert_msg(r == 0, "%d: %s", r, message);
	return config;
}

static struct config *load(const char *text)
{
	write_text(path, text);
	return load_files();
}

/* What is in the files is refused with FORMAT, in which %s is the configuration's path. */
static void __attribute__((format(printf, 2, 3)))
check_files_refused(int error, const char *format, ...)
{
	struct config *config = NULL;
	char expected[512];
	va_list args;
	int r;

	va_start(args, format);
	vsnprintf(expected, sizeof(expected), format, args);
	va_end(args);
	strcpy(message, "untouched");
	r = config_load(path, true, &config, message, sizeof(message));
	ck_assert_int_eq(r, error);
	ck_assert_ptr_null(config);
	ck_assert_str_eq(message, expected);
}

static void check_refused(const char *text, int line, const char *expected)
{
	write_text(path, text);
	check_files_refused(-EINVAL, "%s:%d: %s", path, line, expected);
}

/* ---- values of every key ---- */

#define PRINTED_MAX 16384

static char *printed(const struct config *config)
{
	char *text = calloc(1, PRINTED_MAX);
	FILE *stream = fmemopen(text, PRINTED_MAX, "w");

	ck_assert_ptr_nonnull(stream);
	config_print(config, stream);
	ck_assert_int_eq(fclose(stream), 0);
	return text;
}

/* What is printed for TEXT is a configuration for which the same is printed. Free the result. */
static char *check_prints_itself(const char *text)
{
	struct config *config = load(text);
	char *first = printed(config), *second;

	config_unref(config);
	config = load(first);
	second = printed(config);
	ck_assert_str_eq(first, second);
	config_unref(config);
	free(second);
	return first;
}

static struct config *load_value(const char *section, const char *key, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, key, value);
	return load(text);
}

/* "KEY = VALUE" in SECTION is printed as "KEY = EXPECTED". */
static void check_value(
	const char *section, const char *key, const char *value, const char *expected)
{
	struct config *config = load_value(section, key, value);
	char *text = printed(config);
	char heading[64], line[512];
	const char *found;

	snprintf(heading, sizeof(heading), "[%s]\n", section);
	snprintf(line, sizeof(line), "\n%s = %s\n", key, expected);
	found = strstr(text, heading);
	ck_assert_ptr_nonnull(found);
	ck_assert_msg(strstr(found, line) != NULL, "%s = %s: no%sin\n%s", key, value, line, found);
	free(text);
	config_unref(config);
}

static void check_value_refused(
	const char *section, const char *key, const char *value, const char *expected)
{
	char text[512], told[512];

	snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, key, value);
	snprintf(told, sizeof(told), "%s: expected %s, not \"%s\"", key, expected, value);
	check_refused(text, 2, told);
}

static const struct numeric_case {
	const char *section, *key;
	const char *least, *most; /* as printed */
	const char *below, *above;
	const char *expected;
} numeric_cases[] = {
	{"broker", "socket_mode", "0000", "0777", "-1", "1000", "an octal mode from 0 to 777"},
	{"broker", "workers", "1", "64", "0", "65", "auto or an integer from 1 to 64"},
	{"broker", "history", "0", "1000000", "-1", "1000001", "an integer from 0 to 1000000"},
	{"broker", "reattach_grace", "0s", "1d", "-1s", "infinity",
		"a duration from 0s to 1d, as 300ms, 30s or 5min"},
	{"broker", "max_state", "16777216", "68719476736", "16777215", "65G",
		"a size from 16777216 to 68719476736 bytes, as 64K or 1M"},
	{"broker", "max_message", "4096", "67108864", "4095", "67108865",
		"a size from 4096 to 67108864 bytes, as 64K or 1M"},
	{"broker", "max_depth", "4", "512", "3", "513", "an integer from 4 to 512"},
	{"broker", "max_connections", "1", "1000000", "0", "1000001",
		"an integer from 1 to 1000000"},
	{"broker", "max_connections_per_uid", "1", "1000000", "0", "1000001",
		"an integer from 1 to 1000000"},
	{"broker", "reserved_connections", "0", "1000", "-1", "1001", "an integer from 0 to 1000"},
	{"broker", "max_pipelined", "1", "1024", "0", "1025", "an integer from 1 to 1024"},
	{"broker", "max_output", "65536", "67108864", "65535", "65M",
		"a size from 65536 to 67108864 bytes, as 64K or 1M"},
	{"broker", "io_timeout", "100ms", "1d", "99ms", "86400001ms",
		"a duration from 100ms to 1d, as 300ms, 30s or 5min"},
	{"broker", "frame_timeout", "100ms", "1d", "0", "infinity",
		"a duration from 100ms to 1d, as 300ms, 30s or 5min"},
	{"pool x", "limit", "1", "16777216", "0", "16777217", "an integer from 1 to 16777216"},
	{"pool x", "max_metadata_bytes", "0", "16777216", "-1", "16777217",
		"a size from 0 to 16777216 bytes, as 64K or 1M"},
	{"pool x", "default_timeout", "1ms", "36525d", "0", "36525d 1ms",
		"a duration from 1ms to 36525d, as 300ms, 30s or 5min, or infinity"},
	{"pool x", "max_timeout", "1ms", "infinity", "0s", "36525d 1ms",
		"a duration from 1ms to 36525d, as 300ms, 30s or 5min, or infinity"},
	{"pool x", "max_duration", "1ms", "infinity", "0ms", "36526d",
		"a duration from 1ms to 36525d, as 300ms, 30s or 5min, or infinity"},
	{"pool x", "max_waiters", "0", "16777216", "-1", "16777217",
		"an integer from 0 to 16777216"},
	{"pool x", "per_uid_waiters", "0", "16777216", "-1", "16777217",
		"none or an integer from 0 to 16777216"},
	{"pool x", "per_uid_limit", "1", "16777216", "0", "16777217",
		"none or an integer from 1 to 16777216"},
	{"pool x", "per_process_limit", "1", "16777216", "0", "infinity",
		"none or an integer from 1 to 16777216"},
	{"pool x", "per_label_limit", "1", "16777216", "0", "99999999999999999999",
		"none or an integer from 1 to 16777216"},
	{"pool x", "age_step", "0s", "36525d", "-1", "infinity",
		"a duration from 0s to 36525d, as 300ms, 30s or 5min"},
	{"pool x", "starve_after", "1ms", "infinity", "0", "36525d 1ms",
		"a duration from 1ms to 36525d, as 300ms, 30s or 5min, or infinity"},
};

START_TEST(a_number_may_be_what_its_range_allows)
{
	const struct numeric_case *c = &numeric_cases[_i];

	check_value(c->section, c->key, c->least, c->least);
	check_value(c->section, c->key, c->most, c->most);
	check_value_refused(c->section, c->key, c->below, c->expected);
	check_value_refused(c->section, c->key, c->above, c->expected);
	check_value_refused(c->section, c->key, "", c->expected);
	check_value_refused(c->section, c->key, "many", c->expected);
	check_value_refused(c->section, c->key, "3x", c->expected);
	check_value_refused(c->section, c->key, "+3", c->expected);
}
END_TEST

static const struct word_case {
	const char *section, *key;
	const char *words[6];
	const char *expected;
} word_cases[] = {
	{"broker", "log_level", {"err", "warning", "notice", "info", "debug"},
		"one of err, warning, notice, info, debug"},
	{"broker", "log_sessions", {"none", "refused", "all"}, "one of none, refused, all"},
	{"broker", "runtime_changes", {"yes", "no"}, "yes or no"},
	{"pool x", "enforce", {"yes", "no"}, "yes or no"},
	{"pool x", "on_timeout", {"release", "hold"}, "one of release, hold"},
	{"pool x", "fair_by", {"uid", "process", "label", "none"},
		"one of uid, process, label, none"},
};

START_TEST(a_word_is_one_of_its_keys)
{
	const struct word_case *c = &word_cases[_i];

	for (int i = 0; c->words[i]; i++)
		check_value(c->section, c->key, c->words[i], c->words[i]);
	check_value_refused(c->section, c->key, "maybe", c->expected);
	check_value_refused(c->section, c->key, "2", c->expected);
	check_value_refused(c->section, c->key, "", c->expected);
}
END_TEST

START_TEST(every_key_has_a_case)
{
	const struct config_key *tables[] = {broker_keys, pool_keys};
	const size_t sizes[] = {n_broker_keys, n_pool_keys};
	size_t others = 0;

	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < sizes[t]; i++)
			others += tables[t][i].kind >= KEY_PATH; /* these have tests of their own */
	ck_assert_uint_eq(others, 4);
	ck_assert_uint_eq(n_broker_keys + n_pool_keys - others,
		sizeof(numeric_cases) / sizeof(numeric_cases[0]) +
			sizeof(word_cases) / sizeof(word_cases[0]));
	ck_assert_str_eq(config_key_name("broker", 0), broker_keys[0].name);
	ck_assert_ptr_null(config_key_name("pool", n_pool_keys));
}
END_TEST

START_TEST(values_may_be_written_in_more_than_one_way)
{
	check_value("broker", "workers", "auto", "auto");
	check_value("broker", "socket_mode", "660", "0660");
	check_value("broker", "max_message", "64K", "65536");
	check_value("broker", "max_output", "1M", "1048576");
	check_value("broker", "max_state", "2G", "2147483648");
	check_value("broker", "io_timeout", "1.5min", "1min 30s");
	check_value("pool x", "max_duration", "90", "1min 30s");
	check_value("pool x", "per_uid_limit", "none", "none");
	check_value("pool x", "enforce", "Off", "no");
	check_value("broker", "runtime_changes", "TRUE", "yes");
	check_value("pool x", "limit", "7 ; a comment", "7");
}
END_TEST

START_TEST(values_reach_the_settings)
{
	struct config *config = load("[broker]\nlog_level = debug\nlog_sessions = all\n"
				     "runtime_changes = no\nworkers = 3\nsocket_mode = 0666\n"
				     "[pool x]\nlimit = 5\nmax_waiters = 6\nper_uid_waiters = 7\n"
				     "per_uid_limit = 1\nper_process_limit = 2\n"
				     "per_label_limit = 3\nfair_by = label\nage_step = 0s\n"
				     "starve_after = infinity\nenforce = no\non_timeout = hold\n");
	const struct pool_settings *s = &config->pools[0].settings;

	ck_assert_int_eq(config->log_level, 7);
	ck_assert_int_eq(config->log_sessions, LOG_SESSIONS_ALL);
	ck_assert(!config->runtime_changes);
	ck_assert_int_eq(config->workers, 3);
	ck_assert_int_eq(config->socket_mode, 0666);
	ck_assert_uint_eq(config->n_pools, 1);
	ck_assert_uint_eq(s->limit, 5);
	ck_assert_uint_eq(s->max_waiters, 6);
	ck_assert_int_eq(s->per_uid_waiters, 7);
	ck_assert_int_eq(s->quotas[BY_UID], 1);
	ck_assert_int_eq(s->quotas[BY_PROCESS], 2);
	ck_assert_int_eq(s->quotas[BY_LABEL], 3);
	ck_assert_int_eq(s->fair_by, BY_LABEL);
	ck_assert_int_eq(s->age_step_ms, 0);
	ck_assert_int_eq(s->starve_after_ms, -1);
	ck_assert(!s->enforce);
	ck_assert_int_eq(s->on_timeout, ON_TIMEOUT_HOLD);
	config_unref(config);
}
END_TEST

START_TEST(a_pool_without_keys_is_as_built_in)
{
	struct config *config = load("[pool bare]\n[pool none]\nper_uid_limit = none\n");

	ck_assert_uint_eq(config->n_pools, 2);
	for (size_t i = 0; i < 2; i++)
		ck_assert_mem_eq(&config->pools[i].settings, &pool_settings_builtin,
			sizeof(pool_settings_builtin));
	config_unref(config);
}
END_TEST

/* ---- the socket, groups and users ---- */

START_TEST(a_socket_is_an_absolute_path_that_fits)
{
	char fits[108], too_long[109];

	memset(fits, 'x', sizeof(fits));
	memset(too_long, 'x', sizeof(too_long));
	fits[0] = too_long[0] = '/';
	fits[107] = too_long[108] = '\0';
	check_value("broker", "socket", fits, fits);
	check_value_refused("broker", "socket", too_long, "an absolute path of at most 107 bytes");
	check_value_refused(
		"broker", "socket", "relative", "an absolute path of at most 107 bytes");
	check_value_refused("broker", "socket", "", "an absolute path of at most 107 bytes");
}
END_TEST

#define A_GROUP "the name of a group of this system, or a number"

START_TEST(a_group_is_looked_up_where_it_is_named)
{
	struct config *config = load("[broker]\nsocket_group = root\nadmin_group = 4294967294\n");

	ck_assert_uint_eq(config->socket_gid, 0);
	ck_assert_str_eq(config->socket_group, "root");
	ck_assert_uint_eq(config->admin_gid, 4294967294);
	config_unref(config);

	config = load("[broker]\n");
	ck_assert_uint_eq(config->socket_gid, (gid_t)-1);
	ck_assert_uint_eq(config->admin_gid, (gid_t)-1);
	config_unref(config);

	for (int i = 0; i < 2; i++) {
		const char *key = i ? "socket_group" : "admin_group";

		check_value_refused("broker", key, "nonesuch-group", A_GROUP);
		check_value_refused("broker", key, "4294967295", A_GROUP);
		check_value_refused("broker", key, "99999999999999999999", A_GROUP);
		check_value_refused("broker", key, "", A_GROUP);
	}
}
END_TEST

#define ALLOWED "users and @groups of this system, separated by commas"

START_TEST(allow_names_users_and_groups)
{
	struct config *config = load("[pool x]\nallow = root,@root ,\t12345, @4294967294\n");
	struct allow_list *list = config->pools[0].settings.allow;
	const struct {
		const char *name;
		bool is_group;
		uint32_t id;
	} expected[] = {{"root", false, 0}, {"@root", true, 0}, {"12345", false, 12345},
		{"@4294967294", true, 4294967294}};

	ck_assert_uint_eq(list->count, 4);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_str_eq(list->entries[i].name->bytes, expected[i].name);
		ck_assert_int_eq(list->entries[i].is_group, expected[i].is_group);
		ck_assert_uint_eq(list->entries[i].id, expected[i].id);
	}
	config_unref(config);
	check_value("pool x", "allow", "root,@root", "root, @root");
}
END_TEST

START_TEST(allow_says_which_name_is_wrong)
{
	const struct {
		const char *value, *wrong;
	} cases[] = {{"", ""}, {"root,", ""}, {",root", ""}, {"root,,root", ""}, {"@", "@"},
		{"root, nonesuch-user", "nonesuch-user"}, {"@nonesuch-group, x", "@nonesuch-group"},
		{"root root", "root root"}, {"@ root", "@ root"}, {"4294967295", "4294967295"},
		{"-1", "-1"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128], told[256];

		snprintf(text, sizeof(text), "[pool x]\nlimit = 1\nallow = %s\n", cases[i].value);
		snprintf(told, sizeof(told), "allow: expected " ALLOWED ", not \"%s\"",
			cases[i].wrong);
		check_refused(text, 3, told);
	}
}
END_TEST

START_TEST(allow_is_no_longer_than_can_be_printed)
{
	char text[256] = "[pool x]\nallow=0";

	for (int i = 0; i < 63; i++)
		strcat(text, ",0"); /* 190 bytes as "0, 0, ..." */
	free(check_prints_itself(text));
	strcat(text, ",0\n");
	check_refused(text, 2, "allow: expected at most 190 bytes: name a group instead");
}
END_TEST

START_TEST(a_later_allow_takes_the_place_of_the_first)
{
	struct config *config = load("[pool x]\nallow = 1, 2\n[pool x]\nallow = @3\n");
	struct allow_list *list = config->pools[0].settings.allow;
	struct pool *pool =
		pool_new("x", 1, &config->pools[0].settings, POOL_FILE); /* has its own reference */

	ck_assert_uint_eq(list->count, 1);
	ck_assert_uint_eq(list->entries[0].id, 3);
	config_unref(config);
	ck_assert_str_eq(pool->settings.allow->entries[0].name->bytes, "@3");
	pool_free(pool);
}
END_TEST

/* ---- rules between keys ---- */

START_TEST(the_default_timeout_follows_the_longest)
{
	struct config *config = load("[pool x]\nmax_timeout = 10s\n");

	ck_assert_int_eq(config->pools[0].settings.default_timeout_ms, 10000);
	ck_assert(!config->pools[0].has_default_timeout);
	config_unref(config);
	config = load("[pool x]\nmax_timeout = 10s\ndefault_timeout = 10s\n");
	ck_assert(config->pools[0].has_default_timeout);
	config_unref(config);
}
END_TEST

START_TEST(a_default_timeout_above_the_longest_is_refused_where_it_came_about)
{
	static const char told[] = "expected a default_timeout of at most max_timeout in [pool x]";

	check_refused("[pool x]\nmax_timeout = 1s\ndefault_timeout = 2s\n", 3, told);
	check_refused("[pool x]\ndefault_timeout = infinity\nmax_timeout = 1s\n\n", 3, told);
	write_text(path, "[pool x]\ndefault_timeout = 5min\n");
	write_text(drop_in_path("a.conf"), "[pool y]\n\n[pool x]\nmax_timeout = 1min\n");
	check_files_refused(-EINVAL, "%s.d/a.conf:4: %s", path, told);
}
END_TEST

START_TEST(reserved_connections_leave_some_for_others)
{
	struct config *config = load("[broker]\nmax_connections = 8\n");

	ck_assert_int_eq(config->reserved_connections, 4);
	config_unref(config);
	config = load("[broker]\nmax_connections = 1\n");
	ck_assert_int_eq(config->reserved_connections, 0);
	config_unref(config);
	config = load("[broker]\nmax_connections = 8\nreserved_connections = 7\n");
	ck_assert_int_eq(config->reserved_connections, 7);
	config_unref(config);
	check_refused("[broker]\nreserved_connections = 8\nmax_connections = 8\n", 3,
		"expected reserved_connections, 8, to be less than max_connections, 8");
	check_refused("[broker]\n\nmax_connections = 8\nreserved_connections = 9\n", 4,
		"expected reserved_connections, 9, to be less than max_connections, 8");
}
END_TEST

/* ---- lines ---- */

START_TEST(an_unknown_key_comes_with_what_was_meant)
{
	check_refused("[broker]\n\nworkrs = 1\n", 3,
		"unknown key \"workrs\" in [broker]: expected workers perhaps");
	check_refused("[pool x]\nper-uid-limit = 1\n", 2,
		"unknown key \"per-uid-limit\" in [pool]: expected per_uid_limit perhaps");
	check_refused("[pool x]\nmax_metadata = 1K\n", 2,
		"unknown key \"max_metadata\" in [pool]: expected one of limit, enforce, allow, "
		"max_metadata_bytes, default_timeout, max_timeout, max_duration, on_timeout, "
		"per_uid_limit, per_process_limit, per_label_limit, max_waiters, per_uid_waiters, "
		"fair_by, age_step, starve_after");
	check_refused("[broker]\nlimit = 1\n", 2,
		"unknown key \"limit\" in [broker]: expected it in [pool NAME]");
	check_refused("[pool x]\nhistory = 1\n", 2,
		"unknown key \"history\" in [pool]: expected it in [broker]");
	check_refused("[pool x]\n= 1\n", 2,
		"unknown key \"\" in [pool]: expected one of limit, enforce, allow, "
		"max_metadata_bytes, default_timeout, max_timeout, max_duration, on_timeout, "
		"per_uid_limit, per_process_limit, per_label_limit, max_waiters, per_uid_waiters, "
		"fair_by, age_step, starve_after");
}
END_TEST

#define A_LINE "expected [section], key = value, or a comment"
#define A_POOL                                                                                     \
	"expected [pool NAME] with a name of 1 to 40 letters, digits, '.', '_' or '-' that "       \
	"begins with a letter or digit"

START_TEST(sections_are_broker_and_pools)
{
	check_refused("[pools x]\n", 1, "expected [broker] or [pool NAME], not [pools x]");
	check_refused("\n[]\n", 2, "expected [broker] or [pool NAME], not []");
	check_refused("[Broker]\n", 1, "expected [broker] or [pool NAME], not [Broker]");
	check_refused("[broker\nworkers = 1\n", 1, A_LINE);
	check_refused("[pool]\n", 1, A_POOL);
	check_refused("[pool a b]\n", 1, A_POOL);
	check_refused("[pool .a]\n", 1, A_POOL);
	check_refused("[pool xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n", 1, A_POOL);
	check_refused("limit = 3\n", 1, "expected [broker] or [pool NAME] before \"limit\"");
	config_unref(load("[ broker ]\n[pool\txxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ]\n"));
}
END_TEST

START_TEST(nothing_but_a_comment_may_follow_a_section)
{
	check_refused("[broker] junk\n", 1,
		"expected nothing but a ; comment after [broker], not \"junk\"");
	check_refused("[pool x]limit = 3\n", 1,
		"expected nothing but a ; comment after [pool x], not \"limit = 3\"");
	check_refused(
		"[pool x]]\n", 1, "expected nothing but a ; comment after [pool x], not \"]\"");
	config_unref(load("[broker] ; words\n[pool x];more\r\n[pool y] \t\r\n"));
}
END_TEST

START_TEST(the_first_wrong_line_is_the_one_reported)
{
	check_refused("[broker]\njust words\nworkers = many\n", 2, A_LINE);
	check_refused("[broker]\nhistory = -1\njust words\n", 2,
		"history: expected an integer from 0 to 1000000, not \"-1\"");
}
END_TEST

START_TEST(lines_may_be_indented_or_begin_with_a_byte_order_mark)
{
	struct config *config = load("\xef\xbb\xbf[pool x]\n  limit = 1\n\t  max_waiters=2\n"
				     "  ; a comment\n# another\n\n \t\n  [pool y]\n limit: 3");

	ck_assert_uint_eq(config->n_pools, 2);
	ck_assert_uint_eq(config->pools[0].settings.limit, 1);
	ck_assert_uint_eq(config->pools[0].settings.max_waiters, 2);
	ck_assert_uint_eq(config->pools[1].settings.limit, 3);
	config_unref(config);
}
END_TEST

START_TEST(only_comments_may_be_long)
{
	static const char told[] = "expected a line of at most 198 bytes without NUL";
	char text[2000], filler[600];
	struct config *config;

	for (size_t length = 195; length < 203; length++) {
		memset(filler, 'x', length);
		filler[length] = '\0';
		snprintf(text, sizeof(text), "[pool x]\n#%s\n ;%s\nlimit = 3\n#%s", filler, filler,
			filler);
		config = load(text);
		ck_assert_uint_eq(config->pools[0].settings.limit, 3);
		config_unref(config);
	}
	memset(filler, ' ', 199);
	filler[199] = '\0';
	snprintf(text, sizeof(text), "[pool x]\nlimit = 3%.189s\n", filler);
	config_unref(load(text));
	snprintf(text, sizeof(text), "[pool x]\nlimit = 3%.190s\n", filler);
	check_refused(text, 2, told);
	for (int i = 0; i < 2; i++) {
		write_bytes(path, i ? "[pool x]\n#x\0y\n[poo\n" : "[pool x]\nlimit\0= 3\n\n", 19);
		check_files_refused(-EINVAL, "%s:2: %s", path, told);
	}
}
END_TEST

/* ---- files ---- */

START_TEST(drop_ins_win_in_the_order_of_their_names)
{
	struct config *config;

	write_text(path, "[pool a]\nlimit = 1\nmax_waiters = 9\n");
	write_text(drop_in_path("b.conf"), "[pool a]\nlimit = 3\n");
	write_text(drop_in_path("B.conf"), "[pool a]\nlimit = 2\n[pool c]\n");
	write_text(drop_in_path("10.conf"), "[pool a]\nlimit = 4\n");
	write_text(drop_in_path("readme"), "not read");
	write_text(drop_in_path("x.conf~"), "not read");
	write_text(drop_in_path(".hidden.conf"), "not read");
	config = load_files();
	ck_assert_uint_eq(config->n_pools, 2);
	ck_assert_uint_eq(config->pools[0].settings.limit, 3);
	ck_assert_uint_eq(config->pools[0].settings.max_waiters, 9);
	config_unref(config);
	write_text(drop_in_path("c.conf"), "\n[broker]\nhistory = x\n");
	check_files_refused(-EINVAL,
		"%s.d/c.conf:3: history: expected an integer from 0 to 1000000, not \"x\"", path);
}
END_TEST

START_TEST(a_section_does_not_reach_into_the_next_file)
{
	write_text(path, "[pool a]\n");
	write_text(drop_in_path("b.conf"), "limit = 3\n");
	check_files_refused(
		-EINVAL, "%s.d/b.conf:1: expected [broker] or [pool NAME] before \"limit\"", path);
}
END_TEST

START_TEST(drop_ins_are_found_whatever_the_path_is_made_of)
{
	struct config *config;

	snprintf(path, sizeof(path), "%s/a*[b]?.conf", directory);
	write_text(path, "");
	write_text(drop_in_path("x.conf"), "[pool a]\nlimit = 7\n");
	config = load_files();
	ck_assert_uint_eq(config->n_pools, 1);
	config_unref(config);
}
END_TEST

START_TEST(drop_ins_that_cannot_be_read_are_an_error)
{
	char drop_ins[PATH_MAX + 8];

	write_text(path, "");
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);
	write_text(drop_ins, "a file where the directory should be");
	check_files_refused(-ENOTDIR, "%s: Not a directory", drop_ins);
	ck_assert_int_eq(unlink(drop_ins), 0);
	ck_assert_int_eq(symlink(drop_ins, drop_ins), 0);
	check_files_refused(-ELOOP, "%s: Too many levels of symbolic links", drop_ins);
	ck_assert_int_eq(unlink(drop_ins), 0);
	ck_assert_int_eq(symlink("/nonesuch", drop_in_path("x.conf")), 0);
	check_files_refused(-ENOENT, "%s/x.conf: No such file or directory", drop_ins);
	ck_assert_int_eq(unlink(drop_in_path("x.conf")), 0);
	ck_assert_int_eq(mkdir(drop_in_path("x.conf"), 0700), 0);
	check_files_refused(-EIO, "%s/x.conf: cannot be read", drop_ins);
	ck_assert_int_eq(rmdir(drop_in_path("x.conf")), 0);
	ck_assert_int_eq(chmod(directory, 0755), 0);
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(chmod(drop_ins, 0), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0); /* root may read anything */
	check_files_refused(-EACCES, "%s: Permission denied", drop_ins);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	chmod(drop_ins, 0700);
}
END_TEST

START_TEST(a_missing_file_is_an_error_only_if_it_is_required)
{
	struct config *config = NULL;

	check_files_refused(-ENOENT, "%s: No such file or directory", path);
	ck_assert_int_eq(config_load(path, false, &config, message, sizeof(message)), 0);
	ck_assert_uint_eq(config->n_pools, 0);
	config_unref(config);
	write_text(drop_in_path("x.conf"), "[pool a]\n");
	ck_assert_int_eq(config_load(path, false, &config, message, sizeof(message)), 0);
	ck_assert_uint_eq(config->n_pools, 1);
	config_unref(config);
}
END_TEST

/* ---- printing ---- */

START_TEST(what_is_printed_is_in_force_and_reads_back_the_same)
{
	static const char *const texts[] = {
		"",
		"[pool a]\nmax_timeout = 10s\n[pool z]\nallow=root,@root,7\nage_step = 0\n",
		"[pool default]\nlimit = 3\n[pool d]\nper_label_limit = 3\nfair_by = none\n",
		"[broker]\nsocket = /x;y z ; comment\nsocket_group = root\nadmin_group = 12\n",
		"[broker]\nmax_connections = 9\nworkers = 2\n[pool A.b-c_D]\nenforce = no\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(check_prints_itself(texts[i]));
}
END_TEST

START_TEST(all_that_would_be_in_force_is_printed)
{
	char *text = check_prints_itself("[pool a]\nmax_timeout = 10s\n");
	char *expected_socket = config_default_socket();
	char line[256];

	ck_assert_ptr_nonnull(
		strstr(text, "\n[pool default]\nlimit = 200\nenforce = yes\n# allow =\n"
			     "max_metadata_bytes = 10240\ndefault_timeout = infinity\n"));
	ck_assert_ptr_nonnull(strstr(text, "default_timeout = 10s\nmax_timeout = 10s\n"));
	ck_assert_ptr_nonnull(strstr(text, "max_waiters = 1000\nper_uid_waiters = none\n"
					   "fair_by = uid\nage_step = 10s\nstarve_after = 5min\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n# admin_group =\n"));
	snprintf(line, sizeof(line), "[broker]\n# socket = %s\n",
		expected_socket ? expected_socket : "");
	if (expected_socket)
		ck_assert_ptr_eq(strstr(text, line), text);
	free(expected_socket);
	free(text);
}
END_TEST

START_TEST(a_user_without_a_runtime_directory_has_no_default_socket)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_ptr_null(config_default_socket());
	ck_assert_int_eq(errno, ENOENT);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_CONFIG_HOME", "relative", 1);
	setenv("HOME", "/home/ann", 1);
	char *file = config_default_path(), *at = config_default_socket();

	ck_assert_str_eq(file, "/home/ann/.config/usher/usherd.conf");
	ck_assert_str_eq(at, "/run/user/7/usher/usher.sock");
	free(file);
	free(at);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* ---- several threads ---- */

static char failed[] = "failed";

static void *load_again_and_again(void *unused)
{
	(void)unused;
	for (int i = 0; i < 50; i++) {
		struct config *config = NULL;
		char told[128];

		if (config_load(path, true, &config, told, sizeof(told)) < 0 ||
			config->socket_gid != 0 || config->admin_gid == 0)
			return failed;
		config_unref(config);
	}
	return NULL;
}

START_TEST(threads_may_load_at_once)
{
	pthread_t threads[4];
	void *wrong;

	write_text(path, "[broker]\nsocket_group = root\nadmin_group = daemon\n"
			 "[pool x]\nallow = root, daemon, @daemon\n");
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, load_again_and_again, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

static TCase *value_tests(void)
{
	TCase *tests = tcase_create("values");

	tcase_add_loop_test(tests, a_number_may_be_what_its_range_allows, 0, ROWS(numeric_cases));
	tcase_add_loop_test(tests, a_word_is_one_of_its_keys, 0, ROWS(word_cases));
	tcase_add_test(tests, every_key_has_a_case);
	tcase_add_test(tests, values_may_be_written_in_more_than_one_way);
	tcase_add_test(tests, values_reach_the_settings);
	tcase_add_test(tests, a_pool_without_keys_is_as_built_in);
	tcase_add_test(tests, a_socket_is_an_absolute_path_that_fits);
	tcase_add_test(tests, a_group_is_looked_up_where_it_is_named);
	tcase_add_test(tests, allow_names_users_and_groups);
	tcase_add_test(tests, allow_says_which_name_is_wrong);
	tcase_add_test(tests, allow_is_no_longer_than_can_be_printed);
	tcase_add_test(tests, a_later_allow_takes_the_place_of_the_first);
	tcase_add_test(tests, the_default_timeout_follows_the_longest);
	tcase_add_test(tests, a_default_timeout_above_the_longest_is_refused_where_it_came_about);
	tcase_add_test(tests, reserved_connections_leave_some_for_others);
	return tests;
}

static TCase *file_tests(void)
{
	TCase *tests = tcase_create("files");

	tcase_add_test(tests, an_unknown_key_comes_with_what_was_meant);
	tcase_add_test(tests, sections_are_broker_and_pools);
	tcase_add_test(tests, nothing_but_a_comment_may_follow_a_section);
	tcase_add_test(tests, the_first_wrong_line_is_the_one_reported);
	tcase_add_test(tests, lines_may_be_indented_or_begin_with_a_byte_order_mark);
	tcase_add_test(tests, only_comments_may_be_long);
	tcase_add_test(tests, drop_ins_win_in_the_order_of_their_names);
	tcase_add_test(tests, a_section_does_not_reach_into_the_next_file);
	tcase_add_test(tests, drop_ins_are_found_whatever_the_path_is_made_of);
	tcase_add_test(tests, drop_ins_that_cannot_be_read_are_an_error);
	tcase_add_test(tests, a_missing_file_is_an_error_only_if_it_is_required);
	tcase_add_test(tests, what_is_printed_is_in_force_and_reads_back_the_same);
	tcase_add_test(tests, all_that_would_be_in_force_is_printed);
	tcase_add_test(tests, a_user_without_a_runtime_directory_has_no_default_socket);
	tcase_add_test(tests, threads_may_load_at_once);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *cases[] = {value_tests(), file_tests()};
	SRunner *runner;
	int n_failed;

	for (size_t i = 0; i < 2; i++) {
		tcase_add_checked_fixture(cases[i], make_directory, remove_directory);
		suite_add_tcase(suite, cases[i]);
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
