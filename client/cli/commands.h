/* SPDX-License-Identifier: MIT */
/* The commands of usherctl, each defined in the file of its name. A new one is added here and in
 * main.c's table. */
#ifndef USHER_CLI_COMMANDS_H
#define USHER_CLI_COMMANDS_H

#include "client/cli/cli.h"

extern const struct command command_attach, command_call, command_cancel, command_create,
	command_drain, command_get, command_history, command_list, command_metrics, command_monitor,
	command_pause, command_ping, command_pools, command_release, command_reload, command_renew,
	command_reset_metrics, command_resume, command_revoke, command_run, command_set_pool,
	command_start, command_status, command_top, command_update, command_verify, command_who;

/* Ends with NULL; in the order of the help text. */
extern const struct command *const commands[];

#endif
