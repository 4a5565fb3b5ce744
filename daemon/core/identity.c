/* SPDX-License-Identifier: MIT */
#include "daemon/core/identity.h"

#include <stdlib.h>
#include <string.h>

struct identity *identity_new(
	int32_t pid, uint64_t start_time, const char *comm, struct text *systemd_unit)
{
	struct identity *identity = calloc(1, sizeof(*identity));
	size_t length = strlen(comm);

	if (!identity)
		return NULL;
	atomic_init(&identity->references, 1);
	identity->pid = pid;
	identity->start_time = start_time;
	if (length > sizeof(identity->comm) - 1)
		length = sizeof(identity->comm) - 1;
	memcpy(identity->comm, comm, length);
	identity->systemd_unit = text_ref(systemd_unit);
	return identity;
}

struct identity *identity_ref(struct identity *identity)
{
	if (identity)
		atomic_fetch_add_explicit(&identity->references, 1, memory_order_relaxed);
	return identity;
}

struct identity *identity_unref(struct identity *identity)
{
	if (!identity ||
		atomic_fetch_sub_explicit(&identity->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	text_unref(identity->systemd_unit);
	free(identity);
	return NULL;
}

bool identity_unref_unless_last(struct identity *identity)
{
	return count_drop_unless_last(&identity->references);
}

bool identity_is_same(const struct identity *a, const struct identity *b)
{
	return a && b && a->pid != IDENTITY_PID_UNKNOWN && a->pid == b->pid &&
	       a->start_time == b->start_time;
}

struct groups *groups_new(size_t count)
{
	struct groups *groups = malloc(sizeof(*groups) + count * sizeof(groups->gids[0]));

	if (groups)
		groups->count = count;
	return groups;
}

void groups_free(struct groups *groups)
{
	free(groups);
}

bool groups_have(const struct groups *groups, uint32_t gid)
{
	for (size_t i = 0; groups && i < groups->count; i++)
		if (groups->gids[i] == gid)
			return true;
	return false;
}
