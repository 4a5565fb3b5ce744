/* SPDX-License-Identifier: MIT */
/* What of a text from others reaches the terminal where the log is read. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "daemon/log.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static int ends[2];
static char line[8192];

static void setup(void)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert_int_eq(pipe(ends), 0);
	log_open();
	log_set_level(LOG_INFO);
}

/* What goes to stderr when TEXT is logged. */
static const char *logged(int priority, const char *text)
{
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	dup2(ends[1], STDERR_FILENO);
	log_entry(priority, NULL, 0, "%s", text);
	log_entry(LOG_ERR, NULL, 0, "end");
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], line, sizeof(line) - 1);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	*strstr(line, "usherd: end\n") = '\0';
	return line;
}

#define EXPECT(text, shown) ck_assert_str_eq(logged(LOG_INFO, text), "usherd: " shown "\n")

START_TEST(an_entry_is_a_line)
{
	EXPECT("plain text", "plain text");
	EXPECT("", "");
}
END_TEST

START_TEST(what_is_less_important_than_the_level_is_left_out)
{
	ck_assert_str_eq(logged(LOG_DEBUG, "x"), "");
	log_set_level(LOG_DEBUG);
	ck_assert_str_eq(logged(LOG_DEBUG, "x"), "usherd: x\n");
	log_set_level(LOG_ERR);
	ck_assert_str_eq(logged(LOG_WARNING, "x"), "");
}
END_TEST

START_TEST(control_characters_are_shown)
{
	EXPECT("a\nb", "a\\x0ab");
	EXPECT("\x1b[2J", "\\x1b[2J");
	EXPECT("\x7f \x1f", "\\x7f \\x1f");
	EXPECT("\xc2\x80|\xc2\x9f|", "\\xc2\\x80|\\xc2\\x9f|");
}
END_TEST

START_TEST(what_hides_or_turns_text_is_shown)
{
	EXPECT("\xe2\x80\x8b|\xe2\x80\x8f|", "\\xe2\\x80\\x8b|\\xe2\\x80\\x8f|");
	EXPECT("\xe2\x80\xa8|\xe2\x80\xae|", "\\xe2\\x80\\xa8|\\xe2\\x80\\xae|");
	EXPECT("\xe2\x81\xa6|\xe2\x81\xa9|", "\\xe2\\x81\\xa6|\\xe2\\x81\\xa9|");
}
END_TEST

START_TEST(other_letters_are_as_they_are)
{
	EXPECT("caf\xc3\xa9 \xc2\xa0", "caf\xc3\xa9 \xc2\xa0");
	EXPECT("\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf",
		"\xe2\x80\x8a\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf");
	EXPECT("\xe2\x81\xa5\xe2\x81\xaa\xe2\x82\xac", "\xe2\x81\xa5\xe2\x81\xaa\xe2\x82\xac");
}
END_TEST

/* A character that is cut, at the end of the text: there is nothing after it to be looked at. */
START_TEST(half_a_character_ends_with_the_text)
{
	EXPECT("\xc2", "\xc2");
	EXPECT("\xe2", "\xe2");
	EXPECT("\xe2\x80", "\xe2\x80");
	EXPECT("\xe2\x81", "\xe2\x81");
}
END_TEST

START_TEST(a_long_text_is_cut)
{
	char text[3000];
	const char *shown;

	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	shown = logged(LOG_INFO, text);
	ck_assert_uint_lt(strlen(shown), 2048);
	ck_assert_uint_gt(strlen(shown), 1900);
	ck_assert_str_eq(shown + strlen(shown) - 5, "\\x0a\n");
	memset(text, 'a', sizeof(text) - 1);
	ck_assert_uint_eq(strlen(logged(LOG_INFO, text)), strlen("usherd: \n") + 1023);
}
END_TEST

/* ---- the journal ---- */

/* In place of libsystemd's: no journal is bothered. */
static char journal[4096];
static int journal_result;

int sd_journal_sendv(const struct iovec *fields, int n)
{
	journal[0] = '\0';
	for (int i = 0; i < n; i++)
		snprintf(journal + strlen(journal), sizeof(journal) - strlen(journal), "%.*s|",
			(int)fields[i].iov_len, (const char *)fields[i].iov_base);
	return journal_result;
}

static void name_stderr_as_the_journals(void)
{
	struct stat stat;
	char stream[64];

	ck_assert_int_eq(fstat(ends[1], &stat), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)stat.st_dev, (uintmax_t)stat.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_open();
}

START_TEST(the_journal_gets_fields)
{
	static const struct log_field fields[] = {
		{LOG_USHER_POOL, "gpu"}, {LOG_USHER_SESSION, NULL}, {LOG_USHER_ACTOR, "root"}};

	name_stderr_as_the_journals();
	log_entry(LOG_NOTICE, fields, 3, "two\nlines");
	ck_assert_str_eq(
		journal, "MESSAGE=two\\x0alines|PRIORITY=5|USHER_POOL=gpu|USHER_ACTOR=root|");
}
END_TEST

START_TEST(what_the_journal_does_not_take_is_a_line)
{
	ssize_t n;

	name_stderr_as_the_journals();
	journal_result = -ENOBUFS;
	log_entry(LOG_NOTICE, NULL, 0, "text");
	n = read(ends[0], line, sizeof(line) - 1);
	ck_assert_int_gt(n, 0);
	line[n] = '\0';
	ck_assert_str_eq(line, "usherd: text\n");
}
END_TEST

/* Another stream than that of the journal: as if none was named. */
START_TEST(a_stream_that_is_not_the_journals_gets_lines)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open();
	EXPECT("x", "x");
	setenv("JOURNAL_STREAM", "nothing", 1);
	log_open();
	EXPECT("x", "x");
	ck_assert_str_eq(journal, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, an_entry_is_a_line);
	tcase_add_test(tcase, what_is_less_important_than_the_level_is_left_out);
	tcase_add_test(tcase, control_characters_are_shown);
	tcase_add_test(tcase, what_hides_or_turns_text_is_shown);
	tcase_add_test(tcase, other_letters_are_as_they_are);
	tcase_add_test(tcase, half_a_character_ends_with_the_text);
	tcase_add_test(tcase, a_long_text_is_cut);
	tcase_add_test(tcase, the_journal_gets_fields);
	tcase_add_test(tcase, what_the_journal_does_not_take_is_a_line);
	tcase_add_test(tcase, a_stream_that_is_not_the_journals_gets_lines);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
