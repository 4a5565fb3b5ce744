/* SPDX-License-Identifier: MIT */
/* The log: to the journal with fields when stderr is the journal, to stderr as lines otherwise.
 * What came from peers is escaped. Any thread may call, none while it holds the broker's lock. */
#ifndef USHER_DAEMON_LOG_H
#define USHER_DAEMON_LOG_H

#include <stddef.h>
#include <syslog.h> /* LOG_ERR and its like */

/* What an entry is about, besides its text; in the journal they are fields of these names. */
enum log_key {
	LOG_USHER_SESSION,
	LOG_USHER_POOL,
	LOG_USHER_OUTCOME,
	LOG_USHER_ACTOR,
	LOG_MESSAGE_ID,
	LOG_KEY_COUNT,
};

struct log_field {
	enum log_key key;
	const char *value;
};

/* Catalogued events (sd-messages(3)): the same id for the same event, for ever. */
#define LOG_ID_STARTED       "4a889921d7164f11ba6a89e93aa48536"
#define LOG_ID_STOPPED       "6620f99ad926412a92f187fb42247ead"
#define LOG_ID_RELOADED      "bbebede3a3b4414c8b2cf3ed26a0a7e7"
#define LOG_ID_RELOAD_FAILED "cb31f43dbf5547c3a6df7ea370dbe41e"
#define LOG_ID_ADMIN         "8e5044dbaa954462b61f13f6f41835f1"
#define LOG_ID_SESSION       "7b2dcc0a49044ce7823c27c349c1bbaa"
#define LOG_ID_REFUSED       "1d65ed34445d49028ebc1b9bf8176588"
#define LOG_ID_DROPPED       "ce7da57af21a4122aceb0666e452d5ea"
#define LOG_ID_RECOVERED     "0b5ed1fa6dbb4f0f9a6e0c3d2f7a4e18"
#define LOG_ID_SET_ASIDE     "5f0f8b1b7c0e4a3f8d9d2a6c71e3b094"
#define LOG_ID_STORE_FAILED  "c2b7a9d45e1f4c0bb6a83d905f7e1246"
#define LOG_ID_STORE_WORKS   "94d6e2f0a7b84f53a1c5be38d260f97a"

/* Entries of a priority number above LEVEL (syslog.h) are left out. Before any thread starts, and
 * again at a Reload. */
void log_set_level(int level);

/* Find out where to write to. Before any thread starts. */
void log_open(void);

/* One entry with FIELDS, N of them (values may be NULL: left out). */
void log_entry(int priority, const struct log_field *fields, size_t n, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(...)   log_entry(LOG_ERR, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_entry(LOG_WARNING, NULL, 0, __VA_ARGS__)
#define log_notice(...)  log_entry(LOG_NOTICE, NULL, 0, __VA_ARGS__)
#define log_info(...)    log_entry(LOG_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...)   log_entry(LOG_DEBUG, NULL, 0, __VA_ARGS__)

#endif
