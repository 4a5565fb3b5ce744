/* SPDX-License-Identifier: MIT */
/* List: a page, or a stream. */
#include "daemon/ops_list.h"

#include "daemon/handoff_records.h"
#include "daemon/ops_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SCANNED_A_LOCK  512
#define SESSIONS_A_PAGE 100
#define LOCKS_A_PAGE    64     /* a page of a filter that few sessions match is short, not slow */
#define PAGE_BYTES      131072 /* of metadata in a page */
#define STREAM_BYTES    32768  /* written before the client has to read */
#define STREAM_VIEWS    64
#define CURSOR_SIZE     24
#define WHERE_MAX       4096 /* bytes; comparing is quadratic in the members of an object */

/* ---- what List asks for ---- */

struct query {
	struct list_filter filter;
	struct message_text where;
	unsigned max_depth;
};

/* Of members of the same name the last one counts. */
static bool has_member(const struct json_value *object, const struct json_value *key,
	const struct json_value *wanted)
{
	struct json_iter iter;
	struct json_value name, value;
	bool is_equal = false;

	json_iter_init(&iter, object);
	while (json_next_member(&iter, &name, &value))
		if (json_strings_equal(&name, key))
			is_equal = json_equal(&value, wanted);
	return is_equal;
}

static bool matches_where(const struct query *query, const struct session_view *view)
{
	struct json_value where, metadata, key, wanted;
	struct json_iter iter;

	if (!query->where.text)
		return true;
	if (json_parse(query->where.text, query->where.length, query->max_depth, &where, NULL) < 0)
		return false;
	if (!view->metadata || json_parse(view->metadata->bytes, view->metadata->length,
				       query->max_depth, &metadata, NULL) < 0)
		return false;
	json_iter_init(&iter, &where);
	while (json_next_member(&iter, &key, &wanted))
		if (!has_member(&metadata, &key, &wanted))
			return false;
	return true;
}

/* One portion of sessions that match, at most MAX. AFTER goes on; 0 is the end. */
static size_t fetch(struct conn *conn, const struct query *query, uint64_t *after,
	struct session_view *views, size_t max)
{
	struct section section;
	size_t n, kept = 0;

	broker_enter(conn->loop->server->broker, &section);
	n = table_page(section.table, &conn->owner, &query->filter, *after, SCANNED_A_LOCK,
		section.now, views, max, after);
	broker_leave(&section);
	for (size_t i = 0; i < n; i++) {
		if (matches_where(query, &views[i]))
			views[kept++] = views[i];
		else
			session_view_deinit(&views[i]);
	}
	return kept;
}

static void deinit_views(struct session_view *views, size_t n)
{
	for (size_t i = 0; i < n; i++)
		session_view_deinit(&views[i]);
}

static struct query query_of(const struct conn *conn, const struct list_call *call)
{
	return (struct query){
		.filter =
			{
				.pool = call->pool.text,
				.pool_length = call->pool.length,
				.uid = call->uid == MESSAGE_ABSENT ? -1 : call->uid,
				.pid = call->pid == MESSAGE_ABSENT ? -1 : call->pid,
				.state = call->state,
				.label = call->label.text,
				.label_length = call->label.length,
				.only_visible = call->where.text != NULL,
			},
		.where = call->where,
		.max_depth = (unsigned)conn->loop->config->max_depth,
	};
}

/* A cursor is the sequence number of the last session looked at. */
static int parse_cursor(struct message_text text, uint64_t *ret)
{
	char buffer[CURSOR_SIZE], *end;

	*ret = 0;
	if (!text.text)
		return 0;
	if (text.length == 0 || text.length >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, text.text, text.length);
	buffer[text.length] = '\0';
	errno = 0;
	*ret = strtoull(buffer, &end, 10);
	return errno || *end || buffer[0] < '0' || buffer[0] > '9' ? -EINVAL : 0;
}

/* ---- List: a page ---- */

static size_t fetch_page(
	struct conn *conn, const struct query *query, uint64_t *after, struct session_view *views)
{
	size_t n = 0, bytes = 0;

