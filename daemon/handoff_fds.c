/* SPDX-License-Identifier: MIT */
#include "daemon/handoff_fds.h"

#include "daemon/core/map.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3 */
#endif

#define FDS_A_MESSAGE 253 /* SCM_MAX_FD */
#define LEAST_STORE   3
#define BARRIER_US    (5 * UINT64_C(1000000))

/* Read on the machine that wrote it, hence the numbers are native; the places of magic, version and
 * consumed are for ever. The inodes of n_fds descriptors follow, then the description. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t is_consumed;
	uint64_t rx_inode;
	uint64_t n_fds;
	uint64_t description_size;
	uint64_t sum; /* of all that follows */
};
static const char magic[8] = {'u', 's', 'h', 'e', 'r', '-', 'f', 'd'};

/* What each message says of its descriptors. */
struct portion {
	uint32_t first;
	uint32_t n;
};

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
};

static int __attribute__((format(printf, 4, 5)))
fail(int error, char *message, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, size, format, args);
	va_end(args);
	return error < 0 ? error : -error;
}

bool handoff_is_offered(void)
{
	const char *room = getenv("FDSTORE");

	return getenv("NOTIFY_SOCKET") && room && strtoul(room, NULL, 10) >= LEAST_STORE;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_ino;
}

/* ---- sending ---- */

