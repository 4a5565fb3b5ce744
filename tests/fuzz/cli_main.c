/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/cli_main.h"

#define main usherctl_main
#include "client/cli/main.c"
