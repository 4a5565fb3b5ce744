/* SPDX-License-Identifier: MIT */
/* The other half of the scanner's fuzz target: what it writes, it must read. */
#ifndef USHER_TESTS_FUZZ_SCANNER_H
#define USHER_TESTS_FUZZ_SCANNER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json_scan.h"
#include "proto/json_write.h"

/* VALUE, taken apart and written again, must mean the same, and be the same when that is done
 * twice; with the members of objects in another order and numbers spelled otherwise, too. */
void rewrite_value(const struct json_value *value);

/* Any bytes written as a string, and the first eight as a number, must come back. */
void rewrite_bytes(const char *bytes, size_t size);

#endif