static int new_memfd(void)
{
	int fd = memfd_create("usher-handover", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* an older kernel does not know the flag */
		fd = memfd_create("usher-handover", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const void *bytes, size_t length)
{
	for (const char *at = bytes; length > 0;) {
		ssize_t n = write(fd, at, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

static uint64_t sum_of(const void *inodes, size_t inodes_size, const void *bytes, size_t size)
{
	const uint64_t seed[2] = {0, 0};
	const uint64_t second[2] = {map_hash(seed, inodes, inodes_size), 1};

	return map_hash(second, bytes, size);
}

static int write_memfd(
	int memfd, const struct pack_writer *description, const int *fds, size_t n, int rx)
{
	uint64_t *inodes = calloc(n + 1, sizeof(*inodes));
	struct header header = {
		.version = HANDOFF_VERSION,
		.rx_inode = inode_of(rx),
		.n_fds = n,
		.description_size = description->length,
	};
	int r;

	if (!inodes)
		return -ENOMEM;
	memcpy(header.magic, magic, sizeof(magic));
	for (size_t i = 0; i < n; i++)
		inodes[i] = inode_of(fds[i]);
	header.sum = sum_of(inodes, n * sizeof(*inodes), description->data, description->length);
	r = write_all(memfd, &header, sizeof(header));
	if (r == 0)
		r = write_all(memfd, inodes, n * sizeof(*inodes));
	if (r == 0)
		r = write_all(memfd, description->data, description->length);
	free(inodes);
	return r;
}

static int send_portion(int tx, const int *fds, struct portion portion)
{
	struct iovec data = {.iov_base = &portion, .iov_len = sizeof(portion)};
	union control control = {{0}};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(portion.n * sizeof(int)),
	};

	control.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(portion.n * sizeof(int)),
	};
	memcpy(CMSG_DATA(&control.head), fds + portion.first, portion.n * sizeof(int));
	return sendmsg(tx, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(portion) ? 0 : -errno;
}

static int send_fds(int tx, const int *fds, size_t n)
{
	for (size_t first = 0; first < n; first += FDS_A_MESSAGE) {
		size_t left = n - first;
		struct portion portion = {
			.first = (uint32_t)first,
			.n = (uint32_t)(left < FDS_A_MESSAGE ? left : FDS_A_MESSAGE),
		};
		int r = send_portion(tx, fds, portion);

		if (r < 0)
			return r;
	}
	return 0;
}

/* All three in one message: the manager takes all or none. */
static int store(const int *trio)
{
	int r = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" HANDOFF_NAME, trio, LEAST_STORE);

	if (r <= 0)
		return r < 0 ? r : -ENOTCONN;
	r = sd_notify_barrier(0, BARRIER_US);
	return r < 0 ? r : 0;
}

static int fill_and_store(const int *trio, const struct pack_writer *description, const int *fds,
	size_t n, char *message, size_t size)
{
	int r = write_memfd(trio[0], description, fds, n, trio[1]);

	if (r < 0)
		return fail(r, message, size, "writing the description: %s", strerror(-r));
	r = send_fds(trio[2], fds, n);
	if (r < 0)
		return fail(r, message, size, "queueing %zu descriptors: %s", n, strerror(-r));
	r = store(trio);
	if (r < 0)
		return fail(
			r, message, size, "giving them to the service manager: %s", strerror(-r));
	return 0;
}

int handoff_send(
	const struct pack_writer *description, const int *fds, size_t n, char *message, size_t size)
{
	int trio[LEAST_STORE] = {-1, -1, -1}; /* the memfd, the end to read, the end to write */
	int r = -ENOMEM;

	if (pack_writer_failed(description))
		return fail(r, message, size, "describing the state: %s", strerror(-r));
	trio[0] = new_memfd();
	if (trio[0] < 0)
		return fail(trio[0], message, size, "memfd_create: %s", strerror(-trio[0]));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, trio + 1) < 0)
		r = fail(errno, message, size, "socketpair: %s", strerror(errno));
	else
		r = fill_and_store(trio, description, fds, n, message, size);
	for (int i = 0; i < LEAST_STORE; i++)
		if (trio[i] >= 0)
			close(trio[i]);
	return r;
}

/* ---- which parcel ---- */

static bool read_header(int fd, struct header *ret)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       pread(fd, ret, sizeof(*ret), 0) == sizeof(*ret) &&
	       memcmp(ret->magic, magic, sizeof(magic)) == 0;
}

static int find_socket(const int *passed, size_t n_passed, uint64_t inode)
{
	for (size_t i = 0; i < n_passed; i++) {
		struct stat st;

		if (fstat(passed[i], &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode)
			return passed[i];
	}
	return -ENOENT;
}

static int check_header(
	const struct header *header, int memfd, size_t max_fds, char *message, size_t size)
{
	struct stat st;
	uint64_t room;

	if (header->version > HANDOFF_VERSION)
		return fail(EPROTONOSUPPORT, message, size,
			"it is of version %" PRIu32 ", and this usherd reads up to %d",
			header->version, HANDOFF_VERSION);
	if (header->n_fds > max_fds)
		return fail(EMFILE, message, size,
			"it has %" PRIu64 " descriptors, and the limit of open files leaves room "
			"for %zu",
			header->n_fds, max_fds);
	if (fstat(memfd, &st) < 0)
		return fail(errno, message, size, "its description: %s", strerror(errno));
	room = (uint64_t)st.st_size - sizeof(*header);
	if (header->n_fds > room / sizeof(uint64_t) ||
		header->description_size != room - header->n_fds * sizeof(uint64_t))
		return fail(EBADMSG, message, size, "its description is cut short");
	return 0;
}

/* ---- reading it ---- */

static int read_all(int fd, void *bytes, size_t length, off_t offset)
{
	for (char *at = bytes; length > 0;) {
		ssize_t n = pread(fd, at, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		at += n;
		offset += n;
		length -= (size_t)n;
	}
	return 0;
}

static int read_description(const struct header *header, struct handoff_parcel *parcel,
	uint64_t *inodes, char *message, size_t size)
{
	size_t inodes_size = parcel->n_fds * sizeof(*inodes);
	int r = read_all(parcel->memfd, inodes, inodes_size, sizeof(*header));

	if (r == 0)
		r = read_all(parcel->memfd, parcel->description, parcel->description_size,
			(off_t)(sizeof(*header) + inodes_size));
	if (r < 0)
		return fail(r, message, size, "its description: %s", strerror(-r));
	if (sum_of(inodes, inodes_size, parcel->description, parcel->description_size) !=
		header->sum)
		return fail(EBADMSG, message, size, "its description is damaged");
	return 0;
}

/* ---- the descriptors ---- */

static size_t keep_fds(struct msghdr *message, struct handoff_parcel *parcel, size_t n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t room = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < room / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < parcel->n_fds)
				parcel->fds[n] = fd;
			else
				close(fd);
			n++;
		}
	}
	return n;
}

