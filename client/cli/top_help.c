/* SPDX-License-Identifier: MIT */
#include "client/cli/top_view.h"

static const char *const lines[] = {
	"usherctl top",
	"",
	"  up, down, PgUp, PgDn, Home, End   choose a session",
	"  s   sort by age, user, pool, slot",
	"  p   show the next pool alone, and after the last one all again",
	"  r   revoke the chosen session, or end its wait; asks first",
	"  q   quit",
	"  ^L  paint the screen anew",
	"",
	"Sessions that wait come last, with their place in the queue (#3) as slot and",
	"the time that they have waited as age. Left is the time to the deadline.",
	"Held and waited are half (p50) and 99 % (p99) of the sessions since the",
	"broker's start; rates are of the last refresh.",
	"",
	"Any key goes back.",
};

void top_view_help(struct canvas *canvas)
{
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		canvas_put(canvas, i, 0, canvas->columns, i ? LOOK_PLAIN : LOOK_BOLD, lines[i]);
}
