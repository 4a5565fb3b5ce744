/* SPDX-License-Identifier: MIT */
/* Makes system calls of a process fail, the Nth of a kind, once or for good, whoever makes them;
 * and moves its wall clock. See shim.h; the file is named by USHER_CALL_SHIM.
 *
 * Reads and writes count as those of a socket or of a regular file, but for the log, and mappings
 * if they are of a file: the others are a library's own (an eventfd, a thread's stack).
 */
#include "tests/faults/shim.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

/* In the order of shims.py. */
enum kind {
	ACCEPT,
	READ,
	WRITE,
	RECVMSG,
	SENDMSG,
	GETSOCKOPT,
	EPOLL_CTL,
	PIDFD_OPEN,
	OPEN,
	PWRITE,
	SYNC,
	TRUNCATE,
	ALLOCATE,
	MAP,
	RENAME,
	READ_FILE,
	WRITE_FILE,
	STAT,
	LOCK,
	UNLINK,
	MKDIR,
	CHMOD,
	SOCKET,
	SOCKETPAIR,
	BIND,
	LISTEN,
	SETSOCKOPT,
	MEMFD,
	THREAD,
	CONNECT,
	SEND,
	RECV,
	POLL,
	EPOLL_CREATE,
	TIMER_CREATE,
	RANDOM,
	N_KINDS
};

/* 64 bits each, for the test to write at once. */
struct plan {
	struct shim_turn turn;
	_Atomic int64_t wall_ns; /* what is added to the wall clock */
	_Atomic int64_t kind;
	_Atomic int64_t error;         /* 0: it does one byte only, where it can */
	_Atomic int64_t made[N_KINDS]; /* of each kind, all in all */
};

static struct plan *plan;

static void __attribute__((constructor)) set_up(void)
{
	plan = shim_map("USHER_CALL_SHIM", sizeof(*plan));
}

/* Is it this one's turn to fail? Then with errno. */
static bool fails(enum kind kind, bool *ret_is_short)
{
	if (!plan)
		return false;
	atomic_fetch_add(&plan->made[kind], 1);
	if (atomic_load(&plan->kind) != kind || !shim_is_due(&plan->turn))
		return false;
	if (ret_is_short)
		*ret_is_short = atomic_load(&plan->error) == 0;
	if (atomic_load(&plan->error) == 0)
		return false;
	errno = (int)atomic_load(&plan->error);
	return true;
}

/* Whether it is a call of one of these kinds, and one that fails. */
static bool io_fails(int fd, enum kind of_socket, enum kind of_file, bool *ret_is_short)
{
	int before = errno;
	struct stat stat;
	mode_t mode = plan && fstat(fd, &stat) == 0 ? stat.st_mode : 0;

	errno = before;
	if (S_ISSOCK(mode))
		return fails(of_socket, ret_is_short);
	return S_ISREG(mode) && fd != STDERR_FILENO && fails(of_file, ret_is_short);
}

/* ---- sockets ---- */

int accept4(int fd, struct sockaddr *restrict name, socklen_t *restrict length, int flags)
{
	static int (*next)(int, struct sockaddr *, socklen_t *, int);

	if (!next)
		next = shim_next("accept4");
	return fails(ACCEPT, NULL) ? -1 : next(fd, name, length, flags);
}

ssize_t read(int fd, void *bytes, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);
	bool is_short = false;

	if (!next)
		next = shim_next("read");
	if (io_fails(fd, READ, READ_FILE, &is_short))
		return -1;
	return next(fd, bytes, is_short && size ? 1 : size);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	bool is_short = false;

	if (!next)
		next = shim_next("write");
	if (io_fails(fd, WRITE, WRITE_FILE, &is_short))
		return -1;
	return next(fd, bytes, is_short && size ? 1 : size);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	static ssize_t (*next)(int, const struct iovec *, int);
	bool is_short = false;

	if (!next)
		next = shim_next("writev");
	if (io_fails(fd, WRITE, WRITE_FILE, &is_short))
		return -1;
	return next(fd, parts, is_short ? 1 : n);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static ssize_t (*next)(int, struct msghdr *, int);

	if (!next)
		next = shim_next("recvmsg");
	return fails(RECVMSG, NULL) ? -1 : next(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static ssize_t (*next)(int, const struct msghdr *, int);

	if (!next)
		next = shim_next("sendmsg");
	return fails(SENDMSG, NULL) ? -1 : next(fd, message, flags);
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict length)
{
	static int (*next)(int, int, int, void *, socklen_t *);

	if (!next)
		next = shim_next("getsockopt");
	return fails(GETSOCKOPT, NULL) ? -1 : next(fd, level, name, value, length);
}