/* Look at the next message. 1, 0 when there are no more, a negated errno. */
static int peek(int rx, struct handoff_parcel *parcel, size_t *n)
{
	struct portion portion = {0, 0};
	struct iovec data = {.iov_base = &portion, .iov_len = sizeof(portion)};
	union control control;
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(rx, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t before = *n;

	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	*n = keep_fds(&message, parcel, before);
	if (message.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	if (got != sizeof(portion) || portion.first != before || portion.n != *n - before)
		return -EBADMSG;
	return 1;
}

static int peek_all(int rx, struct handoff_parcel *parcel, char *message, size_t size)
{
	const int from_the_first = 0;
	size_t n = 0;
	int r;

	if (setsockopt(rx, SOL_SOCKET, SO_PEEK_OFF, &from_the_first, sizeof(from_the_first)) < 0)
		return fail(errno, message, size, "SO_PEEK_OFF: %s", strerror(errno));
	do
		r = peek(rx, parcel, &n);
	while (r > 0 && n <= parcel->n_fds);
	if (r < 0)
		return fail(r, message, size, "its descriptors after %zu of %zu: %s", n,
			parcel->n_fds, strerror(-r));
	if (n != parcel->n_fds)
		return fail(EBADMSG, message, size, "it has %zu descriptors instead of %zu", n,
			parcel->n_fds);
	return 0;
}

static int check_inodes(
	const struct handoff_parcel *parcel, const uint64_t *inodes, char *message, size_t size)
{
	for (size_t i = 0; i < parcel->n_fds; i++)
		if (inode_of(parcel->fds[i]) != inodes[i])
			return fail(EBADMSG, message, size,
				"descriptor %zu is another one than described", i);
	return 0;
}

/* ---- receiving ---- */

static int open_parcel(const struct header *header, int rx, struct handoff_parcel *parcel,
	char *message, size_t size)
{
	uint64_t *inodes = calloc(header->n_fds + 1, sizeof(*inodes));
	int r = -ENOMEM;

	parcel->fds = calloc(header->n_fds + 1, sizeof(*parcel->fds));
	parcel->description = malloc(header->description_size + 1);
	if (!inodes || !parcel->fds || !parcel->description) {
		fail(r, message, size, "%s", strerror(-r));
		free(inodes);
		return r;
	}
	parcel->n_fds = header->n_fds;
	parcel->description_size = header->description_size;
	for (size_t i = 0; i < parcel->n_fds; i++)
		parcel->fds[i] = -1;
	r = read_description(header, parcel, inodes, message, size);
	if (r == 0)
		r = peek_all(rx, parcel, message, size);
	if (r == 0)
		r = check_inodes(parcel, inodes, message, size);
	free(inodes);
	return r;
}

static int receive(const struct header *header, const int *passed, size_t n_passed, size_t max_fds,
	struct handoff_parcel *ret, char *message, size_t size)
{
	int rx = find_socket(passed, n_passed, header->rx_inode);
	int r = check_header(header, ret->memfd, max_fds, message, size);

	if (r == 0 && rx < 0)
		r = fail(rx, message, size, "its queue of descriptors is missing");
	if (r == 0)
		r = open_parcel(header, rx, ret, message, size);
	if (r < 0)
		handoff_parcel_deinit(ret);
	return r < 0 ? r : 1;
}

int handoff_receive(const int *passed, size_t n_passed, size_t max_fds, struct handoff_parcel *ret,
	char *message, size_t size)
{
	struct header header;
	bool is_used = n_passed == 0;

	*ret = (struct handoff_parcel){.memfd = -1};
	for (size_t i = 0; i < n_passed; i++) {
		if (!read_header(passed[i], &header))
			continue;
		is_used = true;
		if (header.is_consumed)
			continue;
		ret->memfd = passed[i];
		return receive(&header, passed, n_passed, max_fds, ret, message, size);
	}
	return is_used ? 0 : fail(ENOENT, message, size, "its description is missing");
}

int handoff_consume(const int *passed, size_t n_passed)
{
	const uint32_t yes = 1;
	struct header header;
	int r = 0;

	for (size_t i = 0; i < n_passed; i++)
		if (read_header(passed[i], &header) &&
			pwrite(passed[i], &yes, sizeof(yes), offsetof(struct header, is_consumed)) <
				0)
			r = -errno;
	return r;
}

void handoff_parcel_deinit(struct handoff_parcel *parcel)
{
	for (size_t i = 0; parcel->fds && i < parcel->n_fds; i++)
		if (parcel->fds[i] >= 0)
			close(parcel->fds[i]);
	free(parcel->fds);
	free(parcel->description);
	*parcel = (struct handoff_parcel){.memfd = -1};
}
