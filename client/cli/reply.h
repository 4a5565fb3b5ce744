/* SPDX-License-Identifier: MIT */
/* Calls of the Broker's methods and what to do with their replies.
 *
 * A reply is kept as its text. For people it is read through a cJSON tree; where every digit and
 * byte counts (--json, metadata, metrics) through spans of the text, since cJSON's numbers are
 * doubles. libusher has checked the text strictly, so the tree holds what the text says. One
 * thread.
 */
#ifndef USHER_CLI_REPLY_H
#define USHER_CLI_REPLY_H

#include "client/cli/cli.h"
#include "client/cli/tree.h"
#include "proto/json_scan.h"
#include "proto/json_write.h"

#include <cjson/cJSON.h>
#include <stdint.h>

struct reply {
	char *text;              /* owned */
	struct json_value value; /* of the text: an object */
	cJSON *tree;             /* owned */
};

/* Parameters of a call: an object that is being written. NULL and PARAMETER_NONE add nothing. */
#define PARAMETER_NONE INT64_MIN
void parameters_init(struct json_writer *w);
void parameters_add_text(struct json_writer *w, const char *name, const char *text);
void parameters_add_json(struct json_writer *w, const char *name, const char *json);
void parameters_add_int(struct json_writer *w, const char *name, int64_t value);
void parameters_add_bool(struct json_writer *w, const char *name, bool value); /* false: nothing */

/* The finished text, NUL-ended, owned by W; NULL without memory. */
const char *parameters_finish(struct json_writer *w);

/* Connect if need be, and call io.usher.Broker.METHOD. PARAMETERS may be NULL; they are gone after
 * the call. 0 and the reply, or an exit code; then nothing is to be freed. */
int cli_call(
	struct cli *cli, const char *method, struct json_writer *parameters, struct reply *ret);
void reply_deinit(struct reply *reply);

/* The same where the reply has nothing to say: with --json it is printed. Exit code. */
int cli_call_plain(struct cli *cli, const char *method, struct json_writer *parameters);

/* A reply from a copy of TEXT, without a word. 0, -ENOMEM, or -EBADMSG for what is nested too deep.
 */
int reply_read(const char *text, struct reply *ret);

/* A reply from its TEXT, which it owns from then on (also on a failure). 0 or an exit code. */
int reply_parse(struct cli *cli, char *text, struct reply *ret);

/* With --json, print the member NAME of the reply (all of it if NULL). True if that was done. */
bool reply_print_json(const struct cli *cli, const struct reply *reply, const char *name);

/* The same for the array NAME: one element a line. */
bool reply_print_lines(const struct cli *cli, const struct reply *reply, const char *name);

#endif
