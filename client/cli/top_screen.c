/* SPDX-License-Identifier: MIT */
#include "client/cli/top_screen.h"

#include "client/cli/top_model.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static SCREEN *screen;
static sigset_t unblocked; /* the mask to wait with */
static volatile sig_atomic_t stopped;

/* ---- signals ---- */

static void on_stop(int number)
{
	stopped = number;
}

/* They arrive only in top_screen_wait(). Those of a terminal's size and of job control are curses',
 * which leaves alone what is taken already. */
static void take_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	const struct sigaction action = {.sa_handler = on_stop};
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaddset(&blocked, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
}

/* ---- open and close ---- */

static void take_colours(void)
{
	const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org */

	if ((no_colour && *no_colour) || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	init_pair(LOOK_HEADING, COLOR_BLACK, COLOR_CYAN);
	init_pair(LOOK_GOOD, COLOR_GREEN, -1);
	init_pair(LOOK_WARNING, COLOR_YELLOW, -1);
	init_pair(LOOK_ALERT, COLOR_WHITE, COLOR_RED);
}

int top_screen_open(void)
{
	take_signals();
	/* curses asks for the process's locale, not the thread's; see escape_init(). */
	setlocale(LC_CTYPE, "C.UTF-8");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENOTSUP;
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	take_colours();
	return 0;
}

void top_screen_close(void)
{
	if (!screen)
		return;
	flushinp(); /* keys that nobody has read are not for the shell */
	endwin();
	delscreen(screen);
	screen = NULL;
}

/* ---- output ---- */

void top_screen_size(size_t *ret_rows, size_t *ret_columns)
{
	int rows, columns;

	getmaxyx(stdscr, rows, columns);
	*ret_rows = rows > 0 ? (size_t)rows : 0;
	*ret_columns = columns > 0 ? (size_t)columns : 0;
}

static attr_t attribute_of(enum look look, bool has_pairs)
{
	switch (look) {
	case LOOK_BOLD:
		return A_BOLD;
	case LOOK_SELECTED:
		return A_REVERSE;
	case LOOK_HEADING:
		return has_pairs ? COLOR_PAIR(look) : A_BOLD | A_UNDERLINE;
	case LOOK_ALERT:
		return has_pairs ? COLOR_PAIR(look) | A_BOLD : A_REVERSE | A_BOLD;
	case LOOK_WARNING:
		return has_pairs ? COLOR_PAIR(look) : A_BOLD;
	case LOOK_GOOD:
		return has_pairs ? COLOR_PAIR(look) : A_NORMAL;
	default:
		return A_NORMAL;
	}
}

static void show_row(const struct canvas *canvas, size_t row)
{
	for (size_t column = 0; column < canvas->columns; column++) {
		const struct cell *cell = canvas_at(canvas, row, column);

		if (cell->width == 0)
			continue;
		attrset(attribute_of((enum look)cell->look, COLOR_PAIRS > LOOK_ALERT));
		mvaddstr((int)row, (int)column, cell->text[0] ? cell->text : " ");
	}
}

void top_screen_show(const struct canvas *canvas, bool is_whole)
{
	for (size_t row = 0; row < canvas->rows; row++)
		show_row(canvas, row);
	if (is_whole)
		clearok(stdscr, TRUE);
	refresh();
}

/* ---- input ---- */

static const struct {
	int curses;
	int key;
} keys[] = {
	{KEY_UP, TOP_KEY_UP},
	{KEY_DOWN, TOP_KEY_DOWN},
	{KEY_PPAGE, TOP_KEY_PAGE_UP},
	{KEY_NPAGE, TOP_KEY_PAGE_DOWN},
	{KEY_HOME, TOP_KEY_HOME},
	{KEY_END, TOP_KEY_END},
};

int top_screen_key(void)
{
	int key = getch();

	if (key == ERR)
		return 0;
	if (key > 0 && key < 256)
		return key;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].curses == key)
			return keys[i].key;
	}
	return TOP_KEY_OTHER;
}

int top_screen_wait(int64_t timeout_ms)
{
	struct pollfd item = {.fd = STDIN_FILENO, .events = POLLIN};
	struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};

	if (ppoll(&item, 1, &limit, &unblocked) > 0 &&
		item.revents & (POLLHUP | POLLERR | POLLNVAL))
		return SIGHUP;
	return stopped;
}
