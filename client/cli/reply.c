/* SPDX-License-Identifier: MIT */
#include "client/cli/reply.h"

#include "client/cli/json_show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

void parameters_init(struct json_writer *w)
{
	json_writer_init(w);
	json_write_object_begin(w);
}

void parameters_add_text(struct json_writer *w, const char *name, const char *text)
{
	if (!text)
		return;
	json_write_key(w, name);
	json_write_cstring(w, text);
}

void parameters_add_json(struct json_writer *w, const char *name, const char *json)
{
	if (!json)
		return;
	json_write_key(w, name);
	json_write_raw(w, json, strlen(json));
}

void parameters_add_int(struct json_writer *w, const char *name, int64_t value)
{
	if (value == PARAMETER_NONE)
		return;
	json_write_key(w, name);
	json_write_int(w, value);
}

void parameters_add_bool(struct json_writer *w, const char *name, bool value)
{
	if (!value)
		return;
	json_write_key(w, name);
	json_write_bool(w, true);
}

const char *parameters_finish(struct json_writer *w)
{
	json_write_object_end(w);
	json_write_bytes(w, "", 1);
	return json_writer_failed(w) ? NULL : w->data;
}

/* ---- calls ---- */

static int out_of_memory(struct cli *cli)
{
	cli_complain(cli, "out of memory");
	return EXIT_FAILED;
}

static int call_text(struct cli *cli, const char *method, const char *parameters, char **ret)
{
	char name[128];
	int code = cli->usher ? 0 : cli_connect(cli);
	int r;

	if (code)
		return code;
	snprintf(name, sizeof(name), "%s.%s", USHER_INTERFACE, method);
	r = usher_call(cli->usher, name, parameters, ret);
	return r < 0 ? cli_explain(cli, r) : 0;
}

int cli_call(struct cli *cli, const char *method, struct json_writer *parameters, struct reply *ret)
{
	const char *text = parameters ? parameters_finish(parameters) : "{}";
	char *reply = NULL;
	int code = text ? call_text(cli, method, text, &reply) : out_of_memory(cli);

	if (parameters)
		json_writer_deinit(parameters);
	return code ? code : reply_parse(cli, reply, ret);
}

int cli_call_plain(struct cli *cli, const char *method, struct json_writer *parameters)
{
	struct reply reply;
	int code = cli_call(cli, method, parameters, &reply);

	if (code)
		return code;
	reply_print_json(cli, &reply, NULL);
	reply_deinit(&reply);
	return EXIT_OK;
}

int reply_read(const char *text, struct reply *ret)
{
	char *copy = strdup(text);
	struct json_value value;
	cJSON *tree;

	if (!copy)
		return -ENOMEM;
	tree = cJSON_Parse(copy);
	if (!tree || json_parse(copy, strlen(copy), UINT32_MAX, &value, NULL) < 0) {
		cJSON_Delete(tree);
		free(copy);
		return -EBADMSG;
	}
	*ret = (struct reply){.text = copy, .value = value, .tree = tree};
	return 0;
}

int reply_parse(struct cli *cli, char *text, struct reply *ret)
{
	int r = reply_read(text, ret);

	free(text);
	if (r < 0)
		cli_complain(cli, "the reply is nested too deep, or there is no memory for it");
	return r < 0 ? EXIT_FAILED : 0;
}

void reply_deinit(struct reply *reply)
{
	cJSON_Delete(reply->tree);
	free(reply->text);
	*reply = (struct reply){0};
}

bool reply_print_json(const struct cli *cli, const struct reply *reply, const char *name)
{
	struct json_value value = reply->value;

	if (!cli->json)
		return false;
	if (name && !json_find_member(&reply->value, name, &value))
		value = reply->value;
	json_show(&value, cli->is_terminal);
	return true;
}

bool reply_print_lines(const struct cli *cli, const struct reply *reply, const char *name)
{
	struct json_value array, element;
	struct json_iter iter;

	if (!cli->json)
		return false;
	if (!json_find_member(&reply->value, name, &array) || array.type != JSON_ARRAY)
		return true;
	json_iter_init(&iter, &array);
	while (json_next_element(&iter, &element))
		json_show_line(&element, cli->is_terminal);
	return true;
}
