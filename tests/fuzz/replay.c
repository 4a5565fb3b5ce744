/* SPDX-License-Identifier: MIT */
/* Runs files, and those in directories, through a fuzz target: replay FILE|DIRECTORY...
 *
 * The same texts as with an engine, by any compiler and any sanitizer. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define PATH_SIZE 4096

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned n_files;

static void fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(EXIT_FAILURE);
}

static void run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(size + 1);

	if (!file || !bytes || fread(bytes, 1, size, file) != size)
		fail(path);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	n_files++;
}

static void run_path(const char *path);

static void run_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		fail(path);
	for (int i = 0; i < n; i++) {
		char inner[PATH_SIZE];

		if (entries[i]->d_name[0] != '.') {
			snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
			run_path(inner);
		}
		free(entries[i]);
	}
	free(entries);
}

static void run_path(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		fail(path);
	if (S_ISDIR(status.st_mode))
		run_directory(path);
	else
		run_file(path, (size_t)status.st_size);
}

int main(int argc, char **argv)
{
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%u files\n", n_files);
	return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
