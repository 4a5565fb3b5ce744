/* SPDX-License-Identifier: MIT */
#include "proto/status.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct status_row {
	int status;
	const char *error_name;
	int exit_code;
	const char *text;
} rows[] = {
#define X(name, number, interface, error, code, text) {number, interface "." error, code, text},
	USHER_STATUS_LIST(X)
#undef X
};

static const struct status_row *find_row(int status)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return &rows[i];
	return NULL;
}

const char *status_error_name(int status)
{
	const struct status_row *row = find_row(status);
	return row ? row->error_name : NULL;
}

const char *status_text(int status)
{
	const struct status_row *row = find_row(status);
	return row ? row->text : "unknown status";
}

int status_exit_code(int status)
{
	const struct status_row *row = find_row(status);
	return row ? row->exit_code : EXIT_FAILED;
}

int status_from_error_name(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].error_name, name) == 0)
			return rows[i].status;
	return -ENOENT;
}
