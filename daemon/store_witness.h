/* SPDX-License-Identifier: MIT */
/* Which transaction was the last one, told from outside of the store's file: where its last ones
 * are damaged it ends earlier, which is sound in itself, and what was released since would be back.
 * Private to the store.
 *
 * A page of a file of its own, in shared memory: it costs two stores a commit, and stays when the
 * process is killed. */
#ifndef USHER_DAEMON_STORE_WITNESS_H
#define USHER_DAEMON_STORE_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#define WITNESS_SUFFIX "-last"

struct witness {
	struct witness_page *page; /* NULL: none could be had */
};

/* Open or make the one of the store at PATH. Without one all goes on, with less certainty, if what
 * is there can be removed, which soon would not be true any more; else a negated errno. */
int witness_open(struct witness *witness, const char *path);
void witness_close(struct witness *witness);

/* This transaction has been committed. */
void witness_tell(struct witness *witness, uint64_t transaction);

/* Whether TRANSACTION may have been the last one of the store at PATH: the last one told, or the
 * one after it, for a process may be killed in between. True if there is no witness. */
bool witness_confirms(const char *path, uint64_t transaction);

#endif
