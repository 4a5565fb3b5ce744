/* SPDX-License-Identifier: MIT */
#include "client/cli/top_fetch.h"

#include "client/cli/format.h"
#include "client/cli/tree.h"
#include "proto/status.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int fetch_tree(struct usher *usher, const char *method, cJSON **ret)
{
	char *text = NULL;
	int r = usher_call(usher, method, NULL, &text);

	if (r < 0)
		return r;
	*ret = cJSON_Parse(text);
	free(text);
	return *ret ? 0 : -ENOMEM;
}

static int keep_session(struct top_data *data, cJSON *reply)
{
	if (data->n_sessions == data->capacity) {
		size_t capacity = data->capacity ? data->capacity * 2 : 64;
		cJSON **larger = reallocarray(data->sessions, capacity, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		data->sessions = larger;
		data->capacity = capacity;
	}
	data->sessions[data->n_sessions++] = reply;
	return 0;
}

static int on_session(void *userdata, const char *parameters, bool continues)
{
	cJSON *reply = cJSON_Parse(parameters);
	int r = reply ? 0 : -ENOMEM;

	(void)continues;
	if (reply && cJSON_IsObject(tree_member(reply, "session"))) {
		r = keep_session(userdata, reply);
		if (r == 0)
			return 0;
	}
	cJSON_Delete(reply);
	return r;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int top_fetch(struct usher *usher, struct top_data *ret)
{
	struct top_data data = {0};
	int r = fetch_tree(usher, USHER_INTERFACE ".GetMetrics", &data.metrics);

	data.at_ms = monotonic_ms();
	data.now_us = format_now_us();
	if (r == 0)
		r = fetch_tree(usher, USHER_INTERFACE ".ListPools", &data.pools);
	if (r == 0)
		r = usher_call_more(usher, USHER_INTERFACE ".List", NULL, on_session, &data);
	if (r == 0)
		*ret = data;
	else
		top_data_deinit(&data);
	return r;
}
