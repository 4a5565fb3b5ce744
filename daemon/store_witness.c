/* SPDX-License-Identifier: MIT */
#include "daemon/store_witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Twice, so that damage to one of them, or a death between the two, leaves the other. */
struct witness_page {
	_Atomic uint64_t last;
	_Atomic uint64_t not_last; /* its complement */
};

static int open_file(const char *path, int flags)
{
	char *name;
	int fd;

	if (asprintf(&name, "%s" WITNESS_SUFFIX, path) < 0)
		return -1;
	fd = open(name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(name);
	return fd;
}

static int remove_file(const char *path)
{
	char *name;
	int r = 0;

	if (asprintf(&name, "%s" WITNESS_SUFFIX, path) < 0)
		return -ENOMEM;
	if (unlink(name) < 0 && errno != ENOENT)
		r = -errno;
	free(name);
	return r;
}

/* Allocated first: a hole in a mapping would be a fault on a full file system. */
int witness_open(struct witness *witness, const char *path)
{
	int fd = open_file(path, O_RDWR | O_CREAT);
	void *page = MAP_FAILED;

	if (fd >= 0 && posix_fallocate(fd, 0, sizeof(struct witness_page)) == 0)
		page = mmap(NULL, sizeof(struct witness_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (fd >= 0)
		close(fd);
	witness->page = page == MAP_FAILED ? NULL : page;
	return witness->page ? 0 : remove_file(path); /* it would tell of the past */
}

void witness_close(struct witness *witness)
{
	if (witness->page)
		munmap(witness->page, sizeof(*witness->page));
	witness->page = NULL;
}

void witness_tell(struct witness *witness, uint64_t transaction)
{
	struct witness_page *page = witness->page;

	if (!page)
		return;
	atomic_store_explicit(&page->last, transaction, memory_order_relaxed);
	atomic_store_explicit(&page->not_last, ~transaction, memory_order_release);
}

static bool confirms(const uint64_t *told, uint64_t transaction)
{
	uint64_t last = told[0], other = ~told[1];

	/* 0: of a store that is just being made */
	return (!last && (!other || !told[1])) || transaction - last <= 1 ||
	       transaction - other <= 1;
}

bool witness_confirms(const char *path, uint64_t transaction)
{
	int fd = open_file(path, O_RDONLY);
	uint64_t told[2];
	bool is_told;

	if (fd < 0)
		return true;
	is_told = read(fd, told, sizeof(told)) == (ssize_t)sizeof(told);
	close(fd);
	return !is_told || confirms(told, transaction);
}
