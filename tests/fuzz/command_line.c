/* SPDX-License-Identifier: MIT */
/* Command lines: usherd's and usherctl's, a line an argument, up to an empty line; behind it, for
 * usherctl, is what the broker says (script.h). Any exit status may come of it that the manual
 * names, and no control character may be printed but for ends of lines and tabs.
 *
 * No program is started and no signal sent; a file that is read is always the same. Commands that
 * run programs, draw screens or go on until a signal comes find no broker. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "daemon/options.h"
#include "tests/fuzz/cli_main.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/script.h"

#define ARGUMENTS_MAX 32
#define STATUS_MAX    127 /* no program, as a shell says it */
#define TEXT_MAX      8192

static const char *const lonely[] = {"monitor", "revoke", "run", "top"};

/* Called by the linker only (--wrap). */
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
pid_t __wrap_fork(void);
int __wrap_kill(pid_t pid, int signal);
int __wrap_isatty(int fd);

/* Only usherctl opens with "re". */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	static char file[] = " {\"a\": 1}\n";

	if (strcmp(mode, "re") != 0)
		return __real_fopen(path, mode);
	return fmemopen(file, sizeof(file) - 1, "r");
}

pid_t __wrap_fork(void)
{
	errno = EAGAIN;
	return -1;
}

int __wrap_kill(pid_t pid, int signal)
{
	(void)pid;
	(void)signal;
	errno = EPERM;
	return -1;
}

int __wrap_isatty(int fd)
{
	(void)fd;
	return 0;
}

/* ---- running ---- */

static void check_printed(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		REQUIRE((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t');
	}
}

static bool is_lonely(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (size_t n = 0; n < sizeof(lonely) / sizeof(lonely[0]); n++)
			if (!strcmp(argv[i], lonely[n]))
				return true;
	return false;
}

static int run(int argc, char **argv)
{
	struct options options;
	int r;

	optind = 0;
	if (strcmp(argv[0], "usherd") != 0)
		return usherctl_main(argc, argv);
	r = options_parse(argc, argv, &options);
	REQUIRE(r == 0 || r == 1 || r == -EINVAL);
	REQUIRE(r != 0 || !(options.is_stateless && options.state_dir));
	REQUIRE(r != 0 || (options.workers >= -1 && options.workers <= 64));
	return r == -EINVAL ? 2 : 0;
}

/* Standard output and error are one text. getopt's own messages have the arguments as they were
 * typed, which is between users and themselves: only what was said on the output is checked. */
static void run_printing(int argc, char **argv)
{
	FILE *out = stdout, *error = stderr;
	char *text[2] = {NULL, NULL};
	size_t size[2];
	int status;

	stdout = open_memstream(&text[0], &size[0]);
	stderr = open_memstream(&text[1], &size[1]);
	status = run(argc, argv);
	fclose(stdout);
	fclose(stderr);
	stdout = out;
	stderr = error;
	REQUIRE(status >= 0 && status <= STATUS_MAX);
	check_printed(text[0], size[0]);
	free(text[0]);
	free(text[1]);
}

/* ---- the text ---- */

/* Cuts it at its ends of lines; returns how much of it was arguments. */
static size_t split(char *text, size_t size, char **argv, int *ret_argc)
{
	size_t at = 0;
	int argc = 0;

	while (at < size && text[at] != '\n' && argc < ARGUMENTS_MAX) {
		char *end = memchr(text + at, '\n', size - at);
		size_t length = end ? (size_t)(end - text) - at : size - at;

		argv[argc++] = text + at;
		text[at + length] = '\0';
		at += length + (end != NULL);
	}
	argv[argc] = NULL;
	*ret_argc = argc;
	return at < size ? at + 1 : size;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	unsetenv("USHER_SESSION");
	setenv("USHER_SOCKET", "/nonexistent", 1);
	REQUIRE(freopen("/dev/null", "r", stdin) != NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *argv[ARGUMENTS_MAX + 1];
	size_t begin;
	int argc;

	if (size > TEXT_MAX)
		return 0;
	text = malloc(size + 1);
	REQUIRE(text != NULL);
	memcpy(text, data, size);
	begin = split(text, size, argv, &argc);
	script_begin(data + begin, is_lonely(argc, argv) ? 0 : size - begin);
	if (argc > 0)
		run_printing(argc, argv);
	script_end();
	free(text);
	return 0;
}
