/* SPDX-License-Identifier: MIT */
#include "daemon/core/text.h"

#include <stdlib.h>
#include <string.h>

struct text *text_new(const char *bytes, size_t length)
{
	struct text *text = malloc(sizeof(*text) + length + 1);

	if (!text)
		return NULL;
	atomic_init(&text->references, 1);
	text->length = (uint32_t)length;
	text->next_freed = NULL;
	if (length)
		memcpy(text->bytes, bytes, length);
	text->bytes[length] = '\0';
	return text;
}

struct text *text_ref(struct text *text)
{
	if (text)
		atomic_fetch_add_explicit(&text->references, 1, memory_order_relaxed);
	return text;
}

struct text *text_unref(struct text *text)
{
	if (text && atomic_fetch_sub_explicit(&text->references, 1, memory_order_acq_rel) == 1)
		free(text);
	return NULL;
}

bool count_drop_unless_last(atomic_uint *references)
{
	unsigned count = atomic_load_explicit(references, memory_order_acquire);

	while (count > 1)
		if (atomic_compare_exchange_weak_explicit(references, &count, count - 1,
			    memory_order_acq_rel, memory_order_acquire))
			return true;
	return false;
}

bool text_unref_unless_last(struct text *text)
{
	return count_drop_unless_last(&text->references);
}
