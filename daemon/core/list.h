/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list. The owner of each link says so where it is declared:
 * `struct list link; // table.sessions`. A link outside of any list points at itself. */
#ifndef USHER_CORE_LIST_H
#define USHER_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev;
	struct list *next;
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->prev = list;
	list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* All of FROM, in order, to the end of TO. */
static inline void list_move_all(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* Take LINK out of whatever list it is in; it may be in none. */
static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#define list_for_each(iter, head)                                                                  \
	for (struct list *iter = (head)->next; iter != (head); iter = iter->next)

/* The loop's body may remove ITER. */
#define list_for_each_safe(iter, head)                                                             \
	for (struct list *iter = (head)->next, *iter##_next = iter->next; iter != (head);          \
		iter = iter##_next, iter##_next = iter->next)

#endif