/* A call that returns an int, and -1 if it fails. */
#define CALLS(name, kind, parameters, types, arguments)                                            \
	int name parameters                                                                        \
	{                                                                                          \
		int(*next) types = shim_next(#name);                                               \
                                                                                                   \
		return fails(kind, NULL) ? -1 : next arguments;                                    \
	}

CALLS(socket, SOCKET, (int domain, int type, int protocol), (int, int, int),
	(domain, type, protocol))
CALLS(socketpair, SOCKETPAIR, (int domain, int type, int protocol, int ends[2]),
	(int, int, int, int[2]), (domain, type, protocol, ends))
CALLS(bind, BIND, (int fd, const struct sockaddr *name, socklen_t length),
	(int, const struct sockaddr *, socklen_t), (fd, name, length))
CALLS(listen, LISTEN, (int fd, int backlog), (int, int), (fd, backlog))
CALLS(setsockopt, SETSOCKOPT, (int fd, int level, int option, const void *value, socklen_t length),
	(int, int, int, const void *, socklen_t), (fd, level, option, value, length))

CALLS(connect, CONNECT, (int fd, const struct sockaddr *name, socklen_t length),
	(int, const struct sockaddr *, socklen_t), (fd, name, length))

/* EPIPE is only had from a connection that has an end. */
ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
	ssize_t (*next)(int, const void *, size_t, int) = shim_next("send");
	bool is_short = false;

	if (fails(SEND, &is_short)) {
		int error = errno;

		if (error == EPIPE)
			shutdown(fd, SHUT_RDWR);
		errno = error;
		return -1;
	}
	return next(fd, bytes, is_short && size ? 1 : size, flags);
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
	ssize_t (*next)(int, void *, size_t, int) = shim_next("recv");
	bool is_short = false;

	if (fails(RECV, &is_short))
		return -1;
	return next(fd, bytes, is_short && size ? 1 : size, flags);
}

/* ---- events and processes ---- */

CALLS(poll, POLL, (struct pollfd * items, nfds_t n, int timeout_ms), (struct pollfd *, nfds_t, int),
	(items, n, timeout_ms))
CALLS(epoll_create1, EPOLL_CREATE, (int flags), (int), (flags))
CALLS(timerfd_create, TIMER_CREATE, (int clock, int flags), (int, int), (clock, flags))

ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
	ssize_t (*next)(void *, size_t, unsigned) = shim_next("getrandom");
	bool is_short = false;

	if (fails(RANDOM, &is_short))
		return -1;
	return next(bytes, is_short && size ? 1 : size, flags);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	static int (*next)(int, int, int, struct epoll_event *);

	if (!next)
		next = shim_next("epoll_ctl");
	return what == EPOLL_CTL_ADD && fails(EPOLL_CTL, NULL) ? -1 : next(epoll, what, fd, event);
}

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list args;

	if (!next)
		next = shim_next("syscall");
	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_pidfd_open && fails(PIDFD_OPEN, NULL))
		return -1;
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The error is returned. */
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
	void *(*run)(void *), void *restrict data)
{
	int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		shim_next("pthread_create");

	return fails(THREAD, NULL) ? errno : next(thread, attributes, run, data);
}

/* ---- files, by both of their names ---- */

static int open_next(const char *name, const char *path, int flags, mode_t mode)
{
	int (*next)(const char *, int, ...) = shim_next(name);

	return fails(OPEN, NULL) ? -1 : next(path, flags, mode);
}

#define OPENS(name)                                                                                \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list args;                                                                      \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(args, flags);                                                             \
		mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;                 \
		va_end(args);                                                                      \
		return open_next(#name, path, flags, mode);                                        \
	}

OPENS(open)
OPENS(open64)

