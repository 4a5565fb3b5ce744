/* SPDX-License-Identifier: MIT */
#include "daemon/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST 1024
#define BUFFER_MAX   (16 << 20) /* a group with all its members' names */

typedef int look_up_fn(const char *name, char *buffer, size_t size, uint32_t *ret_id);

static int look_up_user(const char *name, char *buffer, size_t size, uint32_t *ret_id)
{
	struct passwd entry, *found;
	int error = getpwnam_r(name, &entry, buffer, size, &found);

	if (!found)
		return error ? -error : -ENOENT;
	*ret_id = entry.pw_uid;
	return 0;
}

static int look_up_group(const char *name, char *buffer, size_t size, uint32_t *ret_id)
{
	struct group entry, *found;
	int error = getgrnam_r(name, &entry, buffer, size, &found);

	if (!found)
		return error ? -error : -ENOENT;
	*ret_id = entry.gr_gid;
	return 0;
}

/* The last number is no id: it is -1, "leave as it is", to chown(2). */
static int read_number(const char *digits, uint32_t *ret_id)
{
	unsigned long long number;

	errno = 0;
	number = strtoull(digits, NULL, 10);
	if (errno || number >= UINT32_MAX)
		return -ENOENT;
	*ret_id = (uint32_t)number;
	return 0;
}

/* What getpwnam(3) lists as ways of name services to say "not found". */
static bool is_not_found(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -EBADF || r == -EPERM;
}

static int find(look_up_fn *look_up, const char *name, uint32_t *ret_id)
{
	int r = -ERANGE;

	if (!name[0])
		return -ENOENT;
	if (!name[strspn(name, "0123456789")])
		return read_number(name, ret_id);
	for (size_t size = BUFFER_FIRST; r == -ERANGE && size <= BUFFER_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (!buffer)
			return -ENOMEM;
		r = look_up(name, buffer, size, ret_id);
		free(buffer);
	}
	return is_not_found(r) ? -ENOENT : r;
}

int account_find_user(const char *name, uint32_t *ret_uid)
{
	return find(look_up_user, name, ret_uid);
}

int account_find_group(const char *name, uint32_t *ret_gid)
{
	return find(look_up_group, name, ret_gid);
}
