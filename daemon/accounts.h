/* SPDX-License-Identifier: MIT */
/* Users and groups of this system, by name or plain number. Asks the name service, so it may block:
 * never inside the lock. Any thread.
 */
#ifndef USHER_DAEMON_ACCOUNTS_H
#define USHER_DAEMON_ACCOUNTS_H

#include <stdint.h>

/* The id of the user or group NAME; a number stands for itself, whether it has a name or not.
 * 0; -ENOENT if there is none; -ENOMEM; a negated errno of the name service. */
int account_find_user(const char *name, uint32_t *ret_uid);
int account_find_group(const char *name, uint32_t *ret_gid);

#endif
