/* SPDX-License-Identifier: MIT */
#include "daemon/journal_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_AHEAD ((size_t)64 << 10)
#define NEARBY     4096

/* ---- bytes ---- */

int journal_read_at(int fd, void *bytes, size_t size, uint64_t at, size_t *ret_size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)bytes + done, size - done, (off_t)(at + done));

		if (n < 0 && errno != EINTR)
			return errno == EIO ? -EUCLEAN : -errno;
		if (n == 0)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	*ret_size = done;
	return 0;
}

int journal_read_all(int fd, void *bytes, size_t size, uint64_t at)
{
	size_t n = 0;
	int r = journal_read_at(fd, bytes, size, at, &n);

	return r == 0 && n < size ? -EUCLEAN : r;
}

static int load_window(struct journal *j, uint64_t at, size_t size)
{
	j->window_at = at;
	j->window_size = 0;
	return journal_read_at(j->fd, j->window, size, at, &j->window_size);
}

int journal_load_chunk(struct journal *j, uint32_t chunk)
{
	if (j->window_at == chunk_at(chunk) && j->window_size == JOURNAL_CHUNK)
		return 0;
	return load_window(j, chunk_at(chunk), JOURNAL_CHUNK);
}

int journal_reserve_scratch(struct journal *j, size_t size)
{
	size_t larger = j->scratch_size ? j->scratch_size : 4096;
	char *scratch;

	if (size > JOURNAL_ENTRY_MAX)
		return -EUCLEAN;
	if (size <= j->scratch_size)
		return 0;
	while (larger < size)
		larger *= 2;
	scratch = realloc(j->scratch, larger);
	if (!scratch)
		return -ENOMEM;
	j->scratch = scratch;
	j->scratch_size = larger;
	return 0;
}

/* An entry's bytes at AT, which go on in the chunk after it if they have to. */
static int gather(struct journal *j, uint64_t at, size_t size)
{
	int r = journal_reserve_scratch(j, size);

	for (size_t done = 0; r == 0 && done < size;) {
		uint32_t chunk = (uint32_t)(at / JOURNAL_CHUNK);
		size_t n = (size_t)(chunk_at(chunk) + JOURNAL_CHUNK - at);

		if (n > size - done)
			n = size - done;
		r = journal_read_all(j->fd, j->scratch + done, n, at);
		done += n;
		chunk = j->chunks[chunk].next;
		if (r == 0 && done < size && chunk == NO_CHUNK)
			r = -EUCLEAN;
		at = chunk_at(chunk) + CHUNK_BODY;
	}
	return r;
}

/* ---- entries ---- */

