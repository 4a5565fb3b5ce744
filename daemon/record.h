/* SPDX-License-Identifier: MIT */
/* The records of the store: what a session, a pool and the table are, as bytes.
 *
 * The store is read by the machine and in the boot that wrote it, so numbers are in native order. A
 * record is a head, a part of fixed size, and texts. The head has the version of the format and the
 * size of the fixed part, and a sum over both, all the rest and the record's key: a record that was
 * damaged, or belongs elsewhere, is told from a sound one.
 *
 * How the format changes: a new field goes to the end of its fixed part; older records are shorter,
 * and what they lack reads as zero, which has to mean "as before"; older daemons skip what is
 * longer. A new text goes after the others in the same way, its length being a field. Only what
 * cannot be done so raises RECORD_VERSION: an older daemon then sets the store aside, and the newer
 * one has to read both. Never reuse a field.
 */
#ifndef USHER_DAEMON_RECORD_H
#define USHER_DAEMON_RECORD_H

#include "daemon/core/persist.h"

#include <stddef.h>
#include <stdint.h>

#define RECORD_VERSION   1
#define RECORD_TABLE_KEY "table"

struct record_head {
	uint16_t version;
	uint16_t fixed_size; /* of the fixed part after this head */
	uint32_t sum;        /* of the key, and of all but the sum itself; never 0 */
};

/* The size of a record, for RET of that size; then its sum. */
size_t record_session_size(const struct saved_session *saved);
uint32_t record_session(const struct saved_session *saved, void *ret);
size_t record_pool_size(const struct saved_pool *saved);
uint32_t record_pool(const struct saved_pool *saved, void *ret);

/* Of the table, with what the store adds: the sums over all sessions' and pools' sums, and
 * the time that the daemon stood still. */
struct record_totals {
	uint64_t session_sums;
	int64_t stalled_us;
	uint64_t pool_sums;
};
size_t record_table_size(const struct saved_table *saved);
void record_table(const struct saved_table *saved, const struct record_totals *totals, void *ret);

/* Whether BYTES are a sound record of KEY and of a version that can be read: 0, -EBADMSG if not,
 * -EPROTONOSUPPORT for one of a newer version. RET_SUM may be NULL. */
int record_check(
	const void *bytes, size_t size, const void *key, size_t key_size, uint32_t *ret_sum);

/* The same for a record as it is to be put under KEY: fills in its head. */
uint32_t record_seal(void *bytes, size_t size, size_t fixed_size, const void *key, size_t key_size);

/* The sum in the head of a record that was found sound before. */
uint32_t record_sum(const void *bytes);

/* Of sound records; what is out of range all the same is -EBADMSG. */
struct record_session_view {
	uint64_t sequence;
	const char *pool;
	size_t pool_length;
	struct session *session; /* filled as table_restore_session() wants it but for identities */
	struct record_identity {
		bool is_known;
		int32_t pid;
		uint64_t start_time;
		char comm[IDENTITY_COMM_SIZE];
		const char *unit; /* not NUL-ended */
		size_t unit_length;
	} identity, creator;
};
/* Whether it can be read: 0 or -EBADMSG. */
int record_check_session(const void *bytes, size_t size, uint64_t *ret_sequence);
int record_read_session_id(const void *bytes, size_t size, uint64_t *ret);
/* RET->session is the caller's. -ENOMEM. */
int record_read_session(const void *bytes, size_t size, struct record_session_view *ret);
/* The texts and the allow list are RET's: saved_pool_deinit(). */
int record_read_pool(const void *bytes, size_t size, struct saved_pool *ret);
int record_read_table(
	const void *bytes, size_t size, struct saved_table *ret, struct record_totals *ret_totals);

#endif
