/* SPDX-License-Identifier: MIT */
/* The broker's refusals of a session as sentences that a person can act on. Pure but for the names
 * of users. One thread.
 */
#ifndef USHER_CLI_REFUSAL_H
#define USHER_CLI_REFUSAL_H

#include <cjson/cJSON.h>

/* The sentence for ERROR, negative as the library returned it, with its PARAMETERS; NULL if the
 * library's own says it all. Not escaped. The caller frees it. */
char *refusal_sentence(int error, const cJSON *parameters);

/* More lines, each with its end, escaped: who holds the slots. NULL for none; the caller frees
 * them. */
char *refusal_details(int error, const cJSON *parameters);

#endif