	for (int locks = 0; locks < LOCKS_A_PAGE && n < SESSIONS_A_PAGE && bytes < PAGE_BYTES;
		locks++) {
		/* Few at a time, so that large metadata cannot pile up beyond the page. */
		size_t room = SESSIONS_A_PAGE - n < 10 ? SESSIONS_A_PAGE - n : 10;
		size_t more = fetch(conn, query, after, views + n, room);

		for (size_t i = n; i < n + more; i++)
			bytes += views[i].metadata ? views[i].metadata->length : 0;
		n += more;
		if (*after == 0)
			break;
	}
	return n;
}

static void reply_page(struct request *request, const struct query *query, uint64_t after)
{
	struct session_view *views = calloc(SESSIONS_A_PAGE, sizeof(*views));
	struct session_message *messages = calloc(SESSIONS_A_PAGE, sizeof(*messages));
	struct view_texts *texts = calloc(SESSIONS_A_PAGE, sizeof(*texts));
	char cursor[CURSOR_SIZE];
	size_t n = 0;

	if (!views || !messages || !texts) {
		fail_request(request);
		goto out;
	}
	n = fetch_page(request->conn, query, &after, views);
	for (size_t i = 0; i < n; i++)
		session_to_message(&views[i], &texts[i], &messages[i]);
	snprintf(cursor, sizeof(cursor), "%" PRIu64, after);
	reply(request, &list_out,
		&(struct list_reply){
			.sessions = {messages, n, true},
			.cursor = message_cstring(after ? cursor : NULL),
		});
out:
	deinit_views(views, n);
	free(views);
	free(messages);
	free(texts);
}

/* ---- List: a stream ---- */

struct listing {
	struct pending pending; /* first: freed through it */
	struct query query;     /* its texts lie in texts */
	uint64_t after;
	bool is_at_end;
	size_t n_views;
	size_t next_view;
	struct session_view views[STREAM_VIEWS];
	char texts[]; /* copies: the frame is gone when the stream goes on */
};

static void free_listing(struct pending *pending)
{
	struct listing *listing = container_of(pending, struct listing, pending);

	deinit_views(listing->views + listing->next_view, listing->n_views - listing->next_view);
	free(listing);
}

static void write_session(struct conn *conn, struct session_view *view)
{
	struct session_message message;
	struct list_reply out = {.session = &message};
	struct view_texts texts;

	session_to_message(view, &texts, &message);
	varlink_reply_begin(&conn->out);
	message_encode_members(&list_out, &out, &conn->out);
	varlink_reply_end(&conn->out, true);
	session_view_deinit(view);
}

static bool resume_listing(struct pending *pending, struct conn *conn)
{
	struct listing *listing = container_of(pending, struct listing, pending);

	for (int locks = 0; conn->out.length < STREAM_BYTES;) {
		if (listing->next_view < listing->n_views) {
			write_session(conn, &listing->views[listing->next_view++]);
			continue;
		}
		if (listing->is_at_end) {
			varlink_reply_begin(&conn->out);
			varlink_reply_end(&conn->out, false);
			return true;
		}
		if (locks++ == LOCKS_A_PAGE)
			break; /* others have their turn */
		listing->next_view = 0;
		listing->n_views =
			fetch(conn, &listing->query, &listing->after, listing->views, STREAM_VIEWS);
		listing->is_at_end = listing->after == 0;
	}
	return false;
}

static char *keep_text(char *to, const char **text, size_t length)
{
	if (!*text)
		return to;
	memcpy(to, *text, length);
	*text = to;
	return to + length;
}

static void pack_listing(const struct pending *pending, struct pack_writer *out);

static struct listing *new_listing(const struct query *query, uint64_t after)
{
	const struct list_filter *filter = &query->filter;
	struct listing *listing = calloc(1, sizeof(*listing) + filter->pool_length +
						    filter->label_length + query->where.length);
	char *next;

