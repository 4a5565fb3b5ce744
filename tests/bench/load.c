/* SPDX-License-Identifier: MIT */
#include "tests/bench/load.h"

#include "tests/bench/worker.h"

#include <errno.h>
#include <stdlib.h>

/* Where load_stop(), a signal handler perhaps, finds the load. */
static struct shared shared;

void load_stop(void)
{
	int not_yet = STOP_NOT;

	atomic_compare_exchange_strong(&shared.stop, &not_yet, STOP_ASKED);
}

void outcome_deinit(struct outcome *outcome)
{
	tally_deinit(&outcome->errors);
}

static void add_up(struct outcome *sum, struct outcome *part)
{
	histogram_merge(&sum->latency, &part->latency);
	tally_merge(&sum->errors, &part->errors);
	sum->ops += part->ops;
	sum->created += part->created;
	sum->released += part->released;
	sum->begun += part->begun;
	sum->unsent += part->unsent;
	sum->cpu_ns += part->cpu_ns;
	if (part->lag_ns > sum->lag_ns)
		sum->lag_ns = part->lag_ns;
	if (part->duration_s > sum->duration_s)
		sum->duration_s = part->duration_s;
}

static void *thread_main(void *worker)
{
	worker_main(worker);
	return NULL;
}

/* The others wait at the barrier for one that could not be made: there is no way on. */
static void start(struct worker *workers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (pthread_create(&workers[i].thread, NULL, thread_main, &workers[i]) != 0)
			abort();
	}
}

static void run_all(struct worker *workers, unsigned n, struct outcome *ret)
{
	start(workers, n);
	for (unsigned i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < n; i++)
		add_up(ret, &workers[i].outcome);
	ret->stop = (enum stop)atomic_load(&shared.stop);
}

static int init_all(struct worker *workers, const struct load *load)
{
	int r = 0;

	for (unsigned i = 0; i < load->threads; i++)
		workers[i].epoll = -1;
	for (unsigned i = 0; i < load->threads && r == 0; i++)
		r = worker_init(&workers[i], load, &shared, i);
	return r;
}

int load_run(const struct load *load, struct outcome *ret)
{
	struct worker *workers = calloc(load->threads, sizeof(*workers));
	int r = -ENOMEM;

	shared.vacancies = calloc(load->slots + 1, sizeof(*shared.vacancies));
	pthread_barrier_init(&shared.barrier, NULL, load->threads);
	if (workers && shared.vacancies)
		r = init_all(workers, load);
	if (r == 0)
		run_all(workers, load->threads, ret);
	for (unsigned i = 0; workers && i < load->threads; i++)
		worker_deinit(&workers[i]);
	pthread_barrier_destroy(&shared.barrier);
	free(shared.vacancies);
	free(workers);
	return r;
}
