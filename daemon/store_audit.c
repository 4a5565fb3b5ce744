/* SPDX-License-Identifier: MIT */
/* Those who count the store's sessions anew hear of what changes behind them. One that is over may
 * say so while somebody else has the store, who must not be waited for: so it is only marked, and
 * let go by the next that looks at all of them. */
#include "daemon/store_private.h"

#include <stdlib.h>

static void let_go(struct store_audit *audit)
{
	list_remove(&audit->link);
	free(audit);
}

static void sweep(struct store *store)
{
	list_for_each_safe(link, &store->audits) {
		struct store_audit *audit = container_of(link, struct store_audit, link);

		if (atomic_load(&audit->is_ended))
			let_go(audit);
	}
}

void store_tell_audits(struct store *store, uint64_t sequence, uint32_t from, uint32_t to)
{
	sweep(store);
	list_for_each(link, &store->audits) {
		struct store_audit *audit = container_of(link, struct store_audit, link);

		if (sequence > audit->position)
			continue;
		audit->n += (uint64_t)(to != 0) - (from != 0);
		audit->sums += (uint64_t)to - from;
	}
}

void store_empty_audits(struct store *store)
{
	list_for_each(link, &store->audits) {
		struct store_audit *audit = container_of(link, struct store_audit, link);

		audit->n = audit->sums = 0;
	}
}

void store_free_audits(struct store *store)
{
	list_for_each_safe(link, &store->audits)
		let_go(container_of(link, struct store_audit, link));
}

struct store_audit *store_audit_begin(struct store *store)
{
	struct store_audit *audit = calloc(1, sizeof(*audit));

	sweep(store);
	if (audit)
		list_append(&store->audits, &audit->link);
	return audit;
}

void store_audit_end(struct store_audit *audit)
{
	atomic_store(&audit->is_ended, true);
}
