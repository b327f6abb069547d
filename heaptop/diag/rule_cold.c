/* SPDX-License-Identifier: MIT */
/*
 * Cold memory: live, resident, and not touched while the working set was measured.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

/*
 * Untouched part of the resident heap.  Half, and not the four fifths that one would call hopeless: from
 * there on the working set says more about the memory that a service needs than its RSS does.
 */
#define COLD_SHARE 0.5
#define COLD_BAD 0.8
#define SURE_S 60.0
#define FAIR_S 10.0

static double live_key(const void *row)
{
	return ((const struct ht_site *)row)->live_bytes;
}

static void tell_sites(const struct ht_case *c, struct ht_finding *f)
{
	const struct ht_model *m = c->model;
	char name[HT_NAME_ROOM], a[HT_WORD_ROOM], age[HT_UNIT_ROOM];
	const void *top[HT_TOP];
	size_t n = ht_top(m->sites, m->n_sites, sizeof(*m->sites), live_key, top);

	for (size_t i = 0; i < n; i++) {
		const struct ht_site *s = top[i];

		if (s->median_age_ns < m->wss_ns) /* written while it was measured */
			continue;
		ht_say_site(f, s->id);
		ht_say_evidence(f, "old enough to be it: %s, %s live, median age %s", ht_word_site(name, c, s->id),
				ht_word_sampled(a, s->live_bytes, s->live_bytes_se),
				ht_fmt_ns(age, (double)s->median_age_ns));
	}
}

/* Live bytes that are resident: free slots and free pages are cold by nature, and other findings' matter. */
static double resident_live(const struct ht_model *m)
{
	double bytes = (double)m->ledger[HT_PART_LIVE].bytes + (double)m->ledger[HT_PART_ROUNDING].bytes;

	return fmin(fmax(bytes, 0), (double)m->live_bytes);
}

bool ht_rule_cold_memory(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	bool heap_known = m->wss_heap_bytes != HT_UNKNOWN && c->heap_bytes;
	double resident, touched, cold, seconds = (double)m->wss_ns / 1e9;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], e[HT_WORD_ROOM], t[HT_UNIT_ROOM];

	if (m->wss_bytes == HT_UNKNOWN || m->wss_ns == HT_UNKNOWN || m->wss_ns == 0)
		return false;
	resident = heap_known ? resident_live(m) : (double)c->rss_bytes;
	touched = fmin(heap_known ? (double)m->wss_heap_bytes : (double)m->wss_bytes, resident);
	cold = resident - touched;
	if (cold < (double)c->floor_bytes || cold < COLD_SHARE * resident)
		return false;
	ret->bytes = (uint64_t)cold;
	ret->share = ht_case_share(c, cold);
	ht_case_grade(c, ret, seconds >= SURE_S ? 600 : seconds >= FAIR_S ? 60 : 0);
	if (ret->severity == HT_CRITICAL) /* it costs money, it does no harm */
		ret->severity = HT_WARN;
	if (cold < COLD_BAD * resident)
		ret->severity = HT_INFO;
	ht_say_text(ret,
		    "COLD MEMORY: %s (%s of RSS) was not touched within %s; the working set is %s of %s %sresident",
		    ht_word_bytes(a, cold), ht_word_share(b, ret->share), ht_fmt_ns(t, (double)m->wss_ns),
		    ht_word_bytes(d, touched), ht_word_bytes(e, resident), heap_known ? "live and " : "");
	if (heap_known)
		ht_say_evidence(ret, "heap: %s of %s resident referenced (%s), free slots and free pages included",
				ht_word_bytes(d, (double)m->wss_heap_bytes), ht_word_bytes(e, (double)c->heap_bytes),
				ht_word_share(b, fmin((double)m->wss_heap_bytes / (double)c->heap_bytes, 1)));
	ht_say_evidence(ret, "whole process: %s of %s resident referenced (%s)", ht_word_bytes(a, (double)m->wss_bytes),
			ht_word_bytes(d, (double)c->rss_bytes),
			ht_word_share(b, fmin((double)m->wss_bytes / fmax((double)c->rss_bytes, 1), 1)));
	tell_sites(c, ret);
	ht_say_disproof(ret, "a longer measurement touches it: the program may come back to it every few minutes");
	ht_say_action(ret,
		      "measure again over the period of your load: heaptop --wss 60 -p %d; then evict or compress "
		      "what nobody reads, or give the container less memory than RSS suggests",
		      (int)m->pid);
	return true;
}
