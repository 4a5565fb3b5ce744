/* SPDX-License-Identifier: MIT */
/* Named places at which a test makes the daemon die, fail or stall. Nothing of this is in a build
 * without the meson option `failpoints`.
 *
 * Armed by the environment, USHER_FAILPOINTS="NAME=ACTION[@N];...", or by a file of the same form
 * that USHER_FAILPOINTS_FILE names. The file may be replaced while the daemon runs (by rename, so
 * that no half is seen): what it holds then takes the place of all that was armed, with counts that
 * begin anew. ACTION is `kill` (SIGKILL to the process itself), `kill:MS` (first this thread stands
 * still, while others go on), `sleep:MS`, `eio` or `enospc`. @N: the Nth time the place is reached
 * (the first, if not given); @N+: from the Nth time on.
 *
 * Any thread may reach a failpoint, inside locks too (their order: it is a leaf). Nothing is
 * allocated. What cannot be read ends the process: a test must not pass because of a typing error.
 */
#ifndef USHER_DAEMON_FAILPOINT_H
#define USHER_DAEMON_FAILPOINT_H

#ifdef USHER_FAILPOINTS

#include <stdbool.h>

/* The place NAME is reached: do what is armed. 0, or the negated errno of `eio` and `enospc`. */
int failpoint_error(const char *name);

/* Whether something is armed for NAME that has not been due for the last time; not counted as
 * reached. For places that must prepare: write half, reach the failpoint, write the rest. */
bool failpoint_is_armed(const char *name);

/* Arm what SPEC says in place of all else: 0, or -EINVAL, with nothing armed. */
int failpoint_arm(const char *spec);

#else

#define failpoint_error(name)    0
#define failpoint_is_armed(name) 0

#endif

/* A place at which errors make no sense. */
#define FAILPOINT(name) ((void)failpoint_error(name))

#endif
