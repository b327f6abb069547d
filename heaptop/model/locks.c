/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/build.h"
#include "util/mem.h"

/*
 * A quantile of a histogram whose bucket b counts waits of 2^(b+7) ns .. 2^(b+8) ns.  Within a bucket the
 * waits are taken as spread evenly over the logarithm; never more than the longest wait seen.
 */
static uint64_t quantile(const struct heapspy_lock *l, double q)
{
	double total = 0, before = 0;

	for (unsigned b = 0; b < HEAPSPY_LOCK_HIST; b++)
		total += l->hist[b];
	for (unsigned b = 0; b < HEAPSPY_LOCK_HIST; b++) {
		if (l->hist[b] && before + l->hist[b] >= q * total) {
			double ns = exp2(b + 7 + (q * total - before) / l->hist[b]);

			return l->max_wait_ns && ns > (double)l->max_wait_ns ? l->max_wait_ns : (uint64_t)ns;
		}
		before += l->hist[b];
	}
	return 0;
}

static void name_lock(struct ht_lock *x, const struct heapspy_lock *l, const struct ht_snap *snap)
{
	switch (l->kind) {
	case HEAPSPY_LOCK_BIN:
		if (l->klass < snap->n_classes)
			snprintf(x->name, sizeof(x->name), "arena %u bin %u", l->arena,
				 snap->classes[l->klass].size_bytes);
		else
			snprintf(x->name, sizeof(x->name), "arena %u bin #%u", l->arena, l->klass);
		break;
	case HEAPSPY_LOCK_ARENA:
		snprintf(x->name, sizeof(x->name), "arena %u", l->arena);
		break;
	case HEAPSPY_LOCK_CACHE:
		snprintf(x->name, sizeof(x->name), "arena %u shared cache", l->arena);
		break;
	case HEAPSPY_LOCK_META:
		snprintf(x->name, sizeof(x->name), "meta");
		break;
	case HEAPSPY_LOCK_THREADS:
		snprintf(x->name, sizeof(x->name), "threads");
		break;
	case HEAPSPY_LOCK_SAMPLES:
		snprintf(x->name, sizeof(x->name), "samples");
		break;
	case HEAPSPY_LOCK_SEGMENT:
		snprintf(x->name, sizeof(x->name), "segment");
		break;
	default:
		snprintf(x->name, sizeof(x->name), "lock %u", x->row);
	}
}

void ht_build_locks(struct ht_model *m, const struct ht_build *in)
{
	const struct ht_snap *snap = in->snap;

	m->locks = ht_xcalloc(snap->n_locks, sizeof(*m->locks));
	for (size_t i = 0; i < snap->n_locks; i++) {
		const struct heapspy_lock *l = &snap->locks[i];

		/* most bins of most arenas are never used */
		if (!l->kind || (!l->n_acquired && !l->n_contended))
			continue;
		struct ht_lock *x = &m->locks[m->n_locks++];
		x->row = (uint32_t)i;
		name_lock(x, l, snap);
		x->acquisitions = l->n_acquired;
		x->contended = l->n_contended;
		x->wait_ns = l->wait_ns;
		x->max_wait_ns = l->max_wait_ns;
		x->p50_ns = quantile(l, 0.5);
		x->p99_ns = quantile(l, 0.99);
	}
	m->waiters = ht_xcalloc(snap->n_waiters, sizeof(*m->waiters));
	for (size_t i = 0; i < snap->n_waiters; i++) {
		const struct heapspy_waiter *w = &snap->waiters[i];

		if (!w->n_waits || w->lock >= snap->n_locks || w->site >= snap->n_sites) {
			m->n_bad_rows += w->n_waits != 0;
			continue;
		}
		m->waiters[m->n_waiters++] = (struct ht_waiter){ .lock = w->lock,
								 .site = w->site,
								 .n_waits = w->n_waits,
								 .wait_ns = w->wait_ns,
								 .max_wait_ns = w->max_wait_ns };
	}
}
