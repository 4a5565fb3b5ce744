/* SPDX-License-Identifier: MIT */
/* Processes that sessions name: written once each, and shared again when read. Besides, the life of
 * packers and unpackers. */
#include "daemon/handoff_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

/* ---- which number an identity has: a hash table by its address ---- */

struct identity_numbers {
	struct identity **keys; /* NULL: free */
	uint32_t *numbers;
	size_t room; /* a power of two */
	uint32_t count;
};

static bool allocate(struct identity_numbers *n, size_t room)
{
	struct identity **keys = calloc(room, sizeof(*keys));
	uint32_t *numbers = calloc(room, sizeof(*numbers));

	if (!keys || !numbers) {
		free(keys);
		free(numbers);
		return false;
	}
	*n = (struct identity_numbers){.keys = keys, .numbers = numbers, .room = room};
	return true;
}

static size_t place_of(const struct identity_numbers *n, const struct identity *identity)
{
	size_t at = (size_t)((uintptr_t)identity / 16 * UINT64_C(0x9e3779b97f4a7c15) >> 20);

	for (at &= n->room - 1; n->keys[at] && n->keys[at] != identity;)
		at = (at + 1) & (n->room - 1);
	return at;
}

static bool grow_numbers(struct identity_numbers *n)
{
	struct identity_numbers larger;

	if (!allocate(&larger, n->room * 2))
		return false;
	larger.count = n->count;
	for (size_t i = 0; i < n->room; i++) {
		size_t at;

		if (!n->keys[i])
			continue;
		at = place_of(&larger, n->keys[i]);
		larger.keys[at] = n->keys[i];
		larger.numbers[at] = n->numbers[i];
	}
	free(n->keys);
	free(n->numbers);
	n->keys = larger.keys;
	n->numbers = larger.numbers;
	n->room = larger.room;
	return true;
}

/* ---- writing ---- */

int packer_init(struct packer *packer, struct server *server)
{
	struct identity_numbers *identities = calloc(1, sizeof(*identities));

	*packer = (struct packer){
		.server = server,
		.table = broker_stopped_table(server->broker),
	};
	pack_writer_init(&packer->out);
	if (!identities || !allocate(identities, FIRST_ROOM)) {
		free(identities);
		return -ENOMEM;
	}
	packer->identities = identities;
	return 0;
}

void packer_deinit(struct packer *packer)
{
	pack_writer_deinit(&packer->out);
	if (packer->identities) {
		free(packer->identities->keys);
		free(packer->identities->numbers);
	}
	free(packer->identities);
	free(packer->fds);
}

uint32_t packer_add_fd(struct packer *packer, int fd)
{
	if (packer->n_fds == packer->fds_room) {
		size_t room = packer->fds_room ? packer->fds_room * 2 : FIRST_ROOM;
		int *fds = realloc(packer->fds, room * sizeof(*fds));

		if (!fds) {
			packer->out.failed = true;
			return 0;
		}
		packer->fds = fds;
		packer->fds_room = room;
	}
	packer->fds[packer->n_fds++] = fd;
	return (uint32_t)packer->n_fds;
}

struct packed_identity {
	int32_t pid;
	uint64_t start_time;
	struct pack_span comm;
	struct pack_span unit;
};

static const struct pack_item identity_items[] = {
	PACK_ITEM(packed_identity, 1, PACK_I32, pid),
	PACK_ITEM(packed_identity, 2, PACK_U64, start_time),
	PACK_ITEM(packed_identity, 3, PACK_SPAN, comm),
	PACK_ITEM(packed_identity, 4, PACK_SPAN, unit),
	{0},
};

static void write_identity(struct pack_writer *out, const struct identity *identity)
{
	const struct packed_identity packed = {
		.pid = identity->pid,
		.start_time = identity->start_time,
		.comm = {identity->comm, strlen(identity->comm)},
		.unit = span_of_text(identity->systemd_unit),
	};
	size_t begun = pack_begin(out, HANDOFF_IDENTITY);

	pack_struct(out, identity_items, &packed);
	pack_end(out, begun);
}

uint32_t packer_identity(struct packer *packer, struct identity *identity)
{
	struct identity_numbers *n = packer->identities;
	size_t at;

	if (!identity)
		return 0;
	if (n->count >= n->room / 2 && !grow_numbers(n)) {
		packer->out.failed = true;
		return 0;
	}
	at = place_of(n, identity);
	if (!n->keys[at]) {
		n->keys[at] = identity;
		n->numbers[at] = ++n->count;
		write_identity(&packer->out, identity);
	}
	return n->numbers[at];
}

/* ---- reading ---- */

void unpacker_deinit(struct unpacker *unpacker)
{
	for (size_t i = 0; i < unpacker->n_identities; i++)
		identity_unref(unpacker->identities[i]);
	free(unpacker->identities);
	free(unpacker->conns);
}

int unpacker_fail(struct unpacker *unpacker, int error, const char *fault)
{
	if (!unpacker->fault)
		unpacker->fault = fault;
	return error;
}

int parcel_take_fd(struct handoff_parcel *parcel, uint32_t number)
{
	int fd = number > 0 && number <= parcel->n_fds ? parcel->fds[number - 1] : -1;

	if (fd < 0)
		return -EBADMSG;
	parcel->fds[number - 1] = -1;
	return fd;
}

int unpacker_identity(struct unpacker *unpacker, uint32_t number, struct identity **ret)
{
	if (number > unpacker->n_identities)
		return unpacker_fail(unpacker, -EBADMSG, "a process that is not there");
	*ret = number ? unpacker->identities[number - 1] : NULL;
	return 0;
}

int text_of_span(struct pack_span span, struct text **ret)
{
	*ret = NULL;
	if (span.length >= UINT32_MAX)
		return -EBADMSG;
	if (span.bytes)
		*ret = text_new(span.bytes, span.length);
	return span.bytes && !*ret ? -ENOMEM : 0;
}

static bool has_room(struct unpacker *unpacker)
{
	size_t room = unpacker->identities_room ? unpacker->identities_room * 2 : FIRST_ROOM;
	struct identity **identities;

	if (unpacker->n_identities < unpacker->identities_room)
		return true;
	identities = realloc(unpacker->identities, room * sizeof(struct identity *));
	if (!identities)
		return false;
	unpacker->identities = identities;
	unpacker->identities_room = room;
	return true;
}

int unpack_identity(struct unpacker *unpacker, struct pack_reader record)
{
	struct packed_identity packed;
	char comm[IDENTITY_COMM_SIZE] = "";
	struct identity *identity;
	struct text *unit;
	int r = unpack_struct(record, identity_items, &packed, sizeof(packed));

	if (r < 0 || packed.comm.length >= sizeof(comm))
		return unpacker_fail(unpacker, -EBADMSG, "a process");
	if (packed.comm.length > 0)
		memcpy(comm, packed.comm.bytes, packed.comm.length);
	if (!has_room(unpacker))
		return -ENOMEM;
	r = text_of_span(packed.unit, &unit);
	if (r < 0)
		return r;
	identity = identity_new(packed.pid, packed.start_time, comm, unit);
	text_unref(unit);
	if (!identity)
		return -ENOMEM;
	unpacker->identities[unpacker->n_identities++] = identity;
	return 0;
}
