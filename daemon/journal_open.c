/* SPDX-License-Identifier: MIT */
/* Which chunks of a file are in use, and in what order. */
#include "daemon/journal_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct found_chunk {
	uint64_t order, previous, first;
	uint32_t chunk;
};

struct search {
	struct found_chunk *chunks; /* by order, when it is done */
	size_t n_chunks;
	bool has_newer;
	struct journal_origin origin; /* of the newest */
};

static int read_head(int fd, uint32_t chunk, struct search *search)
{
	struct chunk_head head;
	size_t size = 0;
	int r = journal_read_at(fd, &head, sizeof(head), chunk_at(chunk), &size);

	if (r < 0 || size < sizeof(head) ||
		memcmp(head.magic, JOURNAL_MAGIC, sizeof(head.magic)) != 0)
		return r;
	if (head.version > JOURNAL_VERSION)
		search->has_newer = true;
	if (head.version != JOURNAL_VERSION || head.size != sizeof(head) ||
		head.sum != chunk_head_sum(&head) || !head.order)
		return 0;
	search->chunks[search->n_chunks++] =
		(struct found_chunk){head.order, head.previous, head.first, chunk};
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const struct found_chunk *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

static struct found_chunk *find_order(const struct search *search, uint64_t order)
{
	struct found_chunk wanted = {.order = order};

	return bsearch(&wanted, search->chunks, search->n_chunks, sizeof(wanted), by_order);
}

/* From the newest one back to the oldest that it needs. */
static bool link_chunks(struct journal *j, const struct search *search)
{
	const struct found_chunk *at = &search->chunks[search->n_chunks - 1];
	uint64_t first = at->first;
	uint32_t next = NO_CHUNK;

	for (;;) {
		j->chunks[at->chunk] = (struct chunk){.order = at->order, .next = next};
		if (at->order == first)
			break;
		next = at->chunk;
		if (at->previous >= at->order || at->previous < first)
			return false;
		at = find_order(search, at->previous);
		if (!at)
			return false;
	}
	j->oldest = at->chunk;
	j->next_order = search->chunks[search->n_chunks - 1].order + 1;
	return true;
}

static int read_origin(struct journal *j, const struct search *search)
{
	struct chunk_head head;
	int r = journal_read_all(
		j->fd, &head, sizeof(head), chunk_at(search->chunks[search->n_chunks - 1].chunk));

	j->origin = head.origin;
	j->origin.boot_id[JOURNAL_BOOT_SIZE - 1] = '\0';
	return r;
}

static int find_chunks(struct journal *j, struct search *search, enum journal_found *ret_found)
{
	int r = 0;

	*ret_found = JOURNAL_DAMAGED;
	for (size_t i = 0; r == 0 && i < j->n_chunks; i++)
		r = read_head(j->fd, (uint32_t)i, search);
	if (r < 0)
		return r;
	if (search->n_chunks == 0) {
		if (search->has_newer)
			*ret_found = JOURNAL_NEWER;
		return 0;
	}
	qsort(search->chunks, search->n_chunks, sizeof(*search->chunks), by_order);
	r = read_origin(j, search);
	if (r == 0 && link_chunks(j, search))
		*ret_found = JOURNAL_SOUND;
	return r;
}

static struct journal *allocate(int fd, size_t size)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->fd = fd;
	j->fragment = malloc(JOURNAL_CHUNK);
	j->window = malloc(JOURNAL_CHUNK);
	if (!j->fragment || !j->window || journal_add_chunks(j, size) < 0) {
		j->fd = -1;
		journal_close(j);
		return NULL;
	}
	return j;
}

int journal_open(int fd, size_t size, enum journal_found *ret_found, struct journal **ret)
{
	struct journal *j = allocate(fd, size);
	struct search search = {0};
	int r;

	*ret = j;
	if (!j) {
		close(fd);
		return -ENOMEM;
	}
	search.chunks = calloc(j->n_chunks + 1, sizeof(*search.chunks));
	r = search.chunks ? find_chunks(j, &search, ret_found) : -ENOMEM;
	free(search.chunks);
	return r;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->chunks);
	free(j->free);
	free(j->fragment);
	free(j->window);
	free(j->scratch);
	free(j);
}
