/* SPDX-License-Identifier: MIT */
/* Configuration files: the first, and behind a line of three dashes a drop-in. What is refused says
 * where; what is accepted is printed as a file that gives the same again. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX 16384

static char directory[] = "/tmp/usher-fuzz.XXXXXX";
static char path[64], drop_ins[80], drop_in[96], printed[64];

static void remove_files(void)
{
	unlink(path);
	unlink(drop_in);
	unlink(printed);
	rmdir(drop_ins);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	REQUIRE(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/usherd.conf", directory);
	snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);
	snprintf(drop_in, sizeof(drop_in), "%s/10.conf", drop_ins);
	snprintf(printed, sizeof(printed), "%s/printed.conf", directory);
	REQUIRE(mkdir(drop_ins, 0700) == 0);
	atexit(remove_files);
	return 0;
}

static void write_file(const char *to, const void *bytes, size_t size)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static void write_files(const uint8_t *data, size_t size)
{
	const uint8_t *end = memmem(data, size, "\n---\n", 5);
	size_t first = end ? (size_t)(end - data) + 1 : size;
	size_t begin = end ? first + 4 : size;

	write_file(path, data, first);
	write_file(drop_in, data + begin, size - begin);
}

/* The texts are the caller's. */
static char *print(const struct config *config, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);

	REQUIRE(stream != NULL);
	config_print(config, stream);
	REQUIRE(fclose(stream) == 0);
	return text;
}

static void load_again(const struct config *config)
{
	char message[512] = "";
	struct config *again = NULL;
	size_t size, size_again;
	char *text = print(config, &size), *text_again;

	write_file(printed, text, size);
	if (config_load(printed, true, &again, message, sizeof(message)) < 0)
		fprintf(stderr, "%s\n%s", message, text);
	REQUIRE(again != NULL);
	text_again = print(again, &size_again);
	REQUIRE(size == size_again && memcmp(text, text_again, size) == 0);
	config_unref(again);
	free(text);
	free(text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char message[512] = "";
	struct config *config = NULL;
	int r;

	if (size > TEXT_MAX)
		return 0;
	write_files(data, size);
	r = config_load(path, true, &config, message, sizeof(message));
	REQUIRE(r < 0 ? !config && message[0] : config != NULL);
	if (r == 0)
		load_again(config);
	config_unref(config);
	return 0;
}
