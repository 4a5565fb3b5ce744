/* SPDX-License-Identifier: MIT */
/* Makes allocations of this program fail on demand, in builds without a sanitizer (whose own
 * allocator must stay). For one source file a program: it defines malloc() and realloc().
 */
#ifndef USHER_TESTS_FAIL_MALLOC_H
#define USHER_TESTS_FAIL_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool malloc_fails;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define FAIL_MALLOC_MISSING
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAIL_MALLOC_MISSING
#endif

#ifndef FAIL_MALLOC_MISSING

#define FAIL_MALLOC_WORKS 1

/* glibc keeps these names for exactly this purpose. */
void *__libc_malloc(size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	if (!malloc_fails)
		return __libc_malloc(size);
	errno = ENOMEM;
	return NULL;
}

void *realloc(void *old, size_t size)
{
	if (!malloc_fails)
		return __libc_realloc(old, size);
	errno = ENOMEM;
	return NULL;
}

#else
#define FAIL_MALLOC_WORKS 0
#endif

#endif
