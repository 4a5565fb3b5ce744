/* SPDX-License-Identifier: MIT */
/* A broker that says what is written, whatever it is asked, and a clock that only moves when
 * somebody waits. The linker (--wrap) leads the library's calls here: connect(2) gives a socket
 * pair, send(2) goes nowhere and brings the next portion of the script, poll(2) and sleeping take
 * no time.
 *
 * In a script a new line ends a reply and the portion that one call or one wait brings, and ~
 * begins something else: ~n  ends a reply, but not the portion       ~.  ends the portion, in
 * mid-reply or not ~x  closes the connection                   ~c  where a portion begins: nobody
 * listens At its end connections are closed, and connecting fails for want of descriptors, for
 * which nobody waits.
 */
#ifndef USHER_TESTS_FUZZ_SCRIPT_H
#define USHER_TESTS_FUZZ_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

void script_begin(const uint8_t *text, size_t size);
void script_end(void);

/* Whoever waits now gets the next portion. */
void script_go_on(void);

void script_advance_ms(int64_t ms);

#endif
