/* SPDX-License-Identifier: MIT */
#include "daemon/journal_file.h"

#include "daemon/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- sums: they tell damage, not forgery ---- */

static const uint64_t head_key = 0x757368657264206a;

uint64_t chunk_head_sum(const struct chunk_head *head)
{
	return XXH3_64bits_withSeed(head, offsetof(struct chunk_head, sum), head_key);
}

uint64_t fragment_sum(uint64_t chain, const void *head, size_t length)
{
	size_t skipped = sizeof(uint64_t); /* the sum itself */
	uint64_t sum = XXH3_64bits(
		(const char *)head + skipped, sizeof(struct fragment_head) - skipped + length);

	return XXH3_64bits_withSeed(&sum, sizeof(sum), chain); /* cheap for what is short */
}

/* ---- the file ---- */

/* In two parts where a test wants to see it torn. */
static int write_all(int fd, const char *bytes, size_t size, uint64_t at)
{
	size_t part = failpoint_is_armed("journal.half") ? size / 2 : size;

	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, bytes + done, part - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		done += n > 0 ? (size_t)n : 0;
		if (done == part && part < size) {
			FAILPOINT("journal.half");
			part = size;
		}
	}
	return 0;
}

static void fill_head(struct chunk_head *head, const struct journal_origin *origin)
{
	*head = (struct chunk_head){
		.magic = JOURNAL_MAGIC,
		.version = JOURNAL_VERSION,
		.size = sizeof(*head),
		.origin = *origin,
	};
}

int journal_format(int fd, const struct journal_origin *origin)
{
	struct chunk_head head;

	fill_head(&head, origin);
	head.order = head.first = 1;
	head.chain = origin->seed[0] ^ origin->seed[1];
	head.sum = chunk_head_sum(&head);
	return write_all(fd, (const char *)&head, sizeof(head), 0);
}

/* ---- fragments ---- */

static void begin_chunk(struct journal *j)
{
	uint32_t chunk = j->free[--j->n_free];
	struct chunk_head head;

	fill_head(&head, &j->origin);
	head.order = j->next_order++;
	head.previous = j->chunks[j->end.chunk].order;
	head.first = j->chunks[j->oldest].order;
	head.chain = j->end.chain;
	head.sum = chunk_head_sum(&head);
	memcpy(j->fragment, &head, sizeof(head));
	j->chunks[chunk] = (struct chunk){.order = head.order, .next = NO_CHUNK};
	j->chunks[j->end.chunk].next = chunk;
	j->end.chunk = chunk;
	j->end.at = 0;
	j->head_size = sizeof(head);
}

static int begin_fragment(struct journal *j)
{
	j->head_size = 0;
	if (JOURNAL_CHUNK - j->end.at < FRAGMENT_MIN) {
		if (j->n_free == 0)
			return -ENOSPC;
		begin_chunk(j);
	}
	j->fill = j->head_size + (uint32_t)sizeof(struct fragment_head);
	j->tail = j->entry_left;
	return 0;
}

static void forget_window(struct journal *j, uint64_t at, size_t size)
{
	if (at < j->window_at + j->window_size && j->window_at < at + size)
		j->window_size = 0;
}

static int flush(struct journal *j, bool is_last)
{
	char *at = j->fragment + j->head_size;
	struct fragment_head head = {
		.transaction = j->transaction + 1,
		.length = j->fill - j->head_size - (uint32_t)sizeof(head),
		.tail = j->tail,
		.is_last = is_last,
	};
	uint64_t where = chunk_at(j->end.chunk) + j->end.at;
	int r;

	memcpy(at, &head, sizeof(head));
	head.sum = fragment_sum(j->end.chain, at, head.length);
	memcpy(at, &head.sum, sizeof(head.sum));
	forget_window(j, where, j->fill);
	r = write_all(j->fd, j->fragment, j->fill, where);
	if (r < 0)
		return r;
	j->end.at += j->fill;
	j->end.chain = head.sum;
	j->fill = 0;
	return 0;
}

static size_t left_in_fragment(const struct journal *j)
{
	return JOURNAL_CHUNK - j->end.at - j->fill;
}

/* There is a fragment, and there is room in it. */
static int make_room(struct journal *j)
{
	int r = 0;

	if (j->fill && !left_in_fragment(j))
		r = flush(j, false);
	if (r == 0 && !j->fill)
		r = begin_fragment(j);
	return r;
}

static int put_bytes(struct journal *j, const void *bytes, size_t size)
{
	const char *from = bytes;

	while (size > 0) {
		int r = make_room(j);
		size_t n = size;

		if (r < 0)
			return r;
		if (n > left_in_fragment(j))
			n = left_in_fragment(j);
		memcpy(j->fragment + j->fill, from, n);
		j->fill += (uint32_t)n;
		j->entry_left -= (uint32_t)n;
		from += n;
		size -= n;
	}
	return 0;
}

/* ---- a transaction ---- */

size_t journal_size(size_t key_size, size_t size)
{
	return (sizeof(struct entry_head) + key_size + size + 7) & ~(size_t)7;
}

