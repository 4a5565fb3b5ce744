/* SPDX-License-Identifier: MIT */
#include "daemon/signals.h"

#include "daemon/handoff_fds.h"
#include "daemon/log.h"

#include <signal.h>
#include <string.h>

static void on_stop(uv_signal_t *handle, int number)
{
	struct signals *signals = handle->data;

	struct server *server = signals->loop->server;

	log_notice("ending on SIG%s", sigabbrev_np(number));
	if (number == SIGTERM && handoff_is_offered() &&
		atomic_load(&server->lone_connections) == 0)
		server_hand_over(server);
	else
		server_stop(server);
}

static void on_reload(uv_signal_t *handle, int number)
{
	struct signals *signals = handle->data;
	char message[512];

	(void)number;
	server_reload(signals->loop->server, "SIGHUP", message, sizeof(message));
}

static int take(struct signals *signals, uv_signal_t *handle, uv_signal_cb callback, int number)
{
	int r = uv_signal_init(&signals->loop->uv, handle);

	if (r < 0)
		return r;
	handle->data = signals;
	return uv_signal_start(handle, callback, number);
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, NULL);
}

void signals_block(void)
{
	mask(SIG_BLOCK);
}

int signals_init(struct signals *signals, struct loop *first)
{
	int r;

	signals->loop = first;
	signal(SIGPIPE, SIG_IGN); /* a peer that is gone is seen by the write's error */
	r = take(signals, &signals->term, on_stop, SIGTERM);
	if (r == 0)
		r = take(signals, &signals->interrupt, on_stop, SIGINT);
	if (r == 0)
		r = take(signals, &signals->hangup, on_reload, SIGHUP);
	mask(SIG_UNBLOCK);
	return r;
}
