/* SPDX-License-Identifier: MIT */
/* How the rows of the tables are written, and the tables of types that those of methods contain.
 * For message_types.c and message_tables.c only. */
#ifndef USHER_PROTO_MESSAGE_ROWS_H
#define USHER_PROTO_MESSAGE_ROWS_H

#include "proto/message.h"

/* Three hundred years: a time of day in microseconds still fits with it added. */
#define MESSAGE_MS_MAX INT64_C(9460800000000)

#define REQUIRED true
#define OPTIONAL false
#define FIELD(S, f, k, required)                                                                   \
	MESSAGE_NAME(#f), .kind = k, .is_required = required, .offset = offsetof(struct S, f)
#define BOOL(S, f, required)                                                                       \
	{                                                                                          \
		FIELD(S, f, FIELD_BOOL, required)                                                  \
	}
#define OPT_BOOL(S, f)                                                                             \
	{                                                                                          \
		FIELD(S, f, FIELD_OPT_BOOL, OPTIONAL)                                              \
	}
#define INT(S, f, required, least, most)                                                           \
	{                                                                                          \
		FIELD(S, f, FIELD_INT, required), .min = least, .max = most                        \
	}
#define FLOAT(S, f, required)                                                                      \
	{                                                                                          \
		FIELD(S, f, FIELD_FLOAT, required)                                                 \
	}
#define STRING(S, f, required, least, most)                                                        \
	{                                                                                          \
		FIELD(S, f, FIELD_STRING, required), .min = least, .max = most                     \
	}
#define OBJECT(S, f, required)                                                                     \
	{                                                                                          \
		FIELD(S, f, FIELD_OBJECT, required)                                                \
	}
#define ENUM(S, f, required, all)                                                                  \
	{                                                                                          \
		FIELD(S, f, FIELD_ENUM, required), .names = all                                    \
	}
#define NUMBERS(S, f, required)                                                                    \
	{                                                                                          \
		FIELD(S, f, FIELD_NUMBERS, required)                                               \
	}
#define STRUCT(S, f, required, inner)                                                              \
	{                                                                                          \
		FIELD(S, f, FIELD_STRUCT, required), .nested = &inner                              \
	}
#define STRUCTS(S, f, required, inner)                                                             \
	{                                                                                          \
		FIELD(S, f, FIELD_STRUCTS, required), .nested = &inner                             \
	}
#define STRINGS(S, f, required)                                                                    \
	{                                                                                          \
		FIELD(S, f, FIELD_STRINGS, required)                                               \
	}
#define TABLE(name, S, fields)                                                                     \
	{                                                                                          \
		name, sizeof(struct S), fields, sizeof(fields) / sizeof(fields[0])                 \
	}

extern const struct message bucket_table, histogram_table, totals_table, pool_metrics_table,
	metrics_table, queued_table, session_table, ended_table, holder_table, pool_table,
	event_table;

#endif
