/* SPDX-License-Identifier: MIT */
/* Without the option a failpoint is a constant: this compiles only if it is. */
#include "daemon/failpoint.h"

_Static_assert(failpoint_error("name") == 0, "costs nothing");
_Static_assert(!failpoint_is_armed("name"), "costs nothing");

int main(void)
{
	FAILPOINT("name");
	return 0;
}
