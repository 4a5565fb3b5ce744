/* SPDX-License-Identifier: MIT */
#include "daemon/notify.h"

#include "daemon/handoff_fds.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define STATUS_MS    2000
#define POOLS_A_LOCK 16

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, monotonic_ns() / 1000);
}

void notify_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

/* The limits of all pools together, looked up in portions. */
static uint64_t sum_of_limits(struct broker *broker)
{
	struct pool_view views[POOLS_A_LOCK];
	char after[POOL_NAME_MAX + 1] = "";
	struct section section;
	uint64_t sum = 0;
	size_t n;

	do {
		broker_enter(broker, &section);
		n = table_view_pools(
			section.table, after[0] ? after : NULL, section.now, views, POOLS_A_LOCK);
		broker_leave(&section);
		for (size_t i = 0; i < n; i++) {
			sum += views[i].settings.limit;
			snprintf(after, sizeof(after), "%s", views[i].name->bytes);
			pool_view_deinit(&views[i]);
		}
	} while (n == POOLS_A_LOCK);
	return sum;
}

static void tell_status(struct notifier *notifier)
{
	struct server *server = notifier->loop->server;
	uint64_t limits = sum_of_limits(server->broker);
	struct table_metrics metrics;
	struct store_status store;
	struct section section;
	char status[sizeof(notifier->status)];

	broker_enter(server->broker, &section);
	table_metrics(section.table, section.now, &metrics);
	broker_leave(&section);
	server_store_status(server, &store);
	snprintf(status, sizeof(status),
		"%" PRIu64 "/%" PRIu64 " active, %" PRIu64 " waiting%s%s%s", metrics.used_units,
		limits, metrics.waiting, metrics.is_draining ? ", draining" : "",
		store.reason[0] ? ", cannot store: " : "", store.reason);
	if (strcmp(status, notifier->status) == 0)
		return;
	memcpy(notifier->status, status, sizeof(status));
	sd_notifyf(0, "STATUS=%s", status);
}

static bool have_all_given_sign(const struct server *server)
{
	for (unsigned i = 0; i < server->n_loops; i++)
		if (!atomic_load(&server->loops[i].has_given_sign))
			return false;
	return true;
}

/* sd_notify() opens a socket each time, which a daemon without descriptors cannot, and would be
 * killed for. -1 where it has to do all the same: an address that is no path and not abstract. */
static int connect_to_manager(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return -1;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	length += offsetof(struct sockaddr_un, sun_path);
	if (connect(fd, (const struct sockaddr *)&address, (socklen_t)length) == 0)
		return fd;
	close(fd);
	return -1;
}

static void send_food(struct notifier *notifier)
{
	static const char food[] = "WATCHDOG=1";

	if (notifier->watchdog_fd < 0 ||
		send(notifier->watchdog_fd, food, strlen(food), MSG_NOSIGNAL) < 0)
		sd_notify(0, food); /* the manager may have made its socket anew */
}

/* Feed the watchdog if all loops have given the sign that was asked for, and ask for the next. */
static void feed_watchdog(struct notifier *notifier)
{
	struct server *server = notifier->loop->server;

	if (notifier->has_asked && !have_all_given_sign(server))
		return;
	send_food(notifier);
	notifier->has_asked = true;
	for (unsigned i = 0; i < server->n_loops; i++) {
		atomic_store(&server->loops[i].has_given_sign, false);
		loop_order(&server->loops[i], ORDER_SIGN);
	}
}

static void on_notify_timer(uv_timer_t *timer)
{
	struct notifier *notifier = timer->data;

	tell_status(notifier);
	if (notifier->has_watchdog)
		feed_watchdog(notifier);
}

int notify_ready(struct notifier *notifier, struct loop *first, bool has_taken_over)
{
	const char *state =
		has_taken_over ? "FDSTOREREMOVE=1\nFDNAME=" HANDOFF_NAME "\nREADY=1" : "READY=1";
	uint64_t watchdog_us = 0, period_ms = STATUS_MS;
	int r = uv_timer_init(&first->uv, &notifier->timer);

	if (r < 0)
		return r;
	notifier->loop = first;
	notifier->timer.data = notifier;
	notifier->has_watchdog = sd_watchdog_enabled(0, &watchdog_us) > 0;
	notifier->watchdog_fd = notifier->has_watchdog ? connect_to_manager() : -1;
	if (notifier->has_watchdog && watchdog_us / 4000 < period_ms)
		period_ms = watchdog_us / 4000 > 0 ? watchdog_us / 4000 : 1;
	if (sd_notify(0, state) > 0)
		uv_timer_start(&notifier->timer, on_notify_timer, 0, period_ms);
	return 0;
}

void notify_deinit(struct notifier *notifier)
{
	if (notifier->watchdog_fd >= 0)
		close(notifier->watchdog_fd);
	notifier->watchdog_fd = -1;
}
