/* SPDX-License-Identifier: MIT */
#include "daemon/core/pool.h"

#include <stdlib.h>
#include <string.h>

const struct pool_settings pool_settings_builtin = {
	.limit = 200,
	.max_metadata_bytes = 10240,
	.default_timeout_ms = -1,
	.max_timeout_ms = -1,
	.max_duration_ms = -1,
	.on_timeout = ON_TIMEOUT_RELEASE,
};

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
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	list_init(&pool->link);
	list_init(&pool->sessions);
	pool->settings = *settings;
	pool->source = source;
	pool->name = text_new(name, length);
	pool->slots = slotmap_new(settings->limit);
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
	text_unref(pool->pause.reason);
	text_unref(pool->name);
	free(pool);
}

void pool_view_deinit(struct pool_view *view)
{
	text_unref(view->name);
	text_unref(view->pause_reason);
	*view = (struct pool_view){0};
}
