/* SPDX-License-Identifier: MIT */
#include "tests/bench/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define IN_ROOM     ((size_t)64 << 10) /* grows for longer replies; pages not used cost nothing */
#define IN_ROOM_MAX ((size_t)64 << 20)

int link_init(struct link *link, unsigned depth, size_t request_room)
{
	*link = (struct link){
		.fd = -1, .depth = depth, .in_room = IN_ROOM, .out_room = depth * request_room};
	link->in = malloc(link->in_room);
	link->out = malloc(link->out_room);
	link->calling = calloc(depth, sizeof(struct lane *));
	return link->in && link->out && link->calling ? 0 : -ENOMEM;
}

void link_deinit(struct link *link)
{
	link_close(link);
	free(link->in);
	free(link->out);
	free(link->calling);
}

int link_connect(const char *path, int flags)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, r = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int link_open(struct link *link, const char *path)
{
	int fd = link_connect(path, SOCK_NONBLOCK);

	if (fd < 0)
		return fd;
	link->fd = fd;
	return 0;
}

void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->is_blocked = link->is_awaited = false;
	link->in_length = link->out_sent = link->out_length = 0;
	link->first = link->n_calling = 0;
}

/* No more is ever to be written than one request of each lane. */
static void make_room(struct link *link, size_t n)
{
	if (link->out_length + n <= link->out_room)
		return;
	link->out_length -= link->out_sent;
	memmove(link->out, link->out + link->out_sent, link->out_length);
	link->out_sent = 0;
}

void link_call(struct link *link, struct lane *lane, const struct request *request)
{
	unsigned last = link->first + link->n_calling++;

	make_room(link, request->length);
	link->out_length += request_write(request, lane->id, link->out + link->out_length);
	link->calling[last < link->depth ? last : last - link->depth] = lane;
	lane->is_calling = true;
}

int link_flush(struct link *link)
{
	link->is_blocked = false;
	while (link->out_sent < link->out_length) {
		ssize_t n = send(link->fd, link->out + link->out_sent,
			link->out_length - link->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			break;
		if (n < 0) {
			link->is_blocked = errno == EAGAIN;
			return link->is_blocked ? 0 : -errno;
		}
		link->out_sent += (size_t)n;
	}
	link->out_sent = link->out_length = 0;
	return 0;
}

static int grow(struct link *link)
{
	char *larger;

	if (link->in_room >= IN_ROOM_MAX)
		return -EMSGSIZE;
	larger = realloc(link->in, link->in_room * 2);
	if (!larger)
		return -ENOMEM;
	link->in = larger;
	link->in_room *= 2;
	return 0;
}

int link_receive(struct link *link)
{
	int r = link->in_length == link->in_room ? grow(link) : 0;
	ssize_t n;

	if (r < 0)
		return r;
	n = recv(link->fd, link->in + link->in_length, link->in_room - link->in_length,
		MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	link->in_length += (size_t)n;
	return n > 0 ? 1 : -EPIPE;
}

void link_consume(struct link *link, size_t n)
{
	link->in_length -= n;
	if (link->in_length > 0)
		memmove(link->in, link->in + n, link->in_length);
}

struct lane *link_answered(struct link *link)
{
	struct lane *lane;

	if (link->n_calling == 0)
		return NULL;
	lane = link->calling[link->first];
	link->first = link->first + 1 < link->depth ? link->first + 1 : 0;
	link->n_calling--;
	lane->is_calling = false;
	return lane;
}
