/* SPDX-License-Identifier: MIT */
#include "tests/bench/operation.h"

#include <stdio.h>
#include <string.h>

#define CREATE_RELEASE (BIT(CALL_CREATE) | BIT(CALL_RELEASE))

static const struct operation operations[] = {
	{.name = "create+release",
		.unit = "a Create or a Release, by turns, and its reply",
		.idle = CALL_CREATE,
		.holding = CALL_RELEASE,
		.begins = CREATE_RELEASE,
		.counted = CREATE_RELEASE},
	{.name = "create",
		.unit = "a Create and its reply",
		.idle = CALL_CREATE,
		.holding = CALL_CREATE,
		.begins = BIT(CALL_CREATE),
		.counted = BIT(CALL_CREATE),
		.is_stocked = true},
	{.name = "renew",
		.unit = "a Renew and its reply",
		.idle = CALL_CREATE,
		.holding = CALL_RENEW,
		.begins = BIT(CALL_RENEW),
		.counted = BIT(CALL_RENEW),
		.is_prepared = true,
		.needs_timeout = true},
	{.name = "get",
		.unit = "a Get of one session and its reply",
		.idle = CALL_CREATE,
		.holding = CALL_GET,
		.begins = BIT(CALL_GET),
		.counted = BIT(CALL_GET),
		.is_prepared = true},
	{.name = "wait",
		.unit = "a handover: from a Release to the grant to one that waited",
		.idle = CALL_WAIT,
		.holding = CALL_RELEASE,
		.begins = BIT(CALL_RELEASE),
		.counted = BIT(CALL_WAIT),
		.is_prepared = true,
		.hands_over = true},
	{.name = "list",
		.unit = "a List of the pool's first page and its reply",
		.idle = CALL_LIST,
		.holding = CALL_LIST,
		.begins = BIT(CALL_LIST),
		.counted = BIT(CALL_LIST)},
	{.name = "metrics",
		.unit = "a GetMetrics and its reply",
		.idle = CALL_METRICS,
		.holding = CALL_METRICS,
		.begins = BIT(CALL_METRICS),
		.counted = BIT(CALL_METRICS)},
	{.name = "connect",
		.unit = "a connection made, a Create, its Release and their replies",
		.idle = CALL_CREATE,
		.holding = CALL_RELEASE,
		.begins = BIT(CALL_CREATE),
		.counted = BIT(CALL_RELEASE),
		.reconnects = true},
};
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

const struct operation *operation_find(const char *name)
{
	for (size_t i = 0; i < N_OPERATIONS; i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	}
	return NULL;
}

const char *operation_names(void)
{
	static char all[128];
	size_t used = 0;

	for (size_t i = 0; i < N_OPERATIONS; i++)
		used += (size_t)snprintf(
			all + used, sizeof(all) - used, "%s%s", i ? ", " : "", operations[i].name);
	return all;
}

bool operation_has_sessions(const struct operation *operation)
{
	return operation->idle == CALL_CREATE || operation->idle == CALL_WAIT;
}

bool operation_is_known(const struct operation *operation, const struct dialect *dialect)
{
	return dialect->requests[operation->idle].text &&
	       dialect->requests[operation->holding].text;
}
