/* SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"

#define COPY(dst, src)                                                                                                 \
	do {                                                                                                           \
		memcpy(dst, src, sizeof(dst));                                                                         \
		(dst)[sizeof(dst) - 1] = '\0';                                                                         \
	} while (0)

static void build_target(struct ht_model *m, const struct ht_build *in)
{
	const struct heapspy_header *h = &in->snap->header;
	bool here = in->state == HT_LIVE;

	m->pid = in->pid;
	m->state = in->state;
	_Static_assert(sizeof(m->exe) <= sizeof(h->exe) && sizeof(m->comm) <= sizeof(h->comm), "strings fit");
	COPY(m->comm, h->comm);
	COPY(m->exe, h->exe);
	COPY(m->policy, h->policy);
	COPY(m->version, h->version);
	/* a recorded segment is looked at as of its last sign of life, so that ages do not grow with dust */
	m->now_ns = here && in->snap->taken_ns > h->heartbeat_ns ? in->snap->taken_ns : h->heartbeat_ns;
	m->time_ns = here ? in->snap->taken_realtime_ns : h->heartbeat_realtime_ns;
	m->uptime_ns = m->now_ns > h->start_ns ? m->now_ns - h->start_ns : 0;
	m->heartbeat_age_ns = m->now_ns - h->heartbeat_ns;
	m->sample_interval_bytes = h->sample_interval_bytes;
	m->decay_ms = h->decay_ms;
	m->helper_tid = h->helper_tid;
	m->n_cpus = h->n_cpus;
	m->control = h->control;
	m->lost = (struct ht_lost){ h->lost_samples, h->lost_stacks, h->lost_threads, h->lost_spans,
				    h->lost_modules, h->lost_locks,  h->lost_waiters };
}

static void build_kernel(struct ht_model *m, const struct ht_build *in)
{
	const struct ht_proc *p = in->proc;

	m->thp_bytes = m->lazy_free_bytes = m->n_maps = HT_UNKNOWN;
	m->wss_bytes = m->wss_heap_bytes = m->wss_other_bytes = m->wss_ns = HT_UNKNOWN;
	m->arena_resident_bytes = HT_UNKNOWN;
	m->rss_bytes = p ? p->rss : HT_UNKNOWN;
	m->rss_anon_bytes = p ? p->rss_anon : HT_UNKNOWN;
	m->rss_file_bytes = p ? p->rss_file : HT_UNKNOWN;
	m->rss_shmem_bytes = p ? p->rss_shmem : HT_UNKNOWN;
	m->swap_bytes = p ? p->swap : HT_UNKNOWN;
	m->vm_stk_bytes = p ? p->vm_stk : HT_UNKNOWN;
	m->peak_rss_bytes = p ? p->peak_rss : HT_UNKNOWN;
	m->n_os_threads = p ? p->n_threads : HT_UNKNOWN;
}

/* The newest two points that the library left, for a frame that has none before it. */
static void rates_of_history(struct ht_model *m)
{
	for (size_t i = m->n_history; i-- > 1;) {
		const struct ht_point *a = &m->history[i - 1], *b = &m->history[i];
		double seconds = (double)(b->realtime_ns - a->realtime_ns) / 1e9;

		if (b->gap || seconds > 10 || b->allocated_bytes < a->allocated_bytes)
			return;
		if (seconds < 0.5) /* too near to each other for a rate */
			continue;
		m->alloc_rate = (double)(b->allocated_bytes - a->allocated_bytes) / seconds;
		m->live_rate = ((double)b->live_bytes - (double)a->live_bytes) / seconds;
		return;
	}
}

/* Rates against the frame before; of another process (exec) or of the same instant there are none. */
static void build_rates(struct ht_model *m, const struct ht_model *before)
{
	m->alloc_rate = m->live_rate = NAN;
	if (!before)
		rates_of_history(m);
	if (!before || m->now_ns <= before->now_ns || before->state != HT_LIVE)
		return;
	double seconds = (double)(m->now_ns - before->now_ns) / 1e9;

	m->alloc_rate = m->allocated_bytes >= before->allocated_bytes
				? (double)(m->allocated_bytes - before->allocated_bytes) / seconds
				: 0;
	m->live_rate = ((double)m->live_bytes - (double)before->live_bytes) / seconds;
}

static void append_now(struct ht_model *m)
{
	uint64_t last = m->n_history ? m->history[m->n_history - 1].realtime_ns : 0;

	if (m->state != HT_LIVE || m->time_ns <= last)
		return;
	/* history.c left room for it */
	m->history[m->n_history++] = (struct ht_point){ .realtime_ns = m->time_ns,
							.rss_bytes = m->rss_bytes,
							.live_bytes = m->live_bytes,
							.live_objects = m->live_objects,
							.allocated_bytes = m->allocated_bytes,
							.span_free_bytes = m->span_free_bytes,
							.thread_cache_bytes = m->thread_cache_bytes,
							.dirty_bytes = m->dirty_bytes,
							.retained_bytes = m->retained_bytes };
}

void ht_model_build(struct ht_model *ret, const struct ht_build *in)
{
	struct ht_model m;
	struct ht_span_fact *facts = ht_span_facts(in->snap);

	memset(&m, 0, sizeof(m));
	build_target(&m, in);
	build_kernel(&m, in);
	ht_build_threads(&m, in);
	ht_build_spans(&m, in, facts);
	ht_build_sites(&m, in, facts);
	ht_build_locks(&m, in);
	ht_build_history(&m, in);
	free(facts);
	append_now(&m);
	if (m.rss_bytes == HT_UNKNOWN && m.n_history)
		m.rss_bytes = m.history[m.n_history - 1].rss_bytes;
	m.n_bad_rows += in->snap->n_torn;
	/* requested bytes freed = requested - still live, less the part of live that is rounding */
	uint64_t live = m.live_bytes - (uint64_t)m.rounding_bytes;
	m.freed_bytes = m.allocated_bytes > live ? m.allocated_bytes - live : 0;
	build_rates(&m, in->before);
	ht_build_ledger(&m, in);
	*ret = m;
}

void ht_model_done(struct ht_model *model)
{
	if (!model)
		return;
	free(model->classes);
	free(model->arenas);
	free(model->locks);
	free(model->threads);
	free(model->sites);
	free(model->waiters);
	free(model->history);
	memset(model, 0, sizeof(*model));
}
