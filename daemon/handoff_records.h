/* SPDX-License-Identifier: MIT */
/* The description of a running daemon: its records, and what those who write and read them share.
 *
 * The records come in the order of their tags here, identities wherever they are first needed: so
 * whoever reads one has read what it refers to. A reference is a number, from 1; 0 is none. Tags
 * are never reused, and a new one may only say what older daemons can do without (pack.h).
 *
 * Main thread, while no loop runs.
 */
#ifndef USHER_DAEMON_HANDOFF_RECORDS_H
#define USHER_DAEMON_HANDOFF_RECORDS_H

#include "daemon/conn.h"
#include "daemon/core/carry.h"
#include "daemon/handoff.h"
#include "daemon/listener.h"
#include "daemon/pack.h"

enum handoff_tag {
	HANDOFF_IDENTITY = 1,
	HANDOFF_BROKER = 2, /* clock, seeds, what is stored, drain */
	HANDOFF_TABLE = 3,
	HANDOFF_POOL = 4,
	HANDOFF_LISTENER = 5,
	HANDOFF_CONN = 6,
	HANDOFF_SESSION = 7, /* live or waiting, by sequence */
	HANDOFF_ENDED = 8,   /* the oldest first */
	HANDOFF_END = 9,     /* everything is there */
};

/* Records in HANDOFF_CONN: the call in work. */
enum handoff_pending {
	HANDOFF_PENDING_FIRST = 32,
	HANDOFF_PENDING_LIST = 32,
	HANDOFF_PENDING_MONITOR = 33,
	HANDOFF_PENDING_DRAIN = 34,
	HANDOFF_PENDING_METRICS = 35,
	HANDOFF_PENDING_VERIFY = 36,
	HANDOFF_PENDING_LAST = 63, /* room for those to come */
};

/* ---- writing ---- */

struct identity_numbers;

struct packer {
	struct server *server;
	const struct table *table;
	struct pack_writer out;
	struct identity_numbers *identities;
	int *fds; /* borrowed ones */
	size_t n_fds;
	size_t fds_room;
};

/* 0 or -ENOMEM. */
int packer_init(struct packer *packer, struct server *server);
void packer_deinit(struct packer *packer);

/* The number of a descriptor that goes with the description. */
uint32_t packer_add_fd(struct packer *packer, int fd);

/* The number of IDENTITY, whose record is written if it has none yet: between records only. */
uint32_t packer_identity(struct packer *packer, struct identity *identity);

/* IS_STORED: the store has all that is to be stored. */
void packer_write_broker(struct packer *packer, bool is_stored);
void packer_write_table(struct packer *packer);
void packer_write_pools(struct packer *packer);
void packer_write_listeners(struct packer *packer, const struct listeners *listeners);
void packer_write_conns(struct packer *packer);
void packer_write_sessions(struct packer *packer);
void packer_write_ended(struct packer *packer);

/* ---- reading ---- */

struct unpacker {
	struct server *server;
	struct handoff_parcel *parcel;
	struct identity **identities; /* one reference each */
	size_t n_identities;
	size_t identities_room;
	struct conn **conns;
	size_t n_conns;
	size_t conns_room;
	struct drain drain; /* goes on when all sessions are there */
	bool is_complete;
	const char *fault; /* what is wrong, for the log */
};

void unpacker_deinit(struct unpacker *unpacker);

/* What is wrong; returns ERROR. */
int unpacker_fail(struct unpacker *unpacker, int error, const char *fault);

/* The descriptor of this number, which is the caller's from then on; -EBADMSG. */
int parcel_take_fd(struct handoff_parcel *parcel, uint32_t number);

/* The identity of this number, not a new reference; NULL for 0. 0 or -EBADMSG. */
int unpacker_identity(struct unpacker *unpacker, uint32_t number, struct identity **ret);

/* One record each: 0 or a negated errno. */
int unpack_identity(struct unpacker *unpacker, struct pack_reader record);
int unpack_broker(struct unpacker *unpacker, struct pack_reader record);
int unpack_table(struct unpacker *unpacker, struct pack_reader record);
int unpack_pool(struct unpacker *unpacker, struct pack_reader record);
int unpack_conn(struct unpacker *unpacker, struct pack_reader record);
int unpack_session(struct unpacker *unpacker, struct pack_reader record);
int unpack_ended(struct unpacker *unpacker, struct pack_reader record);

/* What is read before there is a server. */
int unpack_past(struct pack_reader record, struct handoff_past *ret);
int unpack_listener(struct handoff_parcel *parcel, struct pack_reader record,
	struct listeners *listeners, const char *socket_path);

/* ---- for both ---- */

static inline struct pack_span span_of_text(const struct text *text)
{
	return text ? (struct pack_span){text->bytes, text->length} : (struct pack_span){NULL, 0};
}

/* A new text, or NULL for an absent one. 0, -ENOMEM or -EBADMSG. */
int text_of_span(struct pack_span span, struct text **ret);

#endif
