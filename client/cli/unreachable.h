/* SPDX-License-Identifier: MIT */
/* Why there is no way to the broker, in a sentence that says what to do about it. It looks at the
 * file system as it is now. One thread.
 */
#ifndef USHER_CLI_UNREACHABLE_H
#define USHER_CLI_UNREACHABLE_H

#include <stdbool.h>

/* Whether ERROR, negative as the library returned it, means that no broker answered. */
bool unreachable_is(int error);

/* The sentence for ERROR of the socket at PATH; NULL if the library's own says it all, or without
 * memory. Not escaped. The caller frees it. */
char *unreachable_sentence(const char *path, int error);

#endif
