/* SPDX-License-Identifier: MIT */
/*
 * Unknown: the ledger does not close, so the other findings are to be taken with care.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/words.h"
#include "model/model.h"

#define SHARE 0.1

bool ht_rule_unknown(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double bytes = (double)m->ledger[HT_PART_UNEXPLAINED].bytes;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM];

	if (m->rss_bytes == HT_UNKNOWN || fabs(bytes) < (double)c->floor_bytes ||
	    fabs(bytes) < SHARE * (double)c->rss_bytes)
		return false;
	ret->bytes = (uint64_t)fabs(bytes);
	ret->share = ht_case_share(c, fabs(bytes));
	ht_case_grade(c, ret, 60);
	if (m->state != HT_LIVE) /* its last RSS and its last counters are of different instants */
		ht_finding_weaken(ret);
	ht_say_text(ret,
		    bytes > 0 ? "UNEXPLAINED: %s (%s of RSS) belongs to none of the parts"
			      : "UNEXPLAINED: the parts add up to %s (%s of RSS) more than is resident",
		    ht_word_bytes(a, fabs(bytes)), ht_word_share(b, ret->share));
	for (int i = 0; i < HT_N_PARTS; i++)
		if (m->ledger[i].share >= SHARE && i != HT_PART_UNEXPLAINED)
			ht_say_evidence(ret, "%s: %s (%s of RSS)", m->ledger[i].name,
					ht_word_bytes(a, (double)m->ledger[i].bytes),
					ht_word_share(b, m->ledger[i].share));
	if (m->swap_bytes != HT_UNKNOWN && m->swap_bytes)
		ht_say_evidence(ret, "%s is swapped out", ht_word_bytes(a, (double)m->swap_bytes));
	ht_say_disproof(ret, "the next frame closes: kernel and allocator were read while much was changing");
	ht_say_action(ret, "look at /proc/%d/smaps for the mappings behind it", (int)m->pid);
	return true;
}
