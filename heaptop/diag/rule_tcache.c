/* SPDX-License-Identifier: MIT */
/*
 * Thread-cache bloat: slots that wait in the caches of threads which do not come for them.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define SHARE 0.1 /* of the resident heap */
#define IDLE_NS 60e9
#define IDLE_SHARE 0.5

static double cached_key(const void *row)
{
	return (double)((const struct ht_thread *)row)->cached_bytes;
}

static void tell_threads(const struct ht_model *m, struct ht_finding *f)
{
	char a[HT_WORD_ROOM], t[HT_UNIT_ROOM];
	const void *top[HT_TOP];
	size_t n = ht_top(m->threads, m->n_threads, sizeof(*m->threads), cached_key, top);

	for (size_t i = 0; i < n; i++) {
		const struct ht_thread *x = top[i];

		ht_say_evidence(f, "thread %u '%.15s'%s caches %s, idle for %s", x->tid, x->name,
				x->alive ? "" : " (ended)", ht_word_bytes(a, (double)x->cached_bytes),
				ht_fmt_ns(t, (double)x->idle_ns));
	}
}

bool ht_rule_thread_cache(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double cached = (double)c->cache_bytes, idle = 0;
	size_t n_idle = 0;
	bool large, asleep;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], e[HT_WORD_ROOM];

	for (size_t i = 0; i < m->n_threads; i++)
		if ((double)m->threads[i].idle_ns > IDLE_NS && m->threads[i].cached_bytes) {
			idle += (double)m->threads[i].cached_bytes;
			n_idle++;
		}
	idle = fmin(idle, cached); /* what is pinned in their spans is another finding's */
	large = c->cache_bytes >= c->gate_bytes && cached > SHARE * (double)c->heap_bytes;
	asleep = c->cache_bytes >= c->floor_bytes && idle > IDLE_SHARE * cached &&
		 cached > SHARE * (double)c->heap_bytes;
	if (!large && !asleep)
		return false;
	ret->bytes = c->cache_bytes;
	ret->share = ht_case_share(c, cached);
	ht_case_grade(c, ret,
		      fmax(ht_trend_held_s(m->history, m->n_history, ht_value_thread_cache,
					   (double)m->thread_cache_bytes / 2),
			   asleep ? 60 : 0));
	ht_say_text(ret, "THREAD CACHES hold %s (%s of RSS), %s on %zu threads idle > 60 s%s", ht_word_bytes(a, cached),
		    ht_word_share(b, ret->share), ht_word_bytes(d, idle), n_idle,
		    ht_word_slope(e, m->ledger[HT_PART_THREAD_CACHE].slope, cached));
	tell_threads(m, ret);
	ht_say_disproof(ret, "the threads come back and use it, or RSS does not fall when they end");
	ht_say_action(ret, "fewer threads; or compare with HEAPSPY_CONF=tcache:off, which costs speed");
	return true;
}
