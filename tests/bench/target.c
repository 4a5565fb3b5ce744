/* SPDX-License-Identifier: MIT */
#include "tests/bench/target.h"

#include "client/cli/escape.h"
#include "client/cli/refusal.h"
#include "client/cli/tree.h"
#include "client/cli/unreachable.h"
#include "proto/status.h"
#include "tests/bench/bench.h"
#include "tests/bench/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_TIMEOUT_MS 30000
#define UNITS_MAX       4096  /* of a session */
#define SPARE_MS        60000 /* a deadline is so much later than the end, as things should go */

/* ---- errors ---- */

static void say(const struct options *options, const char *sentence)
{
	char *escaped = escape_text(sentence, strlen(sentence));

	bench_complain(options, "%s", escaped ? escaped : "out of memory");
	escape_free(escaped);
}

static int explain(const struct target *target, int error)
{
	const struct usher_error *last = usher_last_error(target->usher);
	bool is_unreachable = unreachable_is(error);
	cJSON *parameters = cJSON_Parse(last->parameters);
	char *sentence = is_unreachable
				 ? unreachable_sentence(usher_socket_path(target->usher), error)
				 : refusal_sentence(error, parameters);

	say(target->options, sentence ? sentence : last->message);
	free(sentence);
	cJSON_Delete(parameters);
	return is_unreachable ? EXIT_UNREACHABLE : EXIT_FAILED;
}

/* ---- looking ---- */

static int call(
	const struct target *target, const char *method, const char *parameters, cJSON **ret)
{
	char *text;
	int r = usher_call(target->usher, method, parameters, &text);

	if (r < 0)
		return explain(target, r);
	*ret = cJSON_Parse(text);
	free(text);
	return 0;
}

static const cJSON *find_pool(const cJSON *pools, const char *name)
{
	const cJSON *pool;

	cJSON_ArrayForEach(pool, pools)
	{
		if (strcmp(tree_text(pool, "pool"), name) == 0)
			return pool;
	}
	return NULL;
}

static void refuse_pool(const struct target *target, const char *name, const cJSON *pools)
{
	char all[512] = "";
	const cJSON *pool;

	cJSON_ArrayForEach(pool, pools)
	{
		size_t used = strlen(all);

		snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
			tree_text(pool, "pool"));
	}
	bench_complain(target->options,
		"there is no pool \"%s\"; there are: %s (an admin makes one with: usherctl"
		" set-pool NAME --limit NUMBER)",
		name, all);
}

int target_look(const struct target *target, const char *name, struct pool_facts *ret)
{
	const cJSON *pools, *pool;
	cJSON *reply = NULL;
	int code = call(target, USHER_INTERFACE ".ListPools", NULL, &reply);

	if (code)
		return code;
	pools = tree_member(reply, "pools");
	pool = find_pool(pools, name);
	if (!pool) {
		refuse_pool(target, name, pools);
		code = EXIT_FAILED;
	} else {
		*ret = (struct pool_facts){
			.limit = tree_int(pool, "limit", 0),
			.used = tree_int(pool, "used_units", 0),
			.waiting = tree_int(pool, "waiting_sessions", 0),
			.default_timeout_ms = tree_int(pool, "default_timeout_ms", -1),
			.max_timeout_ms = tree_int(pool, "max_timeout_ms", -1),
			.enforces = tree_bool(pool, "enforce"),
		};
	}
	cJSON_Delete(reply);
	return code;
}

int target_count_connections(const struct target *target, int64_t *ret)
{
	cJSON *reply = NULL;
	int code = call(target, USHER_INTERFACE ".GetMetrics", NULL, &reply);

	if (code)
		return code;
	*ret = tree_int(tree_member(reply, "metrics"), "connections", 0);
	cJSON_Delete(reply);
	return 0;
}

static int take_name(struct target *target)
{
	const cJSON *metrics;
	cJSON *reply = NULL;
	int64_t loops;
	int code = call(target, USHER_INTERFACE ".GetMetrics", NULL, &reply);

	if (code)
		return code;
	metrics = tree_member(reply, "metrics");
	loops = tree_int(metrics, "workers", 0);
	snprintf(target->name, sizeof(target->name),
		"usherd %.40s (%" PRId64 " loop%s, store %.16s)", tree_text(metrics, "version"),
		loops, loops == 1 ? "" : "s", tree_text(metrics, "store"));
	cJSON_Delete(reply);
	return 0;
}

