/* SPDX-License-Identifier: MIT */
/*
 * The processes that goldens and finding tests look at.  Each is about 200 MiB of heap; only its illness
 * differs, so that a test of one finding also shows that the others stay silent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "synth.h"

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (3600 * SECOND)
#define MIB (UINT64_C(1) << 20)

static uint64_t live_of(const struct synth *s, uint64_t *ret_free)
{
	uint64_t live = 0, free_bytes = 0;

	for (size_t i = 0; i < synth_count(s, HEAPSPY_T_SPANS); i++) {
		const struct heapspy_span *x = synth_at(s, HEAPSPY_T_SPANS, i);
		uint32_t used = x->used & ~HEAPSPY_USED_BIAS;

		live += used * x->slot_bytes;
		if (!x->owner)
			free_bytes += (x->extended - used) * x->slot_bytes;
	}
	*ret_free = free_bytes;
	return live;
}

static void add_point(struct synth *s, uint32_t table, uint64_t age_ns, uint64_t live, uint64_t span_free, uint64_t rss)
{
	struct heapspy_history *p = synth_row(s, table);

	p->seq = 2 * synth_count(s, table);
	p->realtime_ns = s->header.heartbeat_realtime_ns - age_ns;
	p->ns = s->header.heartbeat_ns - age_ns;
	p->live_bytes = p->live_min_bytes = live;
	p->live_objects = live / 300;
	p->span_free_bytes = span_free;
	p->thread_cache_bytes = 2 * MIB;
	p->dirty_bytes = 3 * MIB;
	p->metadata_bytes = 3 * MIB / 2;
	p->rss_bytes = rss;
	p->allocated_bytes = UINT64_C(2800) * MIB - age_ns / SECOND * (MIB / 5);
	p->n_threads = (uint32_t)synth_count(s, HEAPSPY_T_THREADS) - 1;
	p->n_arenas = (uint32_t)synth_count(s, HEAPSPY_T_ARENAS);
	p->n_samples = synth_count(s, HEAPSPY_T_SAMPLES);
}

void synth_history(struct synth *s, unsigned seconds, uint64_t from, uint64_t to, uint64_t rss_extra)
{
	uint64_t span_free, now = live_of(s, &span_free);
	uint64_t uptime = s->header.heartbeat_ns - s->header.start_ns;
	unsigned minutes = (unsigned)(uptime / MINUTE), hours = (unsigned)(uptime / HOUR);
	struct {
		uint32_t table;
		unsigned n;
		uint64_t step;
	} rings[] = { { HEAPSPY_T_HISTORY_1H, hours, HOUR },
		      { HEAPSPY_T_HISTORY_1M, minutes, MINUTE },
		      { HEAPSPY_T_HISTORY_1S, seconds, SECOND } };

	if (!to)
		from = to = now;
	for (size_t r = 0; r < sizeof(rings) / sizeof(rings[0]); r++)
		for (unsigned i = rings[r].n; i-- > 0;) {
			uint64_t age = i * rings[r].step;
			double t = 1 - (double)age / (double)uptime;
			double wave = (double)((i * 37) % 11) / 11 * 0.01;
			uint64_t live = (uint64_t)((double)from + ((double)to - (double)from) * t);

			live -= i ? (uint64_t)((double)live * wave) : 0;
			add_point(s, rings[r].table, age, live, span_free, live + span_free + rss_extra);
		}
}

static const uint32_t mix[] = { 32, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096 };

/* Fills about `bytes` of spans of mixed classes over all arenas. */
static void fill(struct synth *s, uint64_t bytes, double fullness, uint32_t site, uint32_t n_sites, uint64_t oldest_ns)
{
	unsigned n_arenas = s->header.n_arenas;

	for (unsigned i = 0; bytes > 0; i++) {
		struct synth_span d = {
			.klass = synth_class_of(s, mix[i % (sizeof(mix) / sizeof(mix[0]))]),
			.arena = i % n_arenas,
			.fill = i % 5 ? 1.0 : fullness,
			.site = site,
			.n_sites = n_sites,
			.youngest_ns = SECOND,
			.oldest_ns = oldest_ns,
		};
		const struct heapspy_class *c = synth_at(s, HEAPSPY_T_CLASSES, d.klass);

		synth_span(s, &d);
		bytes -= bytes < c->span_bytes ? bytes : c->span_bytes;
	}
}

static void caches(struct synth *s)
{
	for (unsigned t = 1; t < synth_count(s, HEAPSPY_T_THREADS); t++)
		for (unsigned i = 0; i < 4; i++) {
			struct synth_span d = {
				.klass = synth_class_of(s, mix[i * 2]),
				.arena = (t - 1) % s->header.n_arenas,
				.owner = t,
				.fill = 0.7,
				.xpending = i == 0 ? 5 : 0,
			};
			synth_span(s, &d);
		}
	struct heapspy_thread *t = synth_at(s, HEAPSPY_T_THREADS, 1);
	t->ring[0] = (struct heapspy_ring){ .span = 0, .n = 3 };
}

static void base(struct synth *s, unsigned n_arenas, unsigned n_threads, unsigned n_sites)
{
	synth_heap(s, n_arenas);
	synth_threads(s, "stockd", 1);
	synth_threads(s, "worker", n_threads - 1);
	synth_sites(s, n_sites, 9);
}

static void dirty(struct synth *s)
{
	for (unsigned a = 0; a < s->header.n_arenas; a++) {
		struct heapspy_arena *arena = synth_at(s, HEAPSPY_T_ARENAS, a);

		arena->dirty_bytes = 3 * MIB / s->header.n_arenas;
		arena->retained_bytes = 4 * MIB;
		arena->mapped_bytes += arena->dirty_bytes + arena->retained_bytes;
		arena->n_purges = 14;
		arena->purged_bytes = 90 * MIB;
		arena->oldest_dirty_ns = s->header.heartbeat_ns - 4 * SECOND;
	}
}

