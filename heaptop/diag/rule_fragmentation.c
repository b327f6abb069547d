/* SPDX-License-Identifier: MIT */
/*
 * External fragmentation: free slots that lie in spans which somebody else still uses.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define SHARE_FIRM 0.15	 /* of live and free slots together; slabs of a steady server stay below */
#define SHARE_SMALL 0.25 /* the same below the gate, where one half-empty span per class counts for much */

static double class_key(const void *row)
{
	const struct ht_class *c = row;

	return (double)c->free_slots * c->size_bytes - (double)c->hole_bytes;
}

static double pin_key(const void *row)
{
	return ((const struct ht_site *)row)->pinned_bytes;
}

static const struct ht_site *main_pin(const struct ht_model *m)
{
	const void *top[HT_TOP];

	return ht_top(m->sites, m->n_sites, sizeof(*m->sites), pin_key, top) ? top[0] : NULL;
}

static void tell_classes(const struct ht_model *m, struct ht_finding *f)
{
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM];
	const void *top[HT_TOP];
	size_t n = ht_top(m->classes, m->n_classes, sizeof(*m->classes), class_key, top);

	for (size_t i = 0; i < n; i++) {
		const struct ht_class *c = top[i];
		double all = (double)c->live_bytes + class_key(c);

		ht_say_evidence(f,
				"class %u: %s free in %llu spans that are not full (of %llu); %s of its slots in use",
				c->size_bytes, ht_word_bytes(a, class_key(c)), (unsigned long long)c->nonfull_spans,
				(unsigned long long)c->spans, ht_word_share(b, (double)c->live_bytes / all));
	}
}

static void tell_fill(const struct ht_model *m, struct ht_finding *f)
{
	uint64_t spans = 0, bytes = 0;
	char a[HT_WORD_ROOM];

	for (int i = 0; i < 5; i++) {
		spans += m->fill_spans[i];
		bytes += m->fill_free_bytes[i];
	}
	if (spans)
		ht_say_evidence(f, "%llu spans less than half full hold %s of it", (unsigned long long)spans,
				ht_word_bytes(a, (double)bytes));
}

static void tell_pins(const struct ht_case *c, struct ht_finding *f)
{
	char name[HT_NAME_ROOM], a[HT_WORD_ROOM], n[HT_UNIT_ROOM], age[HT_UNIT_ROOM];
	const struct ht_model *m = c->model;
	const void *top[HT_TOP];
	size_t n_top = ht_top(m->sites, m->n_sites, sizeof(*m->sites), pin_key, top);

	for (size_t i = 0; i < n_top; i++) {
		const struct ht_site *s = top[i];

		ht_say_site(f, s->id);
		ht_say_evidence(f, "%s pins %s with %s live objects, median age %s (%llu samples)",
				ht_word_site(name, c, s->id), ht_word_sampled(a, s->pinned_bytes, s->pinned_bytes_se),
				ht_fmt_count(n, s->live_objects), ht_fmt_ns(age, (double)s->median_age_ns),
				(unsigned long long)s->live_samples);
	}
}

static void advise(const struct ht_case *c, struct ht_finding *f)
{
	const struct ht_site *pin = main_pin(c->model);
	const char *function = pin ? ht_site_function(c, pin->id) : NULL;

	ht_say_disproof(f, "its classes are growing again (the free slots will be used), or the free slots "
			   "go down by themselves within minutes");
	ht_say_action(f,
		      "keep the long-lived objects of %s apart from short-lived ones (a pool, or allocate them "
		      "before the burst); see who pins what with heaptop -p %d --view sites --sort pinned_bytes",
		      function ? function : "the pinning sites", (int)c->model->pid);
}

bool ht_rule_external_fragmentation(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	double free_bytes = (double)c->span_free_bytes, slots = (double)(m->live_bytes - m->huge_bytes) + free_bytes;
	bool firm = c->span_free_bytes >= c->gate_bytes;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], e[HT_WORD_ROOM], name[HT_NAME_ROOM];
	const struct ht_site *pin = main_pin(m);
	const struct ht_ledger_part *part = &m->ledger[HT_PART_SPAN_FREE];
	struct ht_trend live;

	if (m->huge_bytes > m->live_bytes)
		slots = (double)m->live_bytes + free_bytes;
	if (c->span_free_bytes < c->floor_bytes || free_bytes < (firm ? SHARE_FIRM : SHARE_SMALL) * slots)
		return false;
	ret->bytes = c->span_free_bytes;
	ret->share = ht_case_share(c, free_bytes);
	/* half of today's bytes: the figure moves a little from tick to tick */
	ht_case_grade(c, ret, ht_trend_held_s(m->history, m->n_history, ht_value_free_slots, free_bytes / 2));
	/* a heap that is being filled will use them */
	if (ht_trend_of(m->history, m->n_history, 60, ht_value_live, &live) && live.late_slope * 60 > free_bytes)
		ht_finding_weaken(ret);
	ht_say_text(ret, "FREE SLOTS in partly used spans hold %s (%s of RSS, %s of all slots)%s%s%s",
		    ht_word_bytes(a, free_bytes), ht_word_share(b, ret->share), ht_word_share(d, free_bytes / slots),
		    ht_word_slope(e, part->slope, free_bytes), pin ? "; most is pinned by " : "",
		    pin ? ht_word_site(name, c, pin->id) : "");
	tell_classes(m, ret);
	tell_fill(m, ret);
	tell_pins(c, ret);
	if (c->span_free_bytes > m->span_free_bytes)
		ht_say_evidence(ret, "%s of it in spans that threads still own (thread_cache in the ledger)",
				ht_word_bytes(a, (double)(c->span_free_bytes - m->span_free_bytes)));
	if (part->untouched_bytes > 0)
		ht_say_evidence(ret, "%s of it is not resident", ht_word_bytes(a, (double)part->untouched_bytes));
	advise(c, ret);
	return true;
}
