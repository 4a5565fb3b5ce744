/* SPDX-License-Identifier: MIT */
/* Makes allocations of this program fail on demand, in every build. For one source file a program,
 * which is linked with fail_malloc_args: what is in the program asks here, what is in shared
 * libraries does not. Assertions may ask, too: they come after what is to fail.
 */
#ifndef USHER_TESTS_FAIL_MALLOC_H
#define USHER_TESTS_FAIL_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* Volatile, for a compiler that sees the whole program knows that malloc() reads no variable of it,
 * and drops what is set for it. */
static volatile bool malloc_fails;
/* Which of the next ones fails, and no other: 1 is the next one, 0 none. */
static volatile size_t malloc_to_fail;

/* The linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool this_one_fails(void)
{
	bool fails = malloc_fails || (malloc_to_fail && --malloc_to_fail == 0);

	if (fails)
		errno = ENOMEM;
	return fails;
}

void *__wrap_malloc(size_t size)
{
	return this_one_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return this_one_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return this_one_fails() ? NULL : __real_realloc(old, size);
}

#endif
