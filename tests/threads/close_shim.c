/* SPDX-License-Identifier: MIT */
/* Lets ThreadSanitizer see what libuv closes.
 *
 * libuv closes by syscall(SYS_close), which no sanitizer looks at (uv__close_nocancel() in its
 * src/unix/core.c; it tells only clang's). The descriptor of that number is then still the old one
 * to ThreadSanitizer, and if the next with its number is of a kind that it does not see opened
 * (a pidfd, fcntl(F_DUPFD_CLOEXEC)) and is another thread's, it tells of a race that is none.
 * Loaded by LD_PRELOAD, this goes by close(), so by the sanitizer's interceptor.
 */
#include "tests/faults/shim.h"

#include <stdarg.h>
#include <sys/syscall.h>

#define ARGUMENTS_MAX 6

typedef long system_call(long number, ...);

long syscall(long number, ...)
{
	static _Atomic(system_call *) next;
	system_call *call = atomic_load(&next);
	long arguments[ARGUMENTS_MAX];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < ARGUMENTS_MAX; i++) /* as many as the kernel may look at, like libc's */
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_close)
		return close((int)arguments[0]);
	if (!call) {
		call = (system_call *)shim_next("syscall");
		atomic_store(&next, call);
	}
	return call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		arguments[5]);
}
