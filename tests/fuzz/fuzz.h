/* SPDX-License-Identifier: MIT */
/* What the fuzz targets have in common. A target is one function that takes any bytes and holds
 * what the code makes of them against what it promises; a broken promise ends the process, which is
 * what the engines wait for.
 *
 * Each target is built twice over: with libFuzzer or afl++ (the option `fuzz`), and everywhere else
 * with replay.c, which runs the files of the corpus through it.
 */
#ifndef USHER_TESTS_FUZZ_H
#define USHER_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's names: https://llvm.org/docs/LibFuzzer.html */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* As assert(), whatever the build; stderr may be another's. */
#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy of exactly SIZE bytes, so that a sanitizer sees any step too far. The caller's to free. */
static inline void *exact_copy(const void *bytes, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	REQUIRE(copy != NULL);
	for (size_t i = 0; i < size; i++)
		copy[i] = ((const char *)bytes)[i];
	return copy;
}

#endif
