/* SPDX-License-Identifier: MIT */
#include "daemon/kept.h"

#include "daemon/commit.h"
#include "daemon/log.h"
#include "daemon/recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void say_aside(const struct kept *k, const char *aside)
{
	struct log_field fields[] = {{LOG_MESSAGE_ID, LOG_ID_SET_ASIDE}};
	const char *why = k->found == STORE_OLD_BOOT  ? "is of an earlier boot"
			  : k->found == STORE_CORRUPT ? "is damaged"
						      : "is of a newer version of usherd";

	log_entry(k->found == STORE_OLD_BOOT ? LOG_NOTICE : LOG_ERR, fields, 1,
		"%s/%s %s: set aside as %s; no session is taken from it", k->state.directory,
		STORE_FILE, why, aside);
}

/* For want of room or of a working file system the daemon serves all the same, and tries again: but
 * not if there may be sessions of an earlier run, which it would leave out, and their slots grant
 * to others. */
static bool can_wait(const struct kept *k, int error)
{
	if (!k->store || k->found == STORE_LOADED || k->found == STORE_UNKNOWN)
		return false;
	return error == -ENOSPC || error == -EDQUOT || error == -EIO || error == -EROFS;
}

static int open_store(struct kept *k, const struct config *config, char *message, size_t size)
{
	struct store_options options = {
		.directory = k->state.directory,
		.boot_id = k->state.boot_id,
		.max_bytes = (size_t)config->max_state_bytes,
		.seed = {k->broker.seed[0], k->broker.seed[1]},
	};
	const char *aside = NULL;
	int r = store_open(&options, &k->store, &k->found, &aside);

	if (aside)
		say_aside(k, aside);
	memcpy(k->broker.seed, options.seed, sizeof(options.seed));
	k->store_error = r;
	if (r < 0 && !can_wait(k, r)) {
		snprintf(
			message, size, "%s/%s: %s", k->state.directory, STORE_FILE, store_error(r));
		return r;
	}
	return 0;
}

static void raise_fence(struct kept *k, uint64_t fence)
{
	if (fence > k->broker.first_fence)
		k->broker.first_fence = fence;
}

/* What an earlier run has to say before there is a table: its clock, and its last fence. Of one
 * that left no store the fences that it had reserved count as given. */
static int read_past(struct kept *k)
{
	struct record_totals totals;
	struct saved_table saved;
	int r;

	r = k->found == STORE_LOADED ? store_read_table(k->store, &saved, &totals) : -ENOENT;
	if (r == -ENOENT)
		raise_fence(k, k->state.fence_mark);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	raise_fence(k, saved.next_fence);
	/* More was reserved than that store can have known of: there was another one since. */
	if (k->state.fence_mark > saved.next_fence + FENCES_A_BLOCK)
		raise_fence(k, k->state.fence_mark);
	k->stalled_us = totals.stalled_us;
	saved_table_deinit(&saved);
	return 0;
}

int kept_open(struct kept *k, const struct options *options, const struct config *config,
	char *message, size_t size)
{
	const char *socket = options->socket ? options->socket : config->socket;
	struct timespec now;
	int r;

	*k = (struct kept){.state.lock_fd = -1, .is_stateless = options->is_stateless};
	r = broker_make_seed(k->broker.seed);
	clock_gettime(CLOCK_REALTIME, &now);
	k->broker.first_fence = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	k->broker.history_limit = (uint32_t)config->history;
	if (r < 0 || options->is_stateless)
		return r;
	r = state_open(&k->state, options->state_dir, socket, message, size);
	if (r == 0)
		r = open_store(k, config, message, size);
	return r < 0 ? r : read_past(k);
}

void kept_join(struct kept *k, struct handover *handover)
{
	const struct handoff_past *past = &handover->past;

	if (!handover->is_there)
		return;
	if (k->found == STORE_LOADED && k->store && !handoff_fits(handover, k->store))
		return;
	memcpy(k->broker.seed, past->seed, sizeof(past->seed));
	k->stalled_us = past->stalled_us;
}

/* What was handed over is not what lies in the store: that begins anew. */
static bool is_store_behind(const struct kept *k, const struct handover *handover)
{
	return handover->is_there && (k->found != STORE_LOADED || !handover->past.is_stored);
}

static int fill(struct kept *k, const struct handover *handover, struct server *server)
{
	if (k->found != STORE_LOADED)
		return 0;
	if (!handover->is_there)
		return recover(server, k->store, &server->loops[0]);
	if (is_store_behind(k, handover))
		k->store_error = store_begin_anew(k->store);
	return 0;
}

int kept_take(struct kept *k, struct handover *handover, struct server *server, char *message,
	size_t size)
{
	int r = 0;

	if (handover->is_there)
		r = handoff_unpack(handover, server);
	if (r < 0 || k->is_stateless)
		return r;
	r = fill(k, handover, server);
	if (r < 0) {
		snprintf(
			message, size, "%s/%s: %s", k->state.directory, STORE_FILE, store_error(r));
		return r;
	}
	server->committer = committer_new(server, &k->state, k->store, k->store_error);
	if (!server->committer)
		return -ENOMEM;
	k->store = NULL;
	committer_begin(server->committer, &server->loops[0], is_store_behind(k, handover));
	return 0;
}

void kept_close(struct kept *k)
{
	store_close(k->store);
	if (!k->is_stateless)
		state_close(&k->state);
}
