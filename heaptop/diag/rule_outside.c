/* SPDX-License-Identifier: MIT */
/*
 * Not malloc: the process grows, or is large, but the heap is not.
 */
#include <inttypes.h>
#include <math.h>

#include "diag/rule.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define CARRIES 0.6 /* of the growth, or of RSS */
#define ORDER 0.8   /* of the troughs: nearly every one above all before */
#define RISE_SHARE 0.03

static const enum ht_part parts[] = { HT_PART_OTHER_ANON, HT_PART_SHMEM, HT_PART_STACKS, HT_PART_FILE };

#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static void tell_parts(const struct ht_model *m, struct ht_finding *f)
{
	static const char *const words[] = { "anonymous memory that is not the heap's", "shared memory",
					     "thread stacks", "pages of files" };
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], s[HT_WORD_ROOM];

	for (size_t i = 0; i < N_PARTS; i++) {
		const struct ht_ledger_part *p = &m->ledger[parts[i]];

		if (p->bytes > 0)
			ht_say_evidence(f, "%s: %s (%s of RSS)%s", words[i], ht_word_bytes(a, (double)p->bytes),
					ht_word_share(b, p->share), ht_word_slope(s, p->slope, (double)p->bytes));
	}
	if (m->n_os_threads != HT_UNKNOWN && m->n_maps != HT_UNKNOWN)
		ht_say_evidence(f, "%" PRIu64 " threads, %" PRIu64 " mappings", m->n_os_threads, m->n_maps);
}

static bool is_growing(const struct ht_case *c, struct ht_trend *ret)
{
	const struct ht_model *m = c->model;
	struct ht_trend heap;

	if (!ht_trend_of(m->history, m->n_history, 0, ht_value_outside, ret))
		return false;
	if (ret->order < ORDER || ret->rise < (double)c->floor_bytes || ret->rise < RISE_SHARE * (double)c->rss_bytes ||
	    ret->late_slope < ret->slope / 4)
		return false;
	return !ht_trend_of(m->history, m->n_history, 0, ht_value_live, &heap) ||
	       ret->rise > CARRIES * (ret->rise + fmax(heap.rise, 0));
}

bool ht_rule_non_malloc(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double outside = 0, share;
	struct ht_trend trend;
	bool growing = is_growing(c, &trend), dominant;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], s[HT_WORD_ROOM], t[HT_UNIT_ROOM];

	for (size_t i = 0; i < N_PARTS; i++)
		outside += fmax((double)m->ledger[parts[i]].bytes, 0);
	share = ht_case_share(c, outside);
	/* a small program is mostly code, and nobody asks why */
	dominant = outside >= 2 * (double)c->gate_bytes && share > CARRIES;
	if (!growing && !dominant)
		return false;
	ret->bytes = (uint64_t)(growing ? trend.rise : outside);
	ret->share = ht_case_share(c, (double)ret->bytes);
	if (growing) {
		ht_case_grade(c, ret, trend.seconds >= 600 ? trend.seconds : 0);
		ht_say_text(ret, "NOT MALLOC: %s (%s of RSS) came outside the heap within %s, %s; %s lies there in all",
			    ht_word_bytes(a, trend.rise), ht_word_share(b, ret->share),
			    ht_fmt_ns(t, trend.seconds * 1e9), ht_word_rate(s, trend.slope),
			    ht_word_bytes((char[HT_WORD_ROOM]){ 0 }, outside));
	} else {
		ret->severity = HT_INFO;
		ret->confidence = HT_MEDIUM;
		ht_say_text(ret, "NOT MALLOC: %s (%s of RSS) lies outside the heap", ht_word_bytes(a, outside),
			    ht_word_share(b, share));
	}
	tell_parts(m, ret);
	ht_say_disproof(ret, "the heap grows by as much: see the ledger");
	ht_say_action(ret, "not a heap problem: look at the largest mappings in /proc/%d/smaps, and count the threads",
		      (int)m->pid);
	return true;
}
