/* SPDX-License-Identifier: MIT */
/* usherctl's main() under another name. */
#ifndef USHER_TESTS_FUZZ_CLI_MAIN_H
#define USHER_TESTS_FUZZ_CLI_MAIN_H

int usherctl_main(int argc, char **argv);

#endif