static void finish(struct synth *s, uint64_t from, uint64_t to)
{
	dirty(s);
	synth_history(s, 600, from, to, 18 * MIB);
	struct heapspy_event *e = synth_row(s, HEAPSPY_T_EVENTS);
	e->seq = 2;
	e->kind = HEAPSPY_EV_START;
	e->tid = s->header.pid;
	e->ns = s->header.start_ns;
	e->realtime_ns = s->header.start_realtime_ns;
	for (unsigned i = 0; i < 8; i++)
		synth_row(s, HEAPSPY_T_MAILBOX);
}

static void healthy(struct synth *s)
{
	base(s, 4, 5, 40);
	fill(s, 190 * MIB, 0.9, 0, 40, HOUR);
	for (unsigned i = 0; i < 6; i++)
		synth_large(s, i % 4, MIB * (1 + i), MIB * (1 + i) - 4000, i);
	synth_large(s, 0, 40 * MIB, 40 * MIB - 100, 7);
	caches(s);
	finish(s, 0, 0);
}

/* Survivors of site 3 hold 96-byte and 512-byte spans of which four fifths are free. */
static void fragmented(struct synth *s)
{
	base(s, 4, 5, 40);
	fill(s, 100 * MIB, 0.95, 4, 36, HOUR);
	for (unsigned i = 0; i < 2400; i++) {
		struct synth_span d = {
			.klass = synth_class_of(s, i % 3 ? 96 : 512),
			.arena = i % 4,
			.fill = 0.2,
			.site = 3,
			.n_sites = 1,
			.youngest_ns = 2 * HOUR,
			.oldest_ns = 3 * HOUR,
		};
		synth_span(s, &d);
	}
	caches(s);
	finish(s, 0, 0);
}

static void contended(struct synth *s)
{
	base(s, 1, 8, 40);
	fill(s, 200 * MIB, 0.9, 0, 40, HOUR);
	caches(s);
	for (size_t i = 0; i < synth_count(s, HEAPSPY_T_LOCKS); i++) {
		struct heapspy_lock *l = synth_at(s, HEAPSPY_T_LOCKS, i);

		if (l->kind != HEAPSPY_LOCK_ARENA && (l->kind != HEAPSPY_LOCK_BIN || l->klass != 5))
			continue;
		l->n_acquired = 9000000;
		l->n_contended = l->kind == HEAPSPY_LOCK_ARENA ? 2400000 : 700000;
		for (unsigned b = 0; b < 12; b++) {
			l->hist[b] = (uint32_t)(l->n_contended >> (b < 11 ? b + 1 : 11));
			l->wait_ns += l->hist[b] * (UINT64_C(192) << b);
		}
		l->wait_ns *= 1000;
		l->max_wait_ns = 8 * SECOND / 1000;
		for (uint32_t w = 0; w < 3; w++) {
			struct heapspy_waiter *x = synth_row(s, HEAPSPY_T_WAITERS);
			x->lock = (uint32_t)i;
			x->site = 10 + w;
			x->n_waits = l->n_contended / (2 + w);
			x->wait_ns = l->wait_ns / (2 + w);
			x->max_wait_ns = l->max_wait_ns;
		}
	}
	for (size_t i = 1; i < synth_count(s, HEAPSPY_T_THREADS); i++)
		((struct heapspy_thread *)synth_at(s, HEAPSPY_T_THREADS, i))->lock_wait_ns = 1500 * SECOND;
	finish(s, 0, 0);
}

/* Site 2 never frees: 120 MiB of 256-byte objects, born evenly over the whole uptime. */
static void leak(struct synth *s)
{
	base(s, 4, 5, 40);
	fill(s, 80 * MIB, 0.9, 4, 36, 10 * MINUTE);
	for (unsigned i = 0; i < 1920; i++) {
		struct synth_span d = {
			.klass = synth_class_of(s, 256),
			.arena = i % 4,
			.fill = 1,
			.site = 2,
			.n_sites = 1,
			.youngest_ns = SECOND,
			.oldest_ns = 3 * HOUR,
		};
		synth_span(s, &d);
	}
	struct heapspy_site *site = synth_at(s, HEAPSPY_T_SITES, 2);
	site->n_free_samples = 0;
	site->freed_bytes = site->freed_objects_k = 0;
	site->n_alloc_samples /= 3;
	site->alloc_bytes /= 3;
	site->alloc_objects_k /= 3;
	site->alloc_var /= 3;
	memset(site->lifetimes, 0, sizeof(site->lifetimes));
	caches(s);

	uint64_t unused, now = live_of(s, &unused);
	finish(s, now - 120 * MIB, now);
}

static void big(struct synth *s)
{
	s->header.sample_interval_bytes = 8 << 10;
	base(s, 16, 64, 10000);
	fill(s, 200 * MIB, 0.8, 0, 10000, HOUR);
	caches(s);
	finish(s, 0, 0);
}

int synth_scenario(struct synth *s, const char *name)
{
	static const struct {
		const char *name;
		void (*make)(struct synth *s);
	} scenarios[] = {
		{ "healthy", healthy }, { "fragmented", fragmented }, { "contended", contended }, { "leak", leak },
		{ "big", big },
	};

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(name, scenarios[i].name) == 0) {
			scenarios[i].make(s);
			return 0;
		}
	return -ENOENT;
}
