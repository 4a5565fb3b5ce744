/* SPDX-License-Identifier: MIT */
/* Signals and job control of `run`: signals are read from a descriptor, so that they are met where
 * nothing is half done. One thread.
 */
#ifndef USHER_CLI_JOBS_H
#define USHER_CLI_JOBS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct jobs {
	int fd; /* signalfd(2), not blocking */
	sigset_t old_mask;
};

/* Take over SIGCHLD and what a command is to be told or ended by. 0 or a negated errno. */
int jobs_begin(struct jobs *jobs);

/* The next signal that has come, but for those that usherctl was started to ignore. */
bool jobs_next(const struct jobs *jobs, struct signalfd_siginfo *ret);

/* Pass a signal on to the command PID, and stop with it at a SIGTSTP. */
void jobs_pass_on(pid_t pid, const struct signalfd_siginfo *info);

/* Stop as SIGTSTP would have it, until SIGCONT. */
void jobs_stop_self(void);

/* CLOCK_MONOTONIC in milliseconds; MS from now, -1 (never) for -1. */
int64_t jobs_now_ms(void);
int64_t jobs_after(int64_t ms);

/* The earlier of two times, of which -1 is never; and poll(2)'s time-out for one. */
int64_t jobs_sooner(int64_t a, int64_t b);
int jobs_time_to(int64_t at);

#endif
