/* SPDX-License-Identifier: MIT */
#include "daemon/store_free.h"

#include <stdlib.h>

struct free_pages {
	unsigned char *seen; /* a byte for each page */
	size_t n_pages;
	size_t free;
};

/* A list is its length, and so many page numbers in descending order. */
static bool check_free_list(struct free_pages *pages, const MDB_val *value)
{
	const size_t *list = value->mv_data;

	if (value->mv_size < sizeof(*list) || value->mv_size / sizeof(*list) - 1 < list[0])
		return false;
	for (size_t i = 1; i <= list[0]; i++) {
		if (list[i] < 2 || list[i] >= pages->n_pages || pages->seen[list[i]]++ ||
			(i > 1 && list[i] >= list[i - 1]))
			return false;
	}
	pages->free += list[0];
	return true;
}

static bool check_free_lists(MDB_txn *txn, struct free_pages *pages)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int r = mdb_cursor_open(txn, 0, &cursor);

	if (r)
		return false;
	while ((r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		if (!check_free_list(pages, &value))
			break;
	mdb_cursor_close(cursor);
	return r == MDB_NOTFOUND;
}

static size_t count_used(const struct store_file *file, MDB_txn *txn)
{
	const MDB_dbi all[] = {0, 1, file->sessions, file->meta};
	size_t pages = 2;
	MDB_stat stat;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (mdb_stat(txn, all[i], &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	return pages;
}

bool store_free_is_sound(const struct store_file *file)
{
	struct free_pages pages = {0};
	MDB_envinfo info;
	MDB_txn *txn;
	bool is_sound = false;

	if (mdb_env_info(file->env, &info) || mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn))
		return false;
	pages.n_pages = info.me_last_pgno + 1;
	pages.seen = calloc(pages.n_pages, 1);
	if (pages.seen)
		is_sound = check_free_lists(txn, &pages) &&
			   pages.free + count_used(file, txn) == pages.n_pages;
	free(pages.seen);
	mdb_txn_abort(txn);
	return is_sound;
}
