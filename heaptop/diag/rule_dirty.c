/* SPDX-License-Identifier: MIT */
/*
 * Retained dirty pages: free pages that the allocator keeps for longer than it was told to.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define SHARE 0.2   /* of the resident heap */
#define PERIODS 3   /* of decay: by then the curve must have come down */
#define PEAK 1.5    /* live was once that much higher: free pages are what is left of a peak */
#define FALLEN 1.25 /* below that the free pages turn over, they are not left behind */

bool ht_rule_retained_dirty(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double dirty = (double)m->dirty_bytes, held, decay_s = (double)m->decay_ms / 1e3, peak;
	bool never = m->decay_ms < 0, after_peak;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], e[HT_WORD_ROOM], t[HT_UNIT_ROOM];

	if (m->dirty_bytes < c->floor_bytes || dirty < SHARE * (double)c->heap_bytes)
		return false;
	held = ht_trend_held_s(m->history, m->n_history, ht_value_dirty, dirty / 2);
	peak = fmax(ht_trend_peak(m->history, m->n_history, ht_value_live), (double)m->live_bytes);
	after_peak = peak > FALLEN * (double)m->live_bytes;
	/* decay is at work; and a steady service keeps some free pages for its next request */
	if (!never && (held < decay_s || (!after_peak && held < PERIODS * decay_s)))
		return false;
	ret->bytes = m->dirty_bytes;
	ret->share = ht_case_share(c, dirty);
	if (never)
		ht_case_grade(c, ret, fmax(held, 60));
	else
		ht_case_grade(c, ret, held >= PERIODS * decay_s ? fmax(held, 60) : 0);
	ht_say_text(ret, "FREE PAGES not given back hold %s (%s of RSS)%s; decay is %s", ht_word_bytes(a, dirty),
		    ht_word_share(b, ret->share), ht_word_slope(d, m->ledger[HT_PART_DIRTY].slope, dirty),
		    never ? "off" : ht_fmt_ns(t, decay_s * 1e9));
	ht_say_evidence(ret, "at least half of it has been there for %s", ht_fmt_ns(t, held * 1e9));
	ht_say_evidence(ret, "live is %s, it was %s at its peak in the history%s",
			ht_word_bytes(a, (double)m->live_bytes), ht_word_bytes(b, peak),
			peak > PEAK * (double)m->live_bytes ? "; harmless after a peak" : "");
	for (size_t i = 0; i < m->n_arenas; i++)
		if (m->arenas[i].dirty_bytes >= m->dirty_bytes / 4 && m->n_arenas > 1)
			ht_say_evidence(ret, "arena %u: %s dirty, %s purged so far", m->arenas[i].id,
					ht_word_bytes(d, (double)m->arenas[i].dirty_bytes),
					ht_word_bytes(e, (double)m->arenas[i].purged_bytes));
	ht_say_disproof(ret, "a malloc_trim(0) of the program gives back less than a quarter of it");
	ht_say_action(ret, "restart with a shorter decay: HEAPSPY_CONF=decay_ms:%d%s", never || decay_s > 2 ? 1000 : 0,
		      never || decay_s <= 10 ? "" : ", or malloc_trim(0) in the program after a peak");
	return true;
}
