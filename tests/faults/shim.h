/* SPDX-License-Identifier: MIT */
/* What the libraries that are loaded before all others into a daemon (LD_PRELOAD) share: the test
 * tells them what to do in a file that both map, named by an environment variable.
 *
 * They stand in front of the C library and of a sanitizer's interceptors alike, which they call as
 * the next ones; so a daemon that is built with AddressSanitizer is watched as ever, if it is told
 * not to insist on being the first (ASAN_OPTIONS=verify_asan_link_order=0).
 */
#ifndef USHER_TESTS_FAULTS_SHIM_H
#define USHER_TESTS_FAULTS_SHIM_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void __attribute__((noreturn)) shim_die(const char *why)
{
	if (write(STDERR_FILENO, "shim: ", 6) + write(STDERR_FILENO, why, strlen(why)) +
			write(STDERR_FILENO, "\n", 1) <
		0)
		_exit(125);
	_exit(126);
}

/* The function that we stand in front of. */
static inline void *shim_next(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (!next)
		shim_die(name);
	return next;
}

/* What the test has armed: the one that takes LEFT to 0 fails, and if IS_GOOD all that follow. 64
 * bits each, for the test to write at once. The first that a shim is told; all, for alloc_shim.c. */
struct shim_turn {
	_Atomic int64_t left; /* 0: none does */
	_Atomic int64_t is_good;
	_Atomic int64_t failed; /* how many have */
};

/* Whether it is this one's turn; counts it then. */
static inline bool shim_is_due(struct shim_turn *turn)
{
	int64_t left;

	if (atomic_load(&turn->left) == 0)
		return false;
	left = atomic_fetch_sub(&turn->left, 1);
	if (left > 1)
		return false;
	/* Of those that come between the two lines below none is to be missed for good. */
	if (left <= 0 && !atomic_load(&turn->is_good)) {
		atomic_store(&turn->left, 0);
		return false;
	}
	atomic_store(&turn->left, atomic_load(&turn->is_good) ? 1 : 0);
	atomic_fetch_add(&turn->failed, 1);
	return true;
}

/* SIZE bytes that the test writes to; a test that says nothing has forgotten it. */
static inline void *shim_map(const char *variable, size_t size)
{
	const char *path = getenv(variable);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map =
		fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		shim_die(variable);
	close(fd);
	return map;
}

#endif
