/* SPDX-License-Identifier: MIT */
#include "daemon/core/table_internal.h"

#include <stdlib.h>
#include <string.h>

const struct pool_settings pool_settings_builtin = {
	.limit = 200,
	.max_metadata_bytes = 10240,
	.default_timeout_ms = -1,
	.max_timeout_ms = -1,
	.max_duration_ms = -1,
	.on_timeout = ON_TIMEOUT_RELEASE,
	.max_waiters = 1000,
	.per_uid_waiters = POOL_NO_QUOTA,
	.quotas = {POOL_NO_QUOTA, POOL_NO_QUOTA, POOL_NO_QUOTA},
	.fair_by = BY_UID,
	.age_step_ms = 10000,
	.starve_after_ms = 300000,
	.enforce = true,
};

struct allow_list *allow_list_new(size_t count)
{
	struct allow_list *list = calloc(1, sizeof(*list) + count * sizeof(list->entries[0]));

	if (!list)
		return NULL;
	atomic_init(&list->references, 1);
	list->count = count;
	return list;
}

struct allow_list *allow_list_ref(struct allow_list *list)
{
	if (list)
		atomic_fetch_add_explicit(&list->references, 1, memory_order_relaxed);
	return list;
}

struct allow_list *allow_list_unref(struct allow_list *list)
{
	if (!list || atomic_fetch_sub_explicit(&list->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	for (size_t i = 0; i < list->count; i++)
		text_unref(list->entries[i].name);
	free(list);
	return NULL;
}

static bool is_alphanumeric(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool pool_name_is_valid(const char *name, size_t length)
{
	if (!length || length > POOL_NAME_MAX || !is_alphanumeric(name[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!is_alphanumeric(name[i]) && !memchr("._-", name[i], 3))
			return false;
	return true;
}

struct pool *pool_new(const char *name, size_t length, const struct pool_settings *settings,
	enum pool_source source)
{
	return pool_new_sized(name, length, settings, source, 0);
}

struct pool *pool_new_sized(const char *name, size_t length, const struct pool_settings *settings,
	enum pool_source source, uint32_t slots)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	list_init(&pool->link);
	list_init(&pool->sessions);
	list_init(&pool->waiters);
	list_init(&pool->pump_link);
	list_init(&pool->dirty_link);
	tally_init(&pool->all, pool, BY_NONE);
	tally_init(&pool->unlabelled, pool, BY_LABEL);
	pool_init_keys(pool);
	pool->settings = *settings;
	allow_list_ref(pool->settings.allow);
	pool->source = source;
	pool->name = text_new(name, length);
	pool->slots = slotmap_new(slots > settings->limit ? slots : settings->limit);
	if (!pool->name || !pool->slots) {
		pool_free(pool);
		return NULL;
	}
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	slotmap_free(pool->slots);
	allow_list_unref(pool->settings.allow);
	text_unref(pool->pause.reason);
	text_unref(pool->name);
	free(pool);
}

void pool_view_deinit(struct pool_view *view)
{
	text_unref(view->name);
	allow_list_unref(view->settings.allow);
	text_unref(view->pause_reason);
	*view = (struct pool_view){0};
}
