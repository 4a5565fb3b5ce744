/* SPDX-License-Identifier: MIT */
/* Makes the Nth allocation of a process fail, once or for good, whoever asks: the daemon, libuv,
 * libsystemd or the C library. See shim.h; the file is named by USHER_ALLOC_SHIM.
 *
 * With USHER_ALLOC_SHIM_TRACE in the environment each failure's stack goes to standard error.
 */
#include "tests/faults/shim.h"

#include <errno.h>
#include <execinfo.h>
#include <stdbool.h>

#define STACK_DEPTH 24

static struct shim_turn *turn; /* NULL until the process is set up */
static bool is_traced;

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static char *(*next_strdup)(const char *);
static char *(*next_strndup)(const char *, size_t);

/* Before anybody has more than one thread; perhaps by the first allocation, before set_up(). */
static void find_next(void)
{
	static bool is_looking;

	if (is_looking)
		shim_die("looking for malloc needs malloc");
	is_looking = true;
	next_calloc = shim_next("calloc");
	next_realloc = shim_next("realloc");
	next_posix_memalign = shim_next("posix_memalign");
	next_aligned_alloc = shim_next("aligned_alloc");
	next_strdup = shim_next("strdup");
	next_strndup = shim_next("strndup");
	next_malloc = shim_next("malloc");
	is_looking = false;
}

static void __attribute__((constructor)) set_up(void)
{
	void *frames[1];

	if (!next_malloc)
		find_next();
	is_traced = getenv("USHER_ALLOC_SHIM_TRACE");
	if (is_traced)
		backtrace(frames, 1); /* allocates the first time */
	turn = shim_map("USHER_ALLOC_SHIM", sizeof(*turn));
}

static void trace(void)
{
	void *frames[STACK_DEPTH];
	int n = backtrace(frames, STACK_DEPTH);

	backtrace_symbols_fd(frames, n, STDERR_FILENO);
	if (write(STDERR_FILENO, "----\n", 5) < 0)
		shim_die("standard error");
}

/* Is it this one's turn to fail? */
static bool fails(void)
{
	if (!next_malloc)
		find_next();
	if (!turn || !shim_is_due(turn))
		return false;
	if (is_traced)
		trace();
	errno = ENOMEM;
	return true;
}

/* ---- what we stand in front of ---- */

void *malloc(size_t size)
{
	return fails() ? NULL : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : next_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : next_realloc(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, whole);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	return fails() ? ENOMEM : next_posix_memalign(ret, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : next_aligned_alloc(alignment, size);
}

/* A sanitizer's own do not come by malloc(). */
char *strdup(const char *text)
{
	return fails() ? NULL : next_strdup(text);
}

char *strndup(const char *text, size_t length)
{
	return fails() ? NULL : next_strndup(text, length);
}
