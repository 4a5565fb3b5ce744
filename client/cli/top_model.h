/* SPDX-License-Identifier: MIT */
/* What `usherctl top` shows and what its keys do, without a terminal and without a broker.
 *
 * Data comes in as the broker gave it, keys as numbers of top_key; the view draws the model. Pure
 * but for the names of users. One thread.
 */
#ifndef USHER_CLI_TOP_MODEL_H
#define USHER_CLI_TOP_MODEL_H

#include "client/cli/session_row.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One look at the broker. */
struct top_data {
	cJSON *metrics;   /* owned, as all here: the reply of GetMetrics */
	cJSON *pools;     /* the reply of ListPools */
	cJSON **sessions; /* the replies of List, each with a session */
	size_t n_sessions;
	size_t capacity;
	int64_t at_ms;  /* CLOCK_MONOTONIC, for rates */
	int64_t now_us; /* since 1970, for ages */
};

void top_data_deinit(struct top_data *data);

/* Of one pool or of all; negative where it is not known. */
struct top_numbers {
	double creates; /* a second */
	double refusals;
	int64_t held_p50_ns;
	int64_t held_p99_ns;
	int64_t waited_p50_ns;
	int64_t waited_p99_ns;
};

struct top_pool {
	const char *name;
	const cJSON *pool; /* of ListPools */
	int64_t used;
	int64_t limit;
	struct top_numbers numbers;
};

enum top_mode { TOP_LOOKING, TOP_CONFIRMING, TOP_HELPING };

/* What a key asks of the world outside. */
enum top_action { TOP_NOTHING, TOP_QUIT, TOP_REVOKE, TOP_FORCE, TOP_CANCEL, TOP_REPAINT };

enum top_key {
	TOP_KEY_UP = 256,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_OTHER,
};

/* The session that is to be revoked. */
struct top_victim {
	char session_id[64];
	char request_id[136];
	char words[256]; /* not escaped */
	bool is_waiting;
};

struct top_model {
	struct top_data data;
	cJSON *before; /* owned: the metrics one look earlier */
	int64_t before_at_ms;

	struct top_pool *pools; /* owned */
	size_t n_pools;
	struct top_numbers numbers;
	struct session_row *rows; /* owned: those of the pool, in order */
	size_t n_rows;

	enum top_mode mode;
	enum session_order order;
	char pool[136]; /* "": all */
	char selected[64];
	size_t cursor; /* row */
	size_t scroll; /* the first row on the screen */
	size_t page;   /* rows on the screen, as drawn last */
	struct top_victim victim;
	char message[256]; /* in the last line until the next key; not escaped */
	char trouble[256]; /* why there is no broker; "" if there is one */
};

void top_model_init(struct top_model *model);
void top_model_deinit(struct top_model *model);

/* Take DATA, which is empty then. 0 or -ENOMEM. */
int top_model_update(struct top_model *model, struct top_data *data);

/* KEY is a character or one of top_key. */
enum top_action top_model_key(struct top_model *model, int key);

/* The pool that is shown alone; NULL if it is all, or gone. */
const struct top_pool *top_model_pool(const struct top_model *model);

#endif
