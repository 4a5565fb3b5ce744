/* SPDX-License-Identifier: MIT */
#include "tests/bench/sentence.h"

#include "client/cli/escape.h"
#include "client/cli/refusal.h"
#include "client/cli/tree.h"
#include "client/handle.h"

#include <stdlib.h>
#include <string.h>

/* As the library says it, in a buffer of SIZE bytes. */
static void explain_as_library(const char *text, char *buf, size_t size)
{
	struct varlink_reply reply;

	*buf = '\0';
	if (varlink_reply_decode(text, strlen(text), UINT32_MAX, &reply) == 0 && *reply.error)
		explain_refusal(status_from_error_name(reply.error), reply.error, &reply.parameters,
			buf, size);
}

static char *copy_escaped(const char *text)
{
	char *escaped = escape_text(text, strlen(text));
	char *copy = escaped ? strdup(escaped) : NULL;

	escape_free(escaped);
	return copy;
}

char *sentence_of_reply(const char *reply)
{
	cJSON *tree = reply ? cJSON_Parse(reply) : NULL;
	int status = status_from_error_name(tree_text(tree, "error"));
	char *sentence = NULL, *ret = NULL, buf[512];

	if (status > 0)
		sentence = refusal_sentence(
			-USHER_STATUS_BASE - status, tree_member(tree, "parameters"));
	if (!sentence && tree)
		explain_as_library(reply, buf, sizeof(buf));
	if (sentence)
		ret = copy_escaped(sentence);
	else if (tree && *buf)
		ret = copy_escaped(buf);
	free(sentence);
	cJSON_Delete(tree);
	return ret;
}
