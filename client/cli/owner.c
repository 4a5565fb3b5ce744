/* SPDX-License-Identifier: MIT */
#include "client/cli/owner.h"

#include "client/cli/arguments.h"

bool owner_take_option(const struct cli *cli, int option, const char *argument,
	struct owner_wish *wish, int *ret_code)
{
	*ret_code = 0;
	switch (option) {
	case OPTION_OWNER_PID:
		*ret_code = argument_number(cli, "owner-pid", argument, 1, INT32_MAX, &wish->pid);
		return true;
	case OPTION_DETACHED:
		wish->is_detached = true;
		return true;
	default:
		return false;
	}
}

int owner_check(const struct cli *cli, const struct owner_wish *wish)
{
	if (wish->pid && wish->is_detached)
		return cli_usage_error(cli, "--owner-pid and --detached exclude each other");
	if (!wish->pid && !wish->is_detached)
		return cli_usage_error(cli,
			"--owner-pid PID (in a script: $$) or --detached is required: the session"
			" would end together with this command ('usherctl run' holds one while a"
			" program runs)");
	return 0;
}

void owner_add_parameters(const struct owner_wish *wish, struct json_writer *parameters)
{
	parameters_add_text(parameters, "owner", wish->is_detached ? "detached" : "process");
	if (wish->pid)
		parameters_add_int(parameters, "pid", wish->pid);
}
