/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"
#include "tests/model/script_run.h"

#include <stdio.h>
#include <string.h>

/* ---- chance ---- */

uint64_t draw(uint64_t below)
{
	return script_mix(&model.random) % below;
}

bool chance(unsigned percent)
{
	return draw(100) < percent;
}

uint64_t draw_aside(uint64_t below)
{
	return script_mix(&model.random_aside) % below;
}

int draw_peer(void)
{
	return (int)draw(N_PEERS);
}

uint64_t draw_id(void)
{
	uint64_t dice = draw(100);

	if (naive.n_live && dice < 88)
		return naive.live[draw(naive.n_live)].id;
	if (naive.n_history && dice < 96)
		return naive.history[draw(naive.n_history)].id;
	return model.next_id + draw(3);
}

int draw_peer_for(uint64_t id)
{
	const struct naive_session *session = naive_find(id);
	int peer = draw_peer();

	for (int tries = 0; session && tries < 3 && !naive_may_act(session, peer); tries++)
		peer = draw_peer();
	return peer;
}

int64_t draw_timeout(void)
{
	static const int64_t odd[] = {0, -1, -2, INT64_MAX, INT64_MAX / 1000, 1000000};

	if (chance(25))
		return ABSENT;
	if (chance(8))
		return odd[draw(6)];
	return 1 + (int64_t)draw(chance(50) ? 30 : 400);
}

int draw_text(void)
{
	return chance(20) ? NO_TEXT : (int)draw(chance(10) ? 40 : 20);
}

size_t draw_portion(uint64_t below)
{
	return chance(70) ? 1000 : (size_t)draw(below);
}

/* ---- names and texts ---- */

void make_name(const char *what, int number, char *ret, size_t size)
{
	snprintf(ret, size, "%s%d", what, number);
}

void make_request_id(int number, char *ret, size_t size)
{
	make_name("request-", number, ret, size);
}

void make_label(int number, char *ret, size_t size)
{
	make_name("label", number, ret, size);
}

struct text *make_text(int number)
{
	char bytes[64];

	if (number == NO_TEXT)
		return NULL;
	memset(bytes, 'a' + number % 26, sizeof(bytes));
	return text_new(bytes, (size_t)number);
}
