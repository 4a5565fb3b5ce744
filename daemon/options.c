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
	"  --state-dir DIR   keep there what outlives a restart: sessions, counters, pauses "
	"(default:\n"
	"                    $RUNTIME_DIRECTORY of a systemd service, else, with --socket, the\n"
	"                    directory \"state\" beside it, else /run/usher/state for root,\n"
	"                    $XDG_RUNTIME_DIR/usher/state for others)\n"
	"  --state none      keep nothing: a restart begins empty\n"
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

static int parse_state(const char *text)
{
	if (strcmp(text, "none") == 0)
		return 0;
	fprintf(stderr, "usherd: --state: expected none, not \"%s\"\n", text);
	return -EINVAL;
}

static int parse_state_dir(const char *text, const char **ret)
{
	if (!text[0]) {
		fprintf(stderr, "usherd: --state-dir: expected a directory, not \"\"\n");
		return -EINVAL;
	}
	*ret = text;
	return 0;
}

/* As options_parse(). */
static int take_option(int c, struct options *ret)
{
	switch (c) {
	case 'c':
		ret->config = optarg;
		return 0;
	case 's':
		ret->socket = optarg;
		return 0;
	case 'd':
		return parse_state_dir(optarg, &ret->state_dir);
	case 'S':
		ret->is_stateless = true;
		return parse_state(optarg);
	case 'w':
		return parse_workers(optarg, &ret->workers);
	case 'C':
		ret->check_config = true;
		return 0;
	case 'V':
		return printf("usherd %s\n", USHER_VERSION) < 0 ? -EIO : 1;
	case 'h':
		return fputs(help, stdout) < 0 ? -EIO : 1;
	default:
		fprintf(stderr, "Try 'usherd --help'.\n");
		return -EINVAL;
	}
}

static int check(const struct options *options, int argc, char **argv)
{
	if (optind < argc) {
		fprintf(stderr, "usherd: expected only options, not \"%s\"\nTry 'usherd --help'.\n",
			argv[optind]);
		return -EINVAL;
	}
	if (options->is_stateless && options->state_dir) {
		fprintf(stderr, "usherd: --state none and --state-dir exclude each other\n");
		return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'},
		{"state-dir", required_argument, NULL, 'd'},
		{"state", required_argument, NULL, 'S'},
		{"workers", required_argument, NULL, 'w'},
		{"check-config", no_argument, NULL, 'C'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c, r;

	*ret = (struct options){.workers = -1};
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		r = take_option(c, ret);
		if (r != 0)
			return r;
	}
	return check(ret, argc, argv);
}
