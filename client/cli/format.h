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

/* The same for narrow columns, in at most 6 columns up to 999 days: "650ms", "12s", "8m29s",
 * "1h18m", "2d3h". */
char *format_span(int64_t ms, char *buf);

/* Microseconds since 1970 as the local "2024-05-01 12:00:00"; "-" for a negative one. */
char *format_time(int64_t us, char *buf);

/* The same as one word, for a pipe: "2024-05-01T12:00:00+0200". */
char *format_time_word(int64_t us, char *buf);

/* "1st", "2nd", "3rd", "11th". */
char *format_ordinal(int64_t number, char *buf);

/* A short time in three digits and a unit, for narrow columns: "12.3us", "340ms", "1.50s",
 * "4.2min", "3.1h", "12d"; "-" for a negative one. */
char *format_brief(int64_t ns, char *buf);

/* A user's name, or the number of one that has none; "-" for a negative one. Static. */
const char *format_user(int64_t uid);

/* A JSON array of slot numbers as "0-3,7", or with all numbers if IS_LONG; owned by the caller,
 * NULL without memory. */
char *format_slots(const cJSON *slots, bool is_long);

int64_t format_now_us(void);

#endif
