/* SPDX-License-Identifier: MIT */
#include "daemon/journal_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_AHEAD ((size_t)64 << 10)
#define NEARBY     4096

/* ---- bytes ---- */

/* Less than SIZE at the end of the file. */
static int read_at(int fd, void *bytes, size_t size, uint64_t at, size_t *ret_size)
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

static int read_all(int fd, void *bytes, size_t size, uint64_t at)
{
	size_t n = 0;
	int r = read_at(fd, bytes, size, at, &n);

	return r == 0 && n < size ? -EUCLEAN : r;
}

static int load_window(struct journal *j, uint64_t at, size_t size)
{
	j->window_at = at;
	j->window_size = 0;
	return read_at(j->fd, j->window, size, at, &j->window_size);
}

static int load_chunk(struct journal *j, uint32_t chunk)
{
	if (j->window_at == chunk_at(chunk) && j->window_size == JOURNAL_CHUNK)
		return 0;
	return load_window(j, chunk_at(chunk), JOURNAL_CHUNK);
}

static int reserve_scratch(struct journal *j, size_t size)
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
	int r = reserve_scratch(j, size);

	for (size_t done = 0; r == 0 && done < size;) {
		uint32_t chunk = (uint32_t)(at / JOURNAL_CHUNK);
		size_t n = (size_t)(chunk_at(chunk) + JOURNAL_CHUNK - at);

		if (n > size - done)
			n = size - done;
		r = read_all(j->fd, j->scratch + done, n, at);
		done += n;
		chunk = j->chunks[chunk].next;
		if (r == 0 && done < size && chunk == NO_CHUNK)
			r = -EUCLEAN;
		at = chunk_at(chunk) + CHUNK_BODY;
	}
	return r;
}

/* ---- entries ---- */

/* What is at BYTES, all of it within SIZE; false if it is more. */
static bool parse_entry(const char *bytes, size_t size, struct journal_entry *ret, size_t *ret_size)
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

	if (r == 0 && (!parse_entry(bytes, place.size, ret, &size) || size != place.size))
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

