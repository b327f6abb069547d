/* SPDX-License-Identifier: MIT */
/*
 * Lock contention: threads that wait for each other inside malloc and free.
 */
#include <math.h>

#include "diag/rule.h"
#include "diag/top.h"
#include "diag/words.h"
#include "model/model.h"
#include "util/units.h"

#define WAITS_MIN 100	 /* fewer are an accident, whatever their share */
#define RATIO 0.01	 /* waits per acquisition ... */
#define RATIO_TIME 0.001 /* ... once they cost anything: a thousandth of the threads' time */
#define TIME 0.01	 /* or this much of it */
#define SEEN_NS 10e9

struct waits {
	double acquisitions, contended, wait_ns, max_wait_ns, thread_ns, threads;
};

static struct waits add_up(const struct ht_model *m)
{
	struct waits w = { 0 };

	for (size_t i = 0; i < m->n_locks; i++) {
		const struct ht_lock *l = &m->locks[i];

		w.acquisitions += (double)l->acquisitions;
		w.contended += (double)l->contended;
		w.wait_ns += (double)l->wait_ns;
		w.max_wait_ns = fmax(w.max_wait_ns, (double)l->max_wait_ns);
	}
	for (size_t i = 0; i < m->n_threads; i++)
		w.threads += m->threads[i].alive;
	if (m->n_os_threads != HT_UNKNOWN)
		w.threads = fmax(w.threads, (double)m->n_os_threads);
	w.threads = fmax(w.threads, 1);
	w.thread_ns = w.threads * (double)m->uptime_ns;
	return w;
}

static double lock_key(const void *row)
{
	const struct ht_lock *l = row;

	return l->contended ? (double)l->wait_ns : 0;
}

static double waiter_key(const void *row)
{
	return (double)((const struct ht_waiter *)row)->wait_ns;
}

static void tell_locks(const struct ht_model *m, struct ht_finding *f)
{
	char n[HT_UNIT_ROOM], w[HT_UNIT_ROOM], t[HT_UNIT_ROOM], p50[HT_UNIT_ROOM], p99[HT_UNIT_ROOM], max[HT_UNIT_ROOM];
	char share[HT_WORD_ROOM];
	const void *top[HT_TOP];
	size_t n_top = ht_top(m->locks, m->n_locks, sizeof(*m->locks), lock_key, top);

	for (size_t i = 0; i < n_top; i++) {
		const struct ht_lock *l = top[i];

		ht_say_evidence(f, "lock '%s': %s waits in %s acquisitions (%s), %s in all; p50 %s, p99 %s, max %s",
				l->name, ht_fmt_count(w, (double)l->contended),
				ht_fmt_count(n, (double)l->acquisitions),
				ht_word_share(share, (double)l->contended / fmax((double)l->acquisitions, 1)),
				ht_fmt_ns(t, (double)l->wait_ns), ht_fmt_ns(p50, (double)l->p50_ns),
				ht_fmt_ns(p99, (double)l->p99_ns), ht_fmt_ns(max, (double)l->max_wait_ns));
	}
}

static void tell_waiters(const struct ht_case *c, struct ht_finding *f)
{
	const struct ht_model *m = c->model;
	char name[HT_NAME_ROOM], n[HT_UNIT_ROOM], t[HT_UNIT_ROOM], max[HT_UNIT_ROOM];
	const void *top[HT_TOP];
	size_t n_top = ht_top(m->waiters, m->n_waiters, sizeof(*m->waiters), waiter_key, top);

	for (size_t i = 0; i < n_top; i++) {
		const struct ht_waiter *w = top[i];

		if ((double)w->wait_ns < 0.01 * waiter_key(top[0])) /* an accident beside the first */
			break;
		ht_say_site(f, w->site);
		ht_say_evidence(f, "waiting at %s: %s waits, %s, max %s (sampled by time waited)",
				ht_word_site(name, c, w->site), ht_fmt_count(n, (double)w->n_waits),
				ht_fmt_ns(t, (double)w->wait_ns), ht_fmt_ns(max, (double)w->max_wait_ns));
	}
}

bool ht_rule_lock_contention(const struct ht_case *c, struct ht_finding *ret)
{
	const struct ht_model *m = c->model;
	struct waits w = add_up(m);
	const struct ht_lock *worst;
	const void *top[HT_TOP];
	/* one long wait is an outlier (a suspended holder), not contention */
	double wait = w.wait_ns - w.max_wait_ns, share, ratio;
	char t[HT_UNIT_ROOM], n[HT_UNIT_ROOM], a[HT_WORD_ROOM], b[HT_WORD_ROOM], up[HT_UNIT_ROOM];
	bool by_ratio, by_time;

	if (w.contended < WAITS_MIN || w.thread_ns <= 0 || w.acquisitions <= 0 ||
	    !ht_top(m->locks, m->n_locks, sizeof(*m->locks), lock_key, top))
		return false;
	worst = top[0];
	share = fmin(wait / w.thread_ns, 1);
	ratio = fmin(w.contended / w.acquisitions, 1);
	by_ratio = ratio > RATIO && share > RATIO_TIME;
	by_time = share > TIME;
	if (!by_ratio && !by_time)
		return false;
	ret->share = share;
	ret->severity = share > 0.2 ? HT_CRITICAL : by_time ? HT_WARN : HT_INFO;
	ret->confidence = by_ratio && by_time ? HT_HIGH : HT_MEDIUM;
	if ((double)m->uptime_ns < SEEN_NS && ret->confidence == HT_MEDIUM)
		ht_finding_weaken(ret);
	ht_say_text(ret,
		    "LOCKS: threads waited %s in malloc and free (%s of the time of %.0f threads), %s waits, "
		    "%s of the acquisitions; lock '%s' carries %s of it",
		    ht_fmt_ns(t, w.wait_ns), ht_word_share(a, share), w.threads, ht_fmt_count(n, w.contended),
		    ht_word_share(b, ratio), worst->name, ht_fmt_ns(up, (double)worst->wait_ns));
	tell_locks(m, ret);
	tell_waiters(c, ret);
	ht_say_evidence(ret, "figures since the start of the process, %s ago; %zu arenas",
			ht_fmt_ns(up, (double)m->uptime_ns), m->n_arenas);
	ht_say_disproof(ret, "the waits stop growing once start-up is over, or the threads are fewer than cores and "
			     "their time is not what limits the service");
	if (m->n_arenas > 1)
		ht_say_action(ret, "restart with more arenas and with thread caches: HEAPSPY_CONF=arenas:%zu,tcache:on",
			      m->n_arenas < 128 ? m->n_arenas * 2 : 256);
	else
		ht_say_action(ret, "restart with an arena for each core and with thread caches, as is the default: "
				   "HEAPSPY_CONF=arenas:0,tcache:on");
	return true;
}
