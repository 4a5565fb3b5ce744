/* SPDX-License-Identifier: MIT */
/* What was done in all runs: how often each operation, what came of it, and which of the cases that
 * the rules tell apart were met. A model that never comes to QueueFull tests nothing of it. */
#ifndef USHER_TESTS_COUNTS_H
#define USHER_TESTS_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* Cases that no status tells of: X(NAME, "what happened"). */
#define CASES(X)                                                                                   \
	X(ENDED_COMPLETED, "a session ended as completed")                                         \
	X(ENDED_ERROR, "a session ended as error")                                                 \
	X(ENDED_CANCELLED, "a session ended as cancelled")                                         \
	X(ENDED_TIMEOUT, "a session ended by its deadline")                                        \
	X(ENDED_ABANDONED, "a session ended as abandoned")                                         \
	X(ENDED_REVOKED, "a session ended as revoked")                                             \
	X(BY_FEWEST_UNITS, "granted before who came earlier, whose key holds more")                \
	X(BY_HEAD_START, "granted before who came earlier, for its priority")                      \
	X(BY_STARVATION, "granted because it was starved")                                         \
	X(PASSED_OVER, "granted while who came earlier was over a quota")                          \
	X(BLOCKED_BY_FIRST, "not granted, though it would fit, for it is not its turn")            \
	X(FAIR_BY_UID, "granted where keys are users")                                             \
	X(FAIR_BY_PROCESS, "granted where keys are processes")                                     \
	X(FAIR_BY_LABEL, "granted where keys are labels")                                          \
	X(FAIR_BY_NONE, "granted where there is one key")                                          \
	X(GRANTED_FOR_EVER, "granted after a wait without an end")                                 \
	X(QUOTA_OF_USER, "refused for the quota of a user")                                        \
	X(QUOTA_OF_PROCESS, "refused for the quota of a process")                                  \
	X(QUOTA_OF_LABEL, "refused for the quota of a label")                                      \
	X(QUEUE_OF_POOL_FULL, "too many wait in the pool")                                         \
	X(QUEUE_OF_USER_FULL, "too many of the user wait")                                         \
	X(SHADOW_CAPACITY, "granted above a limit that is not enforced")                           \
	X(SHADOW_QUOTA, "granted above a quota that is not enforced")                              \
	X(POOL_OVER, "a pool holds more than its limit")                                           \
	X(POOL_SET_WITH_WAITERS, "a pool was changed while some waited there")                     \
	X(POOL_REMOVED_WITH_WAITERS, "a pool was removed while some waited there")                 \
	X(POOL_REMOVED_WITH_SESSIONS, "a pool was removed while it was in use")                    \
	X(POOL_BACK, "a removed pool came back before it was empty")                               \
	X(POOL_LEFT, "a removed pool was empty and left")                                          \
	X(HOLD, "a deadline passed in a pool that holds")                                          \
	X(HOLD_ENDED, "a pool with what is overdue does not hold any more")                        \
	X(OVERDUE_RENEWED, "what was overdue was renewed")                                         \
	X(DETACHED_OVERDUE, "what was overdue was detached")                                       \
	X(DRAINED_WITH_WAITERS, "a drain began while some waited")                                 \
	X(UNDRAINED, "a drain was taken back")                                                     \
	X(PAUSE_OF_ALL, "refused for the pause of all")                                            \
	X(PAUSE_OF_ONE, "refused for the pause of the pool")                                       \
	X(RETRY_WAITING, "a retry took over a wait")                                               \
	X(RETRY_LIVE, "a retry found its session")                                                 \
	X(RETRY_MOVED, "a retry from another connection took its session there")                   \
	X(RETRY_AFTER_CRASH, "a retry found its session after a crash")                            \
	X(RETRY_DETACHED, "a retry from another process found a detached session")                 \
	X(CANCELLED_BY_ADMIN, "an admin cancelled the wait of another user")                       \
	X(REVOKED_WAIT, "a wait was revoked")                                                      \
	X(REVOKED_SOFTLY, "a session is revoking")                                                 \
	X(ATTACHED_ORPHAN, "an orphan was attached")                                               \
	X(ORPHAN_TO_PROCESS, "an orphan was given to a process")                                   \
	X(ORPHAN_GIVEN_UP, "an orphan was given up")                                               \
	X(ORPHANS_PROCESS_GONE, "the process of an orphan exited")                                 \
	X(PROCESS_GONE, "a process that owned sessions exited")                                    \
	X(PROCESS_GONE_WAITING, "a process exited while some waited for it")                       \
	X(OWNER_GONE, "a connection that owned sessions closed")                                   \
	X(OWNER_GONE_WAITING, "a connection closed that waits of others were owned by")            \
	X(MADE_FOR_OTHER, "a process owns what another process made")                              \
	X(UNDONE, "a session that could not be stored was taken back")                             \
	X(UNDONE_GRANT, "a grant to a waiter that could not be stored was taken back")             \
	X(STORED_END_NOT_STORED, "an end that could not be stored")                                \
	X(CRASHED_UNSTORED, "a crash lost what was not stored")                                    \
	X(CRASHED_WITH_WAITERS, "a crash while some waited")                                       \
	X(STOPPED, "the daemon was stopped in good order, and its sessions were kept")             \
	X(BEGUN_ANEW, "the store was begun anew")                                                  \
	X(HANDED_OVER, "a table was handed over")                                                  \
	X(HANDED_OVER_WAITERS, "a table with waiters was handed over")                             \
	X(HANDED_OVER_UNSTORED, "a table was handed over that was not stored")                     \
	X(MISFIT_AT_HANDOVER, "who waited did not fit in the next daemon's pools")                 \
	X(FILE_CHANGED, "a start found other settings in the files")                               \
	X(EVENTS_LOST, "a reader lost events")                                                     \
	X(AUDIT_OVERTAKEN, "sessions came or went during an audit")                                \
	X(NO_MEMORY_FOR_GRANT, "a grant to a waiter lacked memory")                                \
	X(MEMORY_FAILED, "memory that the table wanted could not be had")                          \
	X(CLOCK_WENT_BACK, "the monotonic clock was read before an earlier reading")               \
	X(WALL_JUMPED, "the wall clock was set")                                                   \
	X(FENCES_RESERVED_USED_UP, "no fence that is reserved is left")

enum met_case {
#define X(name, text) CASE_##name,
	CASES(X)
#undef X
		N_CASES,
};

#define COUNTED_OPERATIONS 64

/* What came of an operation that is no status: 0, or a negated errno. */
enum { CAME_EEXIST = 50, CAME_ENOBUFS, CAME_EOVERFLOW, CAME_TRUE, CAME_FALSE, CAME_COUNT };

void counts_init(void); /* share memory; once, first */

void count_operation(int operation);
/* What came of the operation that was counted last; as a comment of its step, too. */
void came(int status);
void came_of(int operation, int status);
void met(enum met_case which);

/* What is done in all runs: MUST has a bit for each thing that has to come of an operation; 0 if
 * nothing is told of it, and it has to be done. */
struct counted_operations {
	const char *const *names;
	const uint64_t *must;
	int n;
};

/* Was each of that, and each case, met often enough? */
bool counts_have_met_all(const struct counted_operations *operations);
/* Print all that was counted; IS_COMPLETE: and what was not met often enough. */
void counts_report(const struct counted_operations *operations, bool is_complete);

#endif
