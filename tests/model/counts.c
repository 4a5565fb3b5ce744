/* SPDX-License-Identifier: MIT */
#include "tests/model/counts.h"

#include "proto/status.h"
#include "tests/model/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define AT_LEAST 5 /* of everything; what is rare is met fifty times in a million operations */

static struct counts {
	int operation; /* the last one */
	uint64_t operations[COUNTED_OPERATIONS];
	uint64_t results[COUNTED_OPERATIONS][CAME_COUNT];
	uint64_t cases[N_CASES];
} * counts;

void counts_init(void)
{
	counts = script_share(sizeof(*counts));
}

/* ---- counting ---- */

void count_operation(int operation)
{
	counts->operation = operation;
	counts->operations[operation]++;
}

static int index_of(int result)
{
	switch (result) {
	case -EEXIST:
		return CAME_EEXIST;
	case -ENOBUFS:
		return CAME_ENOBUFS;
	case -EOVERFLOW:
		return CAME_EOVERFLOW;
	default:
		return result;
	}
}

static const char *name_of(int index)
{
	static const char *const others[] = {
		[CAME_EEXIST - CAME_EEXIST] = "id taken",
		[CAME_ENOBUFS - CAME_EEXIST] = "no memory",
		[CAME_EOVERFLOW - CAME_EEXIST] = "no fences",
		[CAME_TRUE - CAME_EEXIST] = "more to do",
		[CAME_FALSE - CAME_EEXIST] = "all done",
	};
	const char *name;

	if (index == 0)
		return "done";
	if (index >= CAME_EEXIST)
		return others[index - CAME_EEXIST];
	name = status_error_name(index);
	return name ? strrchr(name, '.') + 1 : "?";
}

void came_of(int operation, int status)
{
	int index = index_of(status);

	counts->results[operation][index]++;
	script_show(" # %s", name_of(index));
}

void came(int status)
{
	came_of(counts->operation, status);
}

void met(enum met_case which)
{
	counts->cases[which]++;
}

/* ---- telling ---- */

static void print_operation(const char *name, int operation)
{
	const char *separator = ":";

	printf("%-16s %9" PRIu64, name, counts->operations[operation]);
	for (int i = 0; i < CAME_COUNT; i++) {
		if (!counts->results[operation][i])
			continue;
		printf("%s %s %" PRIu64, separator, name_of(i), counts->results[operation][i]);
		separator = ",";
	}
	putchar('\n');
}

typedef void tell_fn(uint64_t n, const char *what, const char *of_what);

static void tell_too_few(uint64_t n, const char *what, const char *of_what)
{
	printf("!!! only %" PRIu64 " times: %s%s%s\n", n, what, *of_what ? " -> " : "", of_what);
}

static void tell_nothing(uint64_t n, const char *what, const char *of_what)
{
	(void)n;
	(void)what;
	(void)of_what;
}

static bool is_enough(uint64_t n, const char *what, const char *of_what, tell_fn *tell)
{
	if (n >= AT_LEAST)
		return true;
	tell(n, what, of_what);
	return false;
}

static bool has_met_results(const char *name, int operation, uint64_t must, tell_fn *tell)
{
	bool is_there = true;

	if (!must)
		return is_enough(counts->operations[operation], name, "", tell);
	for (int i = 0; i < CAME_COUNT; i++)
		if (must >> i & 1)
			is_there =
				is_enough(counts->results[operation][i], name, name_of(i), tell) &&
				is_there;
	return is_there;
}

static const char *const case_texts[] = {
#define X(name, text) text,
	CASES(X)
#undef X
};

static bool has_met_all(const struct counted_operations *operations, tell_fn *tell)
{
	bool is_there = true;

	for (int i = 0; i < operations->n; i++)
		is_there = has_met_results(operations->names[i], i, operations->must[i], tell) &&
			   is_there;
	for (int i = 0; i < N_CASES; i++)
		is_there = is_enough(counts->cases[i], case_texts[i], "", tell) && is_there;
	return is_there;
}

bool counts_have_met_all(const struct counted_operations *operations)
{
	return has_met_all(operations, tell_nothing);
}

void counts_report(const struct counted_operations *operations, bool is_complete)
{
	for (int i = 0; i < operations->n; i++)
		print_operation(operations->names[i], i);
	for (int i = 0; i < N_CASES; i++)
		printf("%9" PRIu64 "  %s\n", counts->cases[i], case_texts[i]);
	if (is_complete)
		has_met_all(operations, tell_too_few);
}
