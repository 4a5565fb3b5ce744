/* SPDX-License-Identifier: MIT */
/* All that is in a journal, from the oldest chunk on to the last transaction that is whole. */
#include "daemon/journal_file.h"

#include <errno.h>

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
		r = journal_reserve_scratch(j, p->began.size + n);
		if (r < 0)
			return r;
		memcpy(j->scratch + p->began.size, *bytes, n);
		p->began.size += (uint32_t)n;
	}
	*bytes += n;
	*size -= n;
	if (n < tail || !p->began.size)
		return 0;
	if (!journal_parse_entry(j->scratch, p->began.size, &entry, &entry_size) ||
		entry_size != p->began.size)
		return -EUCLEAN;
	r = p->fn(p->context, &entry, p->began);
	p->began.size = 0;
	return r;
}

static int keep_beginning(struct replay *p, const char *bytes, size_t size, uint64_t at)
{
	int r = journal_reserve_scratch(p->journal, size);

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
		if (!journal_parse_entry(bytes, size, &entry, &entry_size))
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
		if (!journal_find_fragment(p->journal, p->end.at, p->end.chain, &fragment))
			return 0;
		r = take_fragment(p, &fragment);
	}
	return r < 0 ? r : 1;
}

static int enter_chunk(struct replay *p, uint32_t chunk)
{
	struct chunk_head head;
	int r = journal_load_chunk(p->journal, chunk);

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
