/* SPDX-License-Identifier: MIT */
/* The daemon's part of waiting and of process owners, for the tests of the core. */
#include "tests/unit/table_fixture.h"

#include <stdlib.h>

#define WAITERS_MAX   5000
#define PROCESSES_MAX 512

struct inbox inbox;
struct session_view granted;
size_t n_idle_processes;
size_t n_processes;
bool is_process_new;

static struct waiter waiters[WAITERS_MAX];
static size_t n_waiters;
static struct process *processes[PROCESSES_MAX];
static size_t n_made;

/* ---- waiters ---- */

struct waiter *make_waiter(void)
{
	ck_assert_uint_lt(n_waiters, WAITERS_MAX);
	waiters[n_waiters] = (struct waiter){0};
	return &waiters[n_waiters++];
}

void free_waiters(void)
{
	for (size_t i = 0; i < n_waiters; i++)
		session_unref(waiters[i].session);
	n_waiters = 0;
}

struct waiter *wait_for(const struct wish *wish)
{
	struct wish longer = *wish;

	if (!longer.wait_ms)
		longer.wait_ms = -1;
	ck_assert_int_eq(create(&longer), 0);
	ck_assert(created.is_waiting);
	return &waiters[n_waiters - 1];
}

struct waiter *take_decided(void)
{
	struct session_view view = {0};
	struct waiter *waiter = table_take_decided(table, &inbox, now, &view);

	if (!waiter || waiter->status)
		return waiter;
	session_view_deinit(&granted);
	granted = view;
	return waiter;
}

void expect_decided(struct waiter *waiter, int status)
{
	struct waiter *next = take_decided();

	ck_assert_ptr_nonnull(next);
	ck_assert_ptr_eq(next, waiter);
	ck_assert_int_eq(next->status, status);
}

void expect_nobody_decided(void)
{
	ck_assert_ptr_null(take_decided());
}

uint64_t position_of(const struct waiter *waiter)
{
	uint64_t waiting;

	return table_position(table, waiter, &waiting);
}

void abandon(struct waiter *waiter)
{
	table_abandon_wait(table, waiter, now, &change);
	operate(0);
}

int cancel(struct owner *caller, const char *request_id)
{
	enum session_state state;
	uint64_t id;

	return (int)operate(table_cancel(
		table, caller, request_id, strlen(request_id), now, &id, &state, &change));
}

/* ---- processes ---- */

struct process *make_process(const struct owner *of)
{
	struct process *process = calloc(1, sizeof(*process));

	ck_assert_uint_lt(n_made, PROCESSES_MAX);
	owner_init(&process->owner);
	process->owner.peer.identity = identity_ref(of->peer.identity);
	processes[n_made++] = process;
	n_processes++;
	return process;
}

static void free_process(size_t i)
{
	peer_deinit(&processes[i]->owner.peer);
	free(processes[i]);
	processes[i] = processes[--n_made];
	n_processes--;
}

void change_process_back(struct process *process)
{
	for (size_t i = 0; i < n_made; i++)
		if (processes[i] == process) {
			free_process(i);
			n_idle_processes++;
			return;
		}
	ck_abort_msg("a process came back twice");
}

void take_idle_processes(void)
{
	while (change.processes) {
		struct process *process = change.processes;

		change.processes = process->next_idle;
		ck_assert(list_is_empty(&process->owner.sessions));
		change_process_back(process);
	}
}

/* The owners of the sessions that the test leaves: the table does not look at them any more. */
void free_processes(void)
{
	while (n_made)
		free_process(0);
	n_idle_processes = 0;
}

struct owner *process_of(uint64_t id)
{
	struct session_view owned = {0};
	struct session_ref get = {.id = id, .caller = &root};
	struct owner *owner;

	ck_assert_int_eq(table_get(table, &get, now, &owned), 0);
	ck_assert_int_eq(owned.owner_kind, OWNER_PROCESS);
	owner = (struct owner *)owned.owner;
	session_view_deinit(&owned);
	return owner;
}
