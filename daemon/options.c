/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include "daemon/server.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"Usage: usherd [OPTION]...\n"
	"Serve numbered slots of bounded pools to the programs of this host.\n"
	"\n"
	"  --config FILE     read FILE, then FILE.d/*.conf (default: /etc/usher/usherd.conf for\n"
	"                    root, $XDG_CONFIG_HOME/usher/usherd.conf for others)\n"
	"  --socket PATH     serve PATH (default: as configured, else /run/usher/usher.sock for\n"
	"                    root, $XDG_RUNTIME_DIR/usher/usher.sock for others)\n"
	"  --workers N|auto  event loops (default: as configured, else auto)\n"
	"  --check-config    read the configuration, print it as it is in force, and end\n"
	"  --version         print the version and end\n"
	"  --help            print this and end\n"
	"\n"
	"SIGTERM and SIGINT end it, SIGHUP reads the configuration again.\n";

static int parse_workers(const char *text, int *ret)
{
	char *end;
	long value;

	if (strcmp(text, "auto") == 0) {
		*ret = 0;
		return 0;
	}
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > USHER_MAX_WORKERS) {
		fprintf(stderr,
			"usherd: --workers: expected auto or an integer from 1 to %d, not \"%s\"\n",
			USHER_MAX_WORKERS, text);
		return -EINVAL;
	}
	*ret = (int)value;
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'},
		{"workers", required_argument, NULL, 'w'},
		{"check-config", no_argument, NULL, 'C'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	*ret = (struct options){.workers = -1};
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'c')
			ret->config = optarg;
		else if (c == 's')
			ret->socket = optarg;
		else if (c == 'C')
			ret->check_config = true;
		else if (c == 'w' && parse_workers(optarg, &ret->workers) == 0)
			continue;
		else if (c == 'V')
			return printf("usherd %s\n", USHER_VERSION) < 0 ? -EIO : 1;
		else if (c == 'h')
			return fputs(help, stdout) < 0 ? -EIO : 1;
		else {
			if (c == '?')
				fprintf(stderr, "Try 'usherd --help'.\n");
			return -EINVAL;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "usherd: expected only options, not \"%s\"\nTry 'usherd --help'.\n",
		argv[optind]);
	return -EINVAL;
}