bool journal_parse_entry(
	const char *bytes, size_t size, struct journal_entry *ret, size_t *ret_size)
{
	struct entry_head head;

	if (size < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	*ret = (struct journal_entry){
		.kind = head.kind,
		.key_size = head.key_size,
		.size = head.size,
		.number = head.number,
		.key = bytes + sizeof(head),
		.bytes = bytes + sizeof(head) + head.key_size,
	};
	*ret_size = journal_size(head.key_size, head.size);
	return *ret_size <= size;
}

static bool is_in_window(const struct journal *j, uint64_t at, size_t size)
{
	return at >= j->window_at && at + size <= j->window_at + j->window_size;
}

/* What comes next is read with it when they are read more or less in order. */
static int read_window(struct journal *j, uint64_t at, size_t size)
{
	uint64_t end = (at / JOURNAL_CHUNK + 1) * JOURNAL_CHUNK;

	if (at >= j->window_at && at <= j->window_at + j->window_size + NEARBY && size < READ_AHEAD)
		size = READ_AHEAD;
	if (size > end - at)
		size = (size_t)(end - at);
	return load_window(j, at, size);
}

/* BYTES of it, wherever they are. */
static int fetch(struct journal *j, uint64_t at, size_t size, const char **ret)
{
	int r = 0;

	if (at / JOURNAL_CHUNK != (at + size - 1) / JOURNAL_CHUNK) {
		*ret = NULL;
		r = gather(j, at, size);
		if (r == 0)
			*ret = j->scratch;
		return r;
	}
	if (!is_in_window(j, at, size))
		r = read_window(j, at, size);
	if (r == 0 && !is_in_window(j, at, size))
		r = -EUCLEAN;
	*ret = j->window + (at - j->window_at);
	return r;
}

int journal_read(struct journal *j, struct journal_place place, struct journal_entry *ret)
{
	const char *bytes;
	size_t size;
	int r = fetch(j, place.at, place.size, &bytes);

	if (r == 0 && (!journal_parse_entry(bytes, place.size, ret, &size) || size != place.size))
		r = -EUCLEAN;
	return r;
}

/* ---- fragments ---- */

/* What is at AT of the chunk in the window; false if it cannot be one. */
static bool parse_fragment(const struct journal *j, uint32_t at, struct fragment_head *ret)
{
	if (j->window_size < at + sizeof(*ret))
		return false;
	memcpy(ret, j->window + at, sizeof(*ret));
	return ret->transaction && ret->length % 8 == 0 &&
	       ret->length <= j->window_size - at - sizeof(*ret);
}

bool journal_find_fragment(
	const struct journal *j, uint32_t at, uint64_t chain, struct fragment_head *ret)
{
	return parse_fragment(j, at, ret) &&
	       ret->sum == fragment_sum(chain, j->window + at, ret->length);
}

/* ---- cleaning ---- */

/* The next fragment in which an entry begins: 1; 0 at the end of the chunk. It was whole when it
 * was found or written. */
static int next_fragment(struct journal *j)
{
	struct cleaner *c = &j->cleaner;
	struct fragment_head head;

	do {
		if (JOURNAL_CHUNK - c->fragment_end < FRAGMENT_MIN)
			return 0;
		if (!parse_fragment(j, c->fragment_end, &head))
			return -EUCLEAN;
		c->at = c->fragment_end + (uint32_t)sizeof(head);
		c->fragment_end = c->at + head.length;
	} while (head.tail >= head.length);
	c->at += head.tail;
	return 1;
}

static int begin_cleaning(struct journal *j)
{
	struct cleaner *c = &j->cleaner;
	struct chunk_head head;
	int r;

	if (c->chunk == NO_CHUNK)
		*c = (struct cleaner){.chunk = j->oldest};
	if (c->chunk == j->settled.chunk)
		return 0;
	r = journal_load_chunk(j, c->chunk);
	if (r < 0)
		return r;
	if (j->window_size != JOURNAL_CHUNK)
		return -EUCLEAN;
	if (c->at)
		return 1;
	memcpy(&head, j->window, sizeof(head));
	if (head.sum != chunk_head_sum(&head))
		return -EUCLEAN;
	c->at = c->fragment_end = sizeof(head);
	return 1;
}

/* 1: there is an entry; 0: it is all cleaned. */
static int find_entry(struct journal *j)
{
	struct cleaner *c = &j->cleaner;
	int r;

	for (;;) {
		r = begin_cleaning(j);
		if (r <= 0 || c->at < c->fragment_end)
			return r;
		r = next_fragment(j);
		if (r != 0)
			return r;
		*c = (struct cleaner){.chunk = j->chunks[c->chunk].next};
	}
}

static int read_entry(struct journal *j, uint64_t at, struct journal_entry *ret, size_t *ret_size)
{
	size_t left = (size_t)(j->cleaner.fragment_end - j->cleaner.at);
	const char *bytes = j->window + j->cleaner.at;
	struct entry_head head;
	int r;

	if (journal_parse_entry(bytes, left, ret, ret_size))
		return 0;
	r = gather(j, at, sizeof(head));
	if (r < 0)
		return r;
	memcpy(&head, j->scratch, sizeof(head));
	*ret_size = journal_size(head.key_size, head.size);
	r = gather(j, at, *ret_size);
	if (r == 0 && !journal_parse_entry(j->scratch, *ret_size, ret, ret_size))
		r = -EUCLEAN;
	return r;
}

int journal_clean(struct journal *j, struct journal_entry *ret, struct journal_place *ret_place)
{
	struct cleaner *c = &j->cleaner;
	size_t size;
	int r = find_entry(j);

	if (r <= 0)
		return r;
	ret_place->at = chunk_at(c->chunk) + c->at;
	r = read_entry(j, ret_place->at, ret, &size);
	if (r < 0)
		return r;
	ret_place->size = (uint32_t)size;
	c->at = size < c->fragment_end - c->at ? c->at + (uint32_t)size : c->fragment_end;
	return 1;
}
