/* SPDX-License-Identifier: MIT */
/* Print the tables of the interface as the code has them, for test_interface.py. */
#include "daemon/ops.h"
#include "proto/message.h"
#include "proto/status.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {
	[FIELD_BOOL] = "bool",
	[FIELD_INT] = "int",
	[FIELD_FLOAT] = "float",
	[FIELD_STRING] = "string",
	[FIELD_OBJECT] = "object",
	[FIELD_OPT_BOOL] = "bool",
	[FIELD_ENUM] = "enum",
	[FIELD_NUMBERS] = "numbers",
	[FIELD_STRUCT] = "struct",
	[FIELD_STRUCTS] = "structs",
	[FIELD_STRINGS] = "strings",
};

static void dump_field(const struct message *table, const struct message_field *field)
{
	printf("field %s %s %s %s ", table->name, field->name, kinds[field->kind],
		field->is_required ? "required" : "optional");
	if (field->nested)
		printf("%s", field->nested->name);
	else if (!field->names)
		printf("-");
	for (int i = 0; field->names && field->names[i]; i++)
		printf("%s%s", i ? "," : "", field->names[i]);
	printf("\n");
}

static void dump_error(const char *interface, const char *error)
{
	if (strcmp(interface, USHER_INTERFACE) == 0)
		printf("error %s\n", error);
}

int main(void)
{
	for (size_t i = 0; i < n_message_tables; i++) {
		printf("table %s\n", message_tables[i]->name);
		for (size_t f = 0; f < message_tables[i]->n_fields; f++)
			dump_field(message_tables[i], &message_tables[i]->fields[f]);
	}
	for (size_t i = 0; i < ops_interface->n_methods; i++)
		printf("method %s\n", ops_interface->methods[i].name);
#define X(name, number, interface, error, code, text) dump_error(interface, error);
	USHER_STATUS_LIST(X)
#undef X
	return 0;
}