bool journal_has_room(const struct journal *j, size_t size, size_t reserve)
{
	size_t left = left_in_fragment(j);
	size_t chunks = j->n_free > reserve ? j->n_free - reserve : 0;

	if (!j->fill)
		left = left < FRAGMENT_MIN ? 0 : left - sizeof(struct fragment_head);
	return size <= left || size - left <= chunks * (JOURNAL_CHUNK - CHUNK_BODY);
}

static int put_entry(struct journal *j, const struct journal_entry *entry, size_t padding)
{
	static const char zeros[8];
	struct entry_head head = {
		.size = entry->size,
		.kind = entry->kind,
		.key_size = entry->key_size,
		.number = entry->number,
	};
	int r = put_bytes(j, &head, sizeof(head));

	if (r == 0)
		r = put_bytes(j, entry->key, entry->key_size);
	if (r == 0)
		r = put_bytes(j, entry->bytes, entry->size);
	return r == 0 ? put_bytes(j, zeros, padding) : r;
}

int journal_append(struct journal *j, const struct journal_entry *entry, struct journal_place *ret)
{
	size_t size = journal_size(entry->key_size, entry->size);
	size_t padding = size - sizeof(struct entry_head) - entry->key_size - entry->size;
	int r;

	if (size > JOURNAL_ENTRY_MAX)
		return -E2BIG;
	r = make_room(j);
	if (r < 0)
		return r;
	ret->at = chunk_at(j->end.chunk) + j->end.at + j->fill;
	ret->size = (uint32_t)size;
	j->entry_left = (uint32_t)size;
	j->written += size;
	return put_entry(j, entry, padding);
}

size_t journal_written(const struct journal *j)
{
	return j->written;
}

static void free_chunk(struct journal *j, uint32_t chunk)
{
	j->chunks[chunk] = (struct chunk){.next = NO_CHUNK};
	j->free[j->n_free++] = chunk;
}

static void begin_next(struct journal *j)
{
	j->fill = 0;
	j->entry_left = 0;
	j->written = 0;
}

int journal_commit(struct journal *j)
{
	int r = j->fill ? 0 : begin_fragment(j);

	if (r == 0)
		r = flush(j, true);
	if (r < 0)
		return r;
	j->transaction++;
	j->settled = j->end;
	begin_next(j);
	return 0;
}

void journal_abort(struct journal *j)
{
	uint32_t chunk = j->chunks[j->settled.chunk].next;

	while (chunk != NO_CHUNK) {
		uint32_t next = j->chunks[chunk].next;

		free_chunk(j, chunk);
		chunk = next;
	}
	j->chunks[j->settled.chunk].next = NO_CHUNK;
	j->end = j->settled;
	journal_clean_again(j);
	begin_next(j);
}

struct journal_origin journal_origin(const struct journal *j)
{
	return j->origin;
}

uint64_t journal_transaction(const struct journal *j)
{
	return j->transaction;
}

/* ---- cleaning ---- */

void journal_count_live(struct journal *j, struct journal_place place, int what)
{
	uint64_t *live = &j->chunks[place.at / JOURNAL_CHUNK].live;

	*live = what > 0 ? *live + place.size : *live - place.size;
}

void journal_clean_again(struct journal *j)
{
	j->cleaner = (struct cleaner){.chunk = NO_CHUNK};
}

void journal_trim(struct journal *j)
{
	while (j->oldest != j->settled.chunk && !j->chunks[j->oldest].live) {
		uint32_t next = j->chunks[j->oldest].next;

		if (j->cleaner.chunk == j->oldest)
			journal_clean_again(j);
		free_chunk(j, j->oldest);
		j->oldest = next;
	}
}

/* ---- room ---- */

struct journal_room journal_room(const struct journal *j)
{
	return (struct journal_room){
		.size_bytes = j->n_chunks * JOURNAL_CHUNK,
		.chunks = j->n_chunks,
		.free_chunks = j->n_free,
	};
}

static int make_tables(struct journal *j, size_t n_chunks)
{
	struct chunk *chunks = realloc(j->chunks, n_chunks * sizeof(*chunks));
	uint32_t *free_ones;

	if (!chunks)
		return -ENOMEM;
	j->chunks = chunks;
	free_ones = realloc(j->free, n_chunks * sizeof(*free_ones));
	if (!free_ones)
		return -ENOMEM;
	j->free = free_ones;
	return 0;
}

int journal_add_chunks(struct journal *j, size_t size)
{
	size_t n_chunks = size / JOURNAL_CHUNK;
	int r = n_chunks < NO_CHUNK ? make_tables(j, n_chunks) : -EFBIG;

	if (r < 0)
		return r;
	for (size_t chunk = n_chunks; chunk-- > j->n_chunks;)
		free_chunk(j, (uint32_t)chunk);
	j->n_chunks = n_chunks;
	return 0;
}

/* Nothing but the file system being full or broken makes the allocation fail. */
int journal_grow(struct journal *j, size_t size)
{
	int r;

	do
		r = posix_fallocate(j->fd, 0, (off_t)size);
	while (r == EINTR);
	return r == 0 ? journal_add_chunks(j, size) : -r;
}
