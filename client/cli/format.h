/* SPDX-License-Identifier: MIT */
/* Times, users and slots in the words of a table. Buffers are returned; NULs are always there.
 * One thread.
 */
#ifndef USHER_CLI_FORMAT_H
#define USHER_CLI_FORMAT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAX 64

/* A duration in its two largest units: "2d 3h", "3s 20ms", and without milliseconds
 * from ten seconds on; "-" for a negative one. */
char *format_age(int64_t ms, char *buf);

/* Microseconds since 1970 as the local "2024-05-01 12:00:00"; "-" for a negative one. */
char *format_time(int64_t us, char *buf);

/* A user's name, or the number of one that has none; "-" for a negative one. Static. */
const char *format_user(int64_t uid);

/* A JSON array of slot numbers as "0-3,7", or with all numbers if IS_LONG; owned by the caller,
 * NULL without memory. */
char *format_slots(const cJSON *slots, bool is_long);

int64_t format_now_us(void);

#endif
