/* SPDX-License-Identifier: MIT */
/* Processes by pidfd, and what proc(5) says of them. Any thread may call. Results are 0 or negated
 * errnos.
 */
#ifndef USHER_CLI_PROCESS_H
#define USHER_CLI_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor of the process, readable once it has ended. -ESRCH: there is none. */
int process_open(pid_t pid);

int process_signal(int pidfd, int number);

/* When it began, by today's wall clock, in microseconds since 1970. */
int process_start_us(pid_t pid, int64_t *ret);

/* Whether it runs for the user: as its real, effective or saved user id. */
bool process_has_user(pid_t pid, int64_t uid);

#endif
