/* SPDX-License-Identifier: MIT */
/*
 * Leak: live bytes whose troughs keep rising, and the site whose objects stay.
 *
 * One snapshot has no history of each site, but it has the ages of what is alive.  Of a site that has
 * lost bytes evenly, half of the live bytes are younger than the median age, and the median is half of
 * the oldest age.  What was allocated at start-up has a median near the oldest: it does not grow now.
 * A site whose objects are freed as fast as they come has a short median, but its frees make up for it.
 */
#include <inttypes.h>
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define ORDER 0.8      /* of the troughs */
#define ORDER_FIRM 0.9 /* 8 troughs, S >= 26 of 28: p < 0.01 */
#define RISE_MIN (1 << 20)
#define RISE_SHARE 0.03 /* of what is live: less is the noise of a steady service */
#define FLATTENS 0.25	/* late slope over whole slope: a cache that is nearly full */
#define SAMPLES_MIN 3
#define CARRIES 0.5

/* Net growth of a site in bytes per second, 0 when too little is known. */
static double site_rate(const void *row)
{
	const struct ht_site *s = row;
	double stays, even;

	if (s->live_samples < SAMPLES_MIN || s->median_age_ns == 0 || s->oldest_ns == 0 || !(s->allocated_bytes > 0))
		return 0;
	stays = 1 - fmin(fmax(s->freed_bytes / s->allocated_bytes, 0), 1);
	even = 2 * (1 - fmin((double)s->median_age_ns / (double)s->oldest_ns, 1));
	return s->live_bytes / 2 / ((double)s->median_age_ns / 1e9) * stays * fmin(even, 1);
}

/* The longest stretch of history over which live grows, and goes on growing. */
static bool find_growth(const struct ht_model *m, struct ht_trend *ret)
{
	static const double stretches[] = { 0, 3600, 600 };

	for (size_t i = 0; i < sizeof(stretches) / sizeof(stretches[0]); i++) {
		struct ht_trend t;

		if (ht_trend_of(m->history, m->n_history, stretches[i], ht_value_live, &t) && t.order >= ORDER &&
		    t.rise >= RISE_MIN && t.rise >= RISE_SHARE * (double)m->live_bytes &&
		    t.late_slope >= FLATTENS * t.slope) {
			*ret = t;
			return true;
		}
	}
	return false;
}

static void tell_sites(const struct ht_case *c, struct ht_finding *f, double slope)
{
	const struct ht_model *m = c->model;
	char name[HT_NAME_ROOM], a[HT_WORD_ROOM], b[HT_WORD_ROOM], d[HT_WORD_ROOM], age[HT_UNIT_ROOM];
	const void *top[HT_TOP];
	size_t n = ht_top(m->sites, m->n_sites, sizeof(*m->sites), site_rate, top);

	for (size_t i = 0; i < n; i++) {
		const struct ht_site *s = top[i];

		if (i > 0 && site_rate(s) < 0.1 * slope) /* it grows with the rest, or by chance */
			break;
		ht_say_site(f, s->id);
		ht_say_evidence(f, "%s: about %s, %s live of %s allocated, oldest %s (%" PRIu64 " samples)",
				ht_word_site(name, c, s->id), ht_word_rate(a, site_rate(s)),
				ht_word_sampled(b, s->live_bytes, s->live_bytes_se),
				ht_word_bytes(d, s->allocated_bytes), ht_fmt_ns(age, (double)s->oldest_ns),
				s->live_samples);
	}
}

static void grade(const struct ht_case *c, struct ht_finding *f, const struct ht_trend *t, bool carried)
{
	ht_case_grade(c, f, t->seconds >= 600 && t->order >= ORDER_FIRM ? t->seconds : 0);
	if (!carried || t->late_slope < 0.75 * t->slope)
		ht_finding_weaken(f);
}

bool ht_rule_leak(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	const struct ht_site *worst = NULL;
	const void *top[HT_TOP];
	struct ht_trend t;
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM], s[HT_WORD_ROOM], d[HT_UNIT_ROOM], p[HT_WORD_ROOM], name[HT_NAME_ROOM];
	double part = 0;

	if (!find_growth(m, &t))
		return false;
	if (ht_top(m->sites, m->n_sites, sizeof(*m->sites), site_rate, top)) {
		part = fmin(site_rate(top[0]) / t.slope, 1);
		worst = part > CARRIES ? top[0] : NULL;
	}
	/* what a site has lost since it began is more than what was seen of it */
	ret->bytes = (uint64_t)(worst ? fmax(worst->live_bytes, 0) : t.rise);
	ret->share = ht_case_share(c, (double)ret->bytes);
	grade(c, ret, &t, worst != NULL);
	if (worst)
		ht_say_text(ret, "LIVE HEAP grew by about %s (%s of RSS) in %s, %s; %s of it is %s",
			    ht_word_bytes(a, t.rise), ht_word_share(b, ht_case_share(c, t.rise)),
			    ht_fmt_ns(d, t.seconds * 1e9), ht_word_rate(s, t.slope), ht_word_share(p, part),
			    ht_word_site(name, c, worst->id));
	else
		ht_say_text(ret, "LIVE HEAP grew by about %s (%s of RSS) in %s, %s; no single site carries half of it",
			    ht_word_bytes(a, t.rise), ht_word_share(b, ht_case_share(c, t.rise)),
			    ht_fmt_ns(d, t.seconds * 1e9), ht_word_rate(s, t.slope));
	if (t.seconds < 600)
		ht_say_evidence(ret, "seen for %s only", ht_fmt_ns(d, t.seconds * 1e9));
	ht_say_evidence(ret,
			"the least live bytes of 8 windows rise by %s over the whole time, by %s over its later half",
			ht_word_rate(a, t.slope), ht_word_rate(b, t.late_slope));
	tell_sites(c, ret, t.slope);
	ht_say_disproof(ret,
			"growth stops at a level (a cache has filled, a load has been reached), or the site's older "
			"objects are freed after all");
	ht_say_action(ret,
		      "watch whether it goes on: heaptop -p %d --view sites; more exact with "
		      "HEAPSPY_CONF=sample:64k at the next start",
		      (int)m->pid);
	return true;
}
