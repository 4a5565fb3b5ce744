/* SPDX-License-Identifier: MIT */
/* What a broker's error reply says, for people: in usherctl's words, else in the library's. One
 * thread. */
#ifndef USHER_TESTS_BENCH_SENTENCE_H
#define USHER_TESTS_BENCH_SENTENCE_H

/* A sentence about REPLY, a text or NULL; NULL if it is no error. Escaped. The caller frees it. */
char *sentence_of_reply(const char *reply);

#endif
