/* SPDX-License-Identifier: MIT */
/* What there is to say while the broker cannot store anything. Pure. One thread. */
#ifndef USHER_CLI_STORE_TROUBLE_H
#define USHER_CLI_STORE_TROUBLE_H

#include <cjson/cJSON.h>

/* "STORE FULL: no space left; new sessions are refused" of GetMetrics' metrics; "" if all is well.
 * Static; not escaped. */
const char *store_trouble(const cJSON *metrics);

#endif
