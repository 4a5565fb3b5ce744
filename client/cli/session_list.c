/* SPDX-License-Identifier: MIT */
#include "client/cli/session_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct session_list *list)
{
	size_t capacity = list->capacity ? list->capacity * 2 : 64;
	struct reply *items;

	if (list->count < list->capacity)
		return 0;
	items = reallocarray(list->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->capacity = capacity;
	return 0;
}

static int keep_reply(struct session_list *list, const char *text)
{
	int r = make_room(list);

	if (r == 0)
		r = reply_read(text, &list->items[list->count]);
	if (r < 0)
		return r;
	if (cJSON_IsObject(session_list_get(list, list->count)))
		list->count++;
	else
		reply_deinit(&list->items[list->count]); /* the stream's empty end */
	return 0;
}

static bool is_full(const struct session_list *list)
{
	return list->limit > 0 && (uint64_t)list->limit <= list->count;
}

static int on_reply(void *userdata, const char *parameters, bool continues)
{
	struct session_list *list = userdata;

	(void)continues;
	if (is_full(list))
		return 1;
	list->error = keep_reply(list, parameters);
	return list->error;
}

int session_list_fetch(struct session_list *list, struct usher *usher, const char *parameters)
{
	int r = usher_call_more(usher, USHER_INTERFACE ".List", parameters, on_reply, list);

	if (r == -ECANCELED && !list->error && is_full(list))
		return 0;
	return list->error ? list->error : r;
}

void session_list_deinit(struct session_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		reply_deinit(&list->items[i]);
	free(list->items);
	*list = (struct session_list){.limit = list->limit};
}

const cJSON *session_list_get(const struct session_list *list, size_t index)
{
	return tree_member(list->items[index].tree, "session");
}
