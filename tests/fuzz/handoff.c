/* SPDX-License-Identifier: MIT */
/* The description of a running daemon, as the next one takes it. Anything may come of it but a
 * table that is broken; what was taken is described again, and that must be taken, too.
 *
 * The text spells a description so that its lengths are right whatever is changed: < and a byte
 * begin a field of that tag, > ends it, and \ stands before a byte that is meant as it is. Behind a
 * first byte of ! it is the description itself.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/handoff_records.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define N_FDS      6
#define NESTED_MAX 8
#define TEXT_MAX   65536

static const char settings[] = "[broker]\nlog_level = err\nmax_message = 4096\n"
			       "[pool two]\nlimit = 2\nmax_waiters = 3\n"
			       "[pool held]\nlimit = 2\non_timeout = hold\nper_uid_limit = 1\n";

/* What the descriptors are copies of. */
static int ends[N_FDS];

static void spell(const uint8_t *data, size_t size, struct pack_writer *out)
{
	size_t begun[NESTED_MAX], depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] == '<' && i + 1 < size && depth < NESTED_MAX)
			begun[depth++] = pack_begin(out, data[++i]);
		else if (data[i] == '>' && depth > 0)
			pack_end(out, begun[--depth]);
		else if (data[i] == '\\' && i + 1 < size)
			pack_raw(out, &data[++i], 1);
		else
			pack_raw(out, &data[i], 1);
	}
	while (depth > 0)
		pack_end(out, begun[--depth]);
}

static int take(const void *bytes, size_t size)
{
	static struct listeners listeners;
	struct handover handover = {.is_there = true, .listeners = &listeners};
	int r;

	handover.parcel = (struct handoff_parcel){
		.fds = calloc(N_FDS, sizeof(int)),
		.n_fds = N_FDS,
		.description = exact_copy(bytes, size),
		.description_size = size,
		.memfd = -1,
	};
	REQUIRE(handover.parcel.fds != NULL);
	for (int i = 0; i < N_FDS; i++)
		handover.parcel.fds[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
	r = handoff_unpack(&handover, &host_server);
	if (r == 0)
		handoff_accept(&handover, &host_server);
	return r;
}

static void describe(struct pack_writer *ret)
{
	struct packer packer;

	REQUIRE(packer_init(&packer, &host_server) == 0);
	packer_write_broker(&packer, false);
	packer_write_table(&packer);
	packer_write_pools(&packer);
	packer_write_conns(&packer);
	packer_write_sessions(&packer);
	packer_write_ended(&packer);
	pack_end(&packer.out, pack_begin(&packer.out, HANDOFF_END));
	REQUIRE(!pack_writer_failed(&packer.out) && packer.n_fds <= N_FDS);
	*ret = packer.out;
	pack_writer_init(&packer.out);
	packer_deinit(&packer);
}

/* The first has gone on for some turns, so the second is not the first's equal; but it fits. */
static void take_twice(const void *bytes, size_t size)
{
	struct pack_writer again;
	int r;

	host_begin();
	r = take(bytes, size);
	if (r < 0) {
		host_end();
		return;
	}
	host_turn();
	describe(&again);
	host_advance(INT64_C(86400000000));
	host_end();
	host_begin();
	REQUIRE(take(again.data, again.length) == 0);
	host_turn();
	host_end();
	pack_writer_deinit(&again);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	host_init(settings);
	host_is_told = true;
	for (int i = 0; i < N_FDS; i += 2) {
		int pair[2];

		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
		ends[i] = pair[0];
		ends[i + 1] = pair[1];
	}
	return 0;
}

/* What one description made the servers say to these must not be heard by the next. */
static void drain(void)
{
	char bytes[4096];

	for (int i = 0; i < N_FDS; i++)
		while (read(ends[i], bytes, sizeof(bytes)) > 0)
			;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_writer spelled;

	if (size > TEXT_MAX)
		return 0;
	pack_writer_init(&spelled);
	if (size > 0 && data[0] == '!')
		pack_raw(&spelled, data + 1, size - 1);
	else
		spell(data, size, &spelled);
	take_twice(spelled.data, spelled.length);
	pack_writer_deinit(&spelled);
	drain();
	return 0;
}