#define FOPENS(name)                                                                               \
	FILE *name(const char *restrict path, const char *restrict mode)                           \
	{                                                                                          \
		FILE *(*next)(const char *, const char *) = shim_next(#name);                      \
                                                                                                   \
		return fails(OPEN, NULL) ? NULL : next(path, mode);                                \
	}

FOPENS(fopen)
FOPENS(fopen64)

#define PWRITES(name)                                                                              \
	ssize_t name(int fd, const void *bytes, size_t size, off64_t at)                           \
	{                                                                                          \
		ssize_t (*next)(int, const void *, size_t, off64_t) = shim_next(#name);            \
		bool is_short = false;                                                             \
                                                                                                   \
		if (fails(PWRITE, &is_short))                                                      \
			return -1;                                                                 \
		return next(fd, bytes, is_short && size ? size / 2 : size, at);                    \
	}

PWRITES(pwrite)
PWRITES(pwrite64)

#define PWRITEVS(name)                                                                             \
	ssize_t name(int fd, const struct iovec *parts, int n, off64_t at)                         \
	{                                                                                          \
		ssize_t (*next)(int, const struct iovec *, int, off64_t) = shim_next(#name);       \
		bool is_short = false;                                                             \
                                                                                                   \
		if (fails(PWRITE, &is_short))                                                      \
			return -1;                                                                 \
		return next(fd, parts, is_short ? (n + 1) / 2 : n, at);                            \
	}

PWRITEVS(pwritev)
PWRITEVS(pwritev64)

#define SYNCS(name)                                                                                \
	int name(int fd)                                                                           \
	{                                                                                          \
		int (*next)(int) = shim_next(#name);                                               \
                                                                                                   \
		return fails(SYNC, NULL) ? -1 : next(fd);                                          \
	}

SYNCS(fsync)
SYNCS(fdatasync)

#define TRUNCATES(name)                                                                            \
	int name(int fd, off64_t size)                                                             \
	{                                                                                          \
		int (*next)(int, off64_t) = shim_next(#name);                                      \
                                                                                                   \
		return fails(TRUNCATE, NULL) ? -1 : next(fd, size);                                \
	}

TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

#define ALLOCATES(name)                                                                            \
	int name(int fd, off64_t at, off64_t size)                                                 \
	{                                                                                          \
		int (*next)(int, off64_t, off64_t) = shim_next(#name);                             \
                                                                                                   \
		return fails(ALLOCATE, NULL) ? errno : next(fd, at, size);                         \
	}

ALLOCATES(posix_fallocate)
ALLOCATES(posix_fallocate64)

#define MAPS(name)                                                                                 \
	void *name(void *at, size_t size, int protection, int flags, int fd, off64_t offset)       \
	{                                                                                          \
		void *(*next)(void *, size_t, int, int, int, off64_t) = shim_next(#name);          \
                                                                                                   \
		if (fd >= 0 && fails(MAP, NULL))                                                   \
			return MAP_FAILED;                                                         \
		return next(at, size, protection, flags, fd, offset);                              \
	}

MAPS(mmap)
MAPS(mmap64)

#define PREADS(name)                                                                               \
	ssize_t name(int fd, void *bytes, size_t size, off64_t at)                                 \
	{                                                                                          \
		ssize_t (*next)(int, void *, size_t, off64_t) = shim_next(#name);                  \
		bool is_short = false;                                                             \
                                                                                                   \
		if (fails(READ_FILE, &is_short))                                                   \
			return -1;                                                                 \
		return next(fd, bytes, is_short && size ? (size + 1) / 2 : size, at);              \
	}

PREADS(pread)
PREADS(pread64)

CALLS(rename, RENAME, (const char *from, const char *to), (const char *, const char *), (from, to))
CALLS(fstat64, STAT, (int fd, struct stat64 *ret), (int, struct stat64 *), (fd, ret))
CALLS(stat64, STAT, (const char *restrict path, struct stat64 *restrict ret),
	(const char *, struct stat64 *), (path, ret))
CALLS(lstat64, STAT, (const char *restrict path, struct stat64 *restrict ret),
	(const char *, struct stat64 *), (path, ret))
CALLS(flock, LOCK, (int fd, int what), (int, int), (fd, what))
CALLS(unlink, UNLINK, (const char *path), (const char *), (path))
CALLS(mkdir, MKDIR, (const char *path, mode_t mode), (const char *, mode_t), (path, mode))
CALLS(chmod, CHMOD, (const char *path, mode_t mode), (const char *, mode_t), (path, mode))
CALLS(memfd_create, MEMFD, (const char *name, unsigned flags), (const char *, unsigned),
	(name, flags))

/* ---- the wall clock ---- */

static int64_t move_ns(void)
{
	return plan ? atomic_load(&plan->wall_ns) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static int (*next)(clockid_t, struct timespec *);
	int64_t ns;
	int r;

	if (!next)
		next = shim_next("clock_gettime");
	r = next(clock, ret);
	if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		ns = (int64_t)ret->tv_sec * 1000000000 + ret->tv_nsec + move_ns();
		ret->tv_sec = ns / 1000000000;
		ret->tv_nsec = ns % 1000000000;
	}
	return r;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