	if (!listing)
		return NULL;
	listing->pending = (struct pending){.resume = resume_listing,
		.free = free_listing,
		.pack = pack_listing,
		.pack_tag = HANDOFF_PENDING_LIST,
		.needs = NEEDS_LISTENER};
	listing->query = *query;
	listing->after = after;
	next = keep_text(listing->texts, &listing->query.filter.pool, filter->pool_length);
	next = keep_text(next, &listing->query.filter.label, filter->label_length);
	keep_text(next, &listing->query.where.text, query->where.length);
	return listing;
}

static void stream(struct request *request, const struct query *query, uint64_t after)
{
	struct listing *listing = new_listing(query, after);

	if (!listing)
		fail_request(request);
	else if (resume_listing(&listing->pending, request->conn))
		free_listing(&listing->pending);
	else
		conn_begin_pending(request->conn, &listing->pending);
}

/* ---- a stream from one daemon to the next ---- */

struct packed_listing {
	struct pack_span pool;
	struct pack_span label;
	struct pack_span where;
	int64_t uid;
	int64_t pid;
	int32_t state;
	uint64_t after;
	bool is_at_end;
};

static const struct pack_item listing_items[] = {
	PACK_ITEM(packed_listing, 1, PACK_SPAN, pool),
	PACK_ITEM(packed_listing, 2, PACK_SPAN, label),
	PACK_ITEM(packed_listing, 3, PACK_SPAN, where),
	PACK_ITEM(packed_listing, 4, PACK_I64, uid),
	PACK_ITEM(packed_listing, 5, PACK_I64, pid),
	PACK_ITEM(packed_listing, 6, PACK_I32, state),
	PACK_ITEM(packed_listing, 7, PACK_U64, after),
	PACK_ITEM(packed_listing, 8, PACK_BOOL, is_at_end),
	{0},
};

/* What was fetched and not written yet is fetched again. */
static void pack_listing(const struct pending *pending, struct pack_writer *out)
{
	const struct listing *listing = container_of(pending, const struct listing, pending);
	const struct list_filter *filter = &listing->query.filter;
	bool is_ahead = listing->next_view < listing->n_views;
	const struct packed_listing packed = {
		.pool = {filter->pool, filter->pool_length},
		.label = {filter->label, filter->label_length},
		.where = {listing->query.where.text, listing->query.where.length},
		.uid = filter->uid,
		.pid = filter->pid,
		.state = filter->state,
		.after =
			is_ahead ? listing->views[listing->next_view].sequence - 1 : listing->after,
		.is_at_end = listing->is_at_end && !is_ahead,
	};

	pack_struct(out, listing_items, &packed);
}

int listing_restore(struct conn *conn, struct pack_reader record)
{
	struct packed_listing packed;
	struct query query;
	struct listing *listing;
	int r = unpack_struct(record, listing_items, &packed, sizeof(packed));

	if (r < 0 || packed.where.length > WHERE_MAX)
		return -EBADMSG;
	query = (struct query){
		.filter =
			{
				.pool = packed.pool.bytes,
				.pool_length = packed.pool.length,
				.uid = packed.uid,
				.pid = packed.pid,
				.state = packed.state,
				.label = packed.label.bytes,
				.label_length = packed.label.length,
				.only_visible = packed.where.bytes != NULL,
			},
		.where = message_text_of(packed.where.bytes, packed.where.length),
		.max_depth = (unsigned)conn->loop->config->max_depth,
	};
	listing = new_listing(&query, packed.after);
	if (!listing)
		return -ENOMEM;
	listing->is_at_end = packed.is_at_end;
	conn_begin_pending(conn, &listing->pending);
	return 0;
}

/* ---- the call ---- */

void handle_list(struct request *request, const void *in)
{
	const struct list_call *call = in;
	struct query query = query_of(request->conn, call);
	uint64_t after;

	if (parse_cursor(call->cursor, &after) < 0)
		refuse_parameter(request, "cursor", "a cursor of an earlier reply");
	else if (call->where.length > WHERE_MAX)
		refuse_parameter(request, "where", "an object of at most 4096 bytes");
	else if (request->call->more)
		stream(request, &query, after);
	else
		reply_page(request, &query, after);
}