int target_open(struct target *target, const struct options *options)
{
	struct usher_open_options wish = {.size = sizeof(wish),
		.socket = options->socket,
		.call_timeout_ms = CALL_TIMEOUT_MS};
	int r, code;

	*target = (struct target){.options = options};
	r = usher_open(&wish, &target->usher);
	if (r < 0) {
		bench_complain(options, "--socket: %s",
			r == -ENAMETOOLONG ? "the path is longer than the 107 bytes that a socket's"
					     " may have"
					   : usher_strerror(r));
		return r == -ENAMETOOLONG ? EXIT_USAGE : EXIT_FAILED;
	}
	r = usher_connect(target->usher);
	if (r < 0)
		return explain(target, r);
	code = take_name(target);
	return code ? code : target_look(target, options->pool, &target->pool);
}

void target_close(struct target *target)
{
	for (size_t i = 0; i < target->n_fillers; i++)
		usher_release(target->usher, target->fillers[i], USHER_COMPLETED, NULL, NULL);
	free(target->fillers);
	usher_close(target->usher);
	*target = (struct target){0};
}

/* ---- room ---- */

static uint64_t sessions_of(const struct options *o)
{
	uint64_t lanes = (uint64_t)o->connections * o->depth;

	if (o->operation->hands_over || !operation_has_sessions(o->operation))
		return o->sessions;
	return o->sessions + (o->operation->is_stocked ? o->count : lanes);
}

int target_check_room(const struct target *target)
{
	const struct options *o = target->options;
	const struct pool_facts *pool = &target->pool;
	int64_t free_slots = pool->limit > pool->used ? pool->limit - pool->used : 0;
	uint64_t wanted = sessions_of(o);

	if (o->operation->hands_over && !pool->enforces) {
		bench_complain(
			o, "nobody waits in pool \"%s\": it does not enforce its limit", o->pool);
		return EXIT_FAILED;
	}
	if (!pool->enforces || wanted <= (uint64_t)free_slots)
		return 0;
	bench_complain(o,
		"pool \"%s\" has no room for this load: %" PRId64 " of %" PRId64
		" slots are free, and it would take %" PRIu64
		" at once; ask for less (--connections,"
		" --depth, --sessions, --count), or take another pool, such as one that an admin"
		" makes with: usherctl set-pool NAME --limit %" PRIu64,
		o->pool, free_slots, pool->limit, wanted, wanted);
	return EXIT_FAILED;
}

int64_t target_timeout_ms(const struct target *target)
{
	const struct options *o = target->options;
	bool is_detached = o->owner && strcmp(o->owner, "detached") == 0;
	int64_t timeout_ms = o->warmup_ms + o->duration_ms + SPARE_MS;

	if (!o->operation->needs_timeout && !is_detached && target->pool.default_timeout_ms < 0)
		return 0;
	if (target->pool.max_timeout_ms > 0 && target->pool.max_timeout_ms < timeout_ms)
		return target->pool.max_timeout_ms;
	return timeout_ms;
}

/* ---- filling ---- */

static int make_room_for_id(struct target *target)
{
	size_t room = target->fillers_room ? target->fillers_room * 2 : 16;
	char(*larger)[64];

	if (target->n_fillers < target->fillers_room)
		return 0;
	larger = realloc(target->fillers, room * sizeof(*larger));
	if (!larger) {
		bench_complain(target->options, "out of memory");
		return EXIT_FAILED;
	}
	target->fillers = larger;
	target->fillers_room = room;
	return 0;
}

static int take_slots(
	struct target *target, const char *name, const struct pool_facts *pool, int64_t n)
{
	struct usher_create_options wish = {.size = sizeof(wish),
		.pool = name,
		.timeout_ms = pool->max_timeout_ms,
		.units = (uint32_t)(n < UNITS_MAX ? n : UNITS_MAX),
		.no_renewal = true};
	struct usher_session session = {.size = sizeof(session)};
	int code = make_room_for_id(target), r;

	if (code)
		return code;
	r = usher_create(target->usher, &wish, &session);
	if (r < 0)
		return explain(target, r);
	strcpy(target->fillers[target->n_fillers++], session.session_id);
	usher_session_clear(&session);
	return 0;
}

int target_fill(struct target *target, const char *name, int64_t left)
{
	struct pool_facts pool;
	int64_t n;
	int code = target_look(target, name, &pool);

	n = code ? 0 : pool.limit - pool.used - left;
	for (; n > 0 && code == 0; n -= UNITS_MAX)
		code = take_slots(target, name, &pool, n);
	return code;
}