/* The same; false as well if it does not follow CHAIN. */
static bool find_fragment(
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
	r = load_chunk(j, c->chunk);
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

	if (parse_entry(bytes, left, ret, ret_size))
		return 0;
	r = gather(j, at, sizeof(head));
	if (r < 0)
		return r;
	memcpy(&head, j->scratch, sizeof(head));
	*ret_size = journal_size(head.key_size, head.size);
	r = gather(j, at, *ret_size);
	if (r == 0 && !parse_entry(j->scratch, *ret_size, ret, ret_size))
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

/* ---- replaying ---- */

struct replay {
	struct journal *journal;
	journal_entry_fn *fn;
	void (*settle)(void *context);
	void *context;
	struct journal_end end;
	struct journal_place began; /* the entry in the scratch, which goes on */
	bool is_beginning;          /* what comes may belong to what was there before */
};

/* The rest of an entry that began in an earlier fragment; what of the fragment is left. */
static int take_tail(struct replay *p, const char **bytes, size_t *size, size_t tail)
{
	struct journal *j = p->journal;
	size_t n = tail < *size ? tail : *size, entry_size;
	struct journal_entry entry;
	int r;

	if (!p->began.size && tail && !p->is_beginning)
		return -EUCLEAN;
	if (p->began.size) {
		if (!tail)
			return -EUCLEAN;
		r = reserve_scratch(j, p->began.size + n);
		if (r < 0)
			return r;
		memcpy(j->scratch + p->began.size, *bytes, n);
		p->began.size += (uint32_t)n;
	}
	*bytes += n;
	*size -= n;
	if (n < tail || !p->began.size)
		return 0;
	if (!parse_entry(j->scratch, p->began.size, &entry, &entry_size) ||
		entry_size != p->began.size)
		return -EUCLEAN;
	r = p->fn(p->context, &entry, p->began);
	p->began.size = 0;
	return r;
}

static int keep_beginning(struct replay *p, const char *bytes, size_t size, uint64_t at)
{
	int r = reserve_scratch(p->journal, size);

	if (r < 0)
		return r;
	memcpy(p->journal->scratch, bytes, size);
	p->began = (struct journal_place){at, (uint32_t)size};
	return 0;
}

static int take_entries(struct replay *p, const char *bytes, size_t size, uint64_t at)
{
	struct journal_entry entry;
	size_t entry_size;
	int r = 0;

	while (r == 0 && size > 0) {
		if (!parse_entry(bytes, size, &entry, &entry_size))
			return keep_beginning(p, bytes, size, at);
		r = p->fn(p->context, &entry, (struct journal_place){at, (uint32_t)entry_size});
		bytes += entry_size;
		size -= entry_size;
		at += entry_size;
	}
	return r;
}

static int take_fragment(struct replay *p, const struct fragment_head *head)
{
	struct journal *j = p->journal;
	const char *bytes = j->window + p->end.at + sizeof(*head);
	const char *from = bytes;
	size_t size = head->length;
	int r = take_tail(p, &from, &size, head->tail);

	if (r == 0)
		r = take_entries(p, from, size,
			chunk_at(p->end.chunk) + p->end.at + sizeof(*head) +
				(size_t)(from - bytes));
	if (r < 0)
		return r;
	p->end.at += (uint32_t)sizeof(*head) + head->length;
	p->end.chain = head->sum;
	if (size || !head->tail)
		p->is_beginning = false;
	if (!head->is_last)
		return 0;
	if (p->began.size)
		return -EUCLEAN;
	p->settle(p->context);
	p->is_beginning = false;
	j->transaction = head->transaction;
	j->settled = p->end;
	return 0;
}

/* 1: its end is reached, and the next chunk may go on; 0: the end of all is. */
static int replay_chunk(struct replay *p)
{
	struct fragment_head fragment;
	int r = 0;

	while (r == 0 && JOURNAL_CHUNK - p->end.at >= FRAGMENT_MIN) {
		if (!find_fragment(p->journal, p->end.at, p->end.chain, &fragment))
			return 0;
		r = take_fragment(p, &fragment);
	}
	return r < 0 ? r : 1;
}

static int enter_chunk(struct replay *p, uint32_t chunk)
{
	struct chunk_head head;
	int r = load_chunk(p->journal, chunk);

	if (r < 0)
		return r;
	if (p->journal->window_size < sizeof(head))
		return 0;
	memcpy(&head, p->journal->window, sizeof(head));
	if (chunk == p->journal->oldest)
		p->end.chain = head.chain;
	p->end.chunk = chunk;
	p->end.at = sizeof(head);
	return head.sum == chunk_head_sum(&head) && head.chain == p->end.chain;
}

/* All but what is in use. */
static void find_free(struct journal *j)
{
	uint32_t chunk = j->chunks[j->settled.chunk].next;

	j->chunks[j->settled.chunk].next = NO_CHUNK;
	while (chunk != NO_CHUNK) {
		uint32_t next = j->chunks[chunk].next;

		j->chunks[chunk] = (struct chunk){.next = NO_CHUNK};
		chunk = next;
	}
	j->n_free = 0;
	for (size_t i = j->n_chunks; i-- > 0;)
		if (!j->chunks[i].order)
			j->free[j->n_free++] = (uint32_t)i;
}

int journal_replay(
	struct journal *j, journal_entry_fn *fn, void (*settle)(void *context), void *context)
{
	struct replay p = {.journal = j, .fn = fn, .settle = settle, .context = context};
	uint32_t chunk = j->oldest;
	int r = 1;

	p.is_beginning = true;
	while (r > 0 && chunk != NO_CHUNK) {
		r = enter_chunk(&p, chunk);
		if (r > 0 && chunk == j->oldest)
			j->settled = p.end;
		if (r > 0)
			r = replay_chunk(&p);
		chunk = j->chunks[chunk].next;
	}
	if (r < 0)
		return r;
	find_free(j);
	j->end = j->settled;
	journal_clean_again(j);
	return 0;
}

/* ---- opening ---- */

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
	int r = read_at(fd, &head, sizeof(head), chunk_at(chunk), &size);

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
	int r = read_all(
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
