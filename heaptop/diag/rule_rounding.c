/* SPDX-License-Identifier: MIT */
/*
 * Internal fragmentation: bytes between what was asked for and the slot that was given.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/words.h"
#include "model/model.h"

/* Four classes per doubling waste at most a fifth and on average less than a tenth of mixed sizes. */
#define SHARE 0.15

static double live_key(const void *row)
{
	return (double)((const struct ht_class *)row)->live_bytes;
}

static void tell_classes(const struct ht_model *m, struct ht_finding *f)
{
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM];
	const void *top[HT_TOP];
	size_t n = ht_top(m->classes, m->n_classes, sizeof(*m->classes), live_key, top);

	for (size_t i = 0; i < n; i++) {
		const struct ht_class *x = top[i];

		ht_word_bytes(a, (double)x->live_bytes);
		ht_word_share(b, (double)x->live_bytes / (double)m->live_bytes);
		if (x->size_bytes == 0) /* the last row collects what is above the classes */
			ht_say_evidence(f, "objects above the classes hold %s of the live bytes (%s)", a, b);
		else
			ht_say_evidence(f, "class %u holds %s of the live bytes (%s); the next smaller one is %u",
					x->size_bytes, a, b, x > m->classes ? x[-1].size_bytes : 0);
	}
}

bool ht_rule_internal_fragmentation(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double lost = m->rounding_bytes, se = m->rounding_bytes_se;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], e[HT_WORD_ROOM];

	if (!isfinite(lost) || lost < (double)c->floor_bytes || lost < SHARE * (double)m->live_bytes)
		return false;
	ret->bytes = (uint64_t)lost;
	ret->share = ht_case_share(c, lost);
	/* what is lost by rounding stays lost: no history is needed, only enough samples */
	ht_case_grade(c, ret, isfinite(se) && se < lost / 10 ? 600 : 60);
	if (!isfinite(se) || se > lost / 3)
		ht_finding_weaken(ret);
	ht_say_text(ret, "ROUNDING up to size classes takes %s (%s of RSS, %s of the live bytes)%s",
		    ht_word_bytes(a, lost), ht_word_share(b, ret->share),
		    ht_word_share(d, lost / (double)m->live_bytes),
		    ht_word_slope(e, m->ledger[HT_PART_ROUNDING].slope, lost));
	ht_say_evidence(ret, "rounding %s, estimated from samples; live %s in %llu objects",
			ht_word_sampled(a, lost, se), ht_word_bytes(b, (double)m->live_bytes),
			(unsigned long long)m->live_objects);
	tell_classes(m, ret);
	ht_say_disproof(ret,
			"with more samples (HEAPSPY_CONF=sample:64k) the estimate falls below %s of the live bytes",
			ht_word_share(d, SHARE));
	ht_say_action(ret, "ask for sizes just below a class instead of just above one: a header less, or an array "
			   "that fills its slot");
	return true;
}
