/* SPDX-License-Identifier: MIT */
/* What a journal is in the file and in memory. Private to what writes it (journal.c), reads and
 * cleans it (journal_read.c), opens it and replays it. */
#ifndef USHER_DAEMON_JOURNAL_FILE_H
#define USHER_DAEMON_JOURNAL_FILE_H

#include "daemon/journal.h"

#include <string.h>

#define JOURNAL_MAGIC "usherd journal\n" /* and a NUL */

/* All sizes are multiples of 8. */
struct chunk_head {
	char magic[16];
	uint32_t version;
	uint32_t size; /* of this head */
	struct journal_origin origin;
	uint64_t order;    /* from 1 on; never one twice */
	uint64_t previous; /* the order of the chunk before; 0: it is the first one */
	uint64_t first;    /* of the oldest one needed when this one was begun */
	uint64_t chain;    /* the sum of the fragment before */
	uint64_t sum;      /* over all this */
};

struct fragment_head {
	uint64_t sum; /* over the rest, what follows, and the fragment before */
	uint64_t transaction;
	uint32_t length;
	uint32_t tail; /* how much of an entry that began before is still to come */
	uint32_t is_last;
	uint32_t zero;
};

struct entry_head {
	uint32_t size;
	uint16_t kind;
	uint16_t key_size;
	uint64_t number;
};

/* Less is left empty at the end of a chunk. */
#define FRAGMENT_MIN (sizeof(struct fragment_head) + sizeof(struct entry_head))
/* Where the bytes of an entry go on in the next chunk. */
#define CHUNK_BODY (sizeof(struct chunk_head) + sizeof(struct fragment_head))
#define NO_CHUNK   UINT32_MAX

struct chunk {
	uint64_t order; /* 0: free, and nothing is known of what is in it */
	uint64_t live;  /* bytes of entries that begin here */
	uint32_t next;
};

/* Where the next fragment goes. */
struct journal_end {
	uint32_t chunk;
	uint32_t at;
	uint64_t chain;
};

/* How far it has been cleaned. */
struct cleaner {
	uint32_t chunk; /* NO_CHUNK: the oldest one is next */
	uint32_t at;    /* 0: not begun */
	uint32_t fragment_end;
};

struct journal {
	int fd;
	size_t n_chunks;
	struct chunk *chunks;
	uint32_t *free; /* chunks: the last one is used next */
	size_t n_free;
	uint32_t oldest;
	struct journal_origin origin;
	struct journal_end settled;
	struct journal_end end; /* with this transaction */
	uint64_t transaction;   /* the last one that is settled */
	uint64_t next_order;

	char *fragment; /* JOURNAL_CHUNK bytes: what is to be written at END */
	uint32_t fill;
	uint32_t head_size; /* of the chunk's head in it */
	uint32_t tail;
	uint32_t entry_left; /* of the entry that is being appended */
	size_t written;

	struct cleaner cleaner;
	char *window; /* JOURNAL_CHUNK bytes of the file */
	uint64_t window_at;
	size_t window_size;
	char *scratch; /* an entry in more than one chunk */
	size_t scratch_size;
};

static inline uint64_t chunk_at(uint32_t chunk)
{
	return (uint64_t)chunk * JOURNAL_CHUNK;
}

/* Those up to SIZE bytes are free. -ENOMEM. */
int journal_add_chunks(struct journal *journal, size_t size);

uint64_t chunk_head_sum(const struct chunk_head *head);
/* Of the fragment at HEAD and the LENGTH bytes behind it; CHAIN is the sum of the one before. */
uint64_t fragment_sum(uint64_t chain, const void *head, size_t length);

/* ---- reading ---- */

/* Less than SIZE at the end of the file. */
int journal_read_at(int fd, void *bytes, size_t size, uint64_t at, size_t *ret_size);
/* The same; -EUCLEAN if there is less. */
int journal_read_all(int fd, void *bytes, size_t size, uint64_t at);

/* Into the window; less at the end of the file. */
int journal_load_chunk(struct journal *journal, uint32_t chunk);

/* At least SIZE bytes; what is in it stays. -EUCLEAN if no entry is that long, -ENOMEM. */
int journal_reserve_scratch(struct journal *journal, size_t size);

/* The entry that BYTES begin with; false if it does not end in them. */
bool journal_parse_entry(
	const char *bytes, size_t size, struct journal_entry *ret, size_t *ret_size);

/* What is at AT of the chunk in the window; false if it is no fragment that follows CHAIN. */
bool journal_find_fragment(
	const struct journal *journal, uint32_t at, uint64_t chain, struct fragment_head *ret);

#endif
