/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint64_t frames[4][2] = {
	{ 0x401001, 0x402001 },
	{ 0x401101, 0x402001 },
	{ 0x401201, 0x402001 },
	{ 0x401301, 0x402001 },
};

static void fill_tables(struct fake *f)
{
	static const uint32_t sizes[] = { 64, 96, 256, 4096, 0 };

	for (uint32_t i = 0; i < 5; i++)
		f->classes[i] = (struct ht_class){
			.id = i,
			.size_bytes = sizes[i],
			.live_bytes = 60 * MIB,
			.live_objects = 1000,
			.spans = 1000,
			.nonfull_spans = 50,
			.free_bytes = i < 4 ? 5 * MIB : 0,
			.free_slots = i < 4 ? 5 * MIB / sizes[i] : 0,
			.slots_per_span = i < 4 ? 65536 / sizes[i] : 1,
		};
	for (uint32_t i = 0; i < 4; i++)
		f->sites[i] = (struct ht_site){
			.id = 10 + i,
			.n_frames = 2,
			.frames = frames[i],
			.live_samples = 100,
			.live_bytes = 75.0 * MIB,
			.live_bytes_se = 2.0 * MIB,
			.live_objects = 1000,
			.allocated_bytes = 7500.0 * MIB,
			.freed_bytes = 7425.0 * MIB,
			.pinned_bytes = 5.0 * MIB,
			.oldest_ns = UINT64_C(1200000000000),
			.median_age_ns = UINT64_C(60000000000),
		};
	for (uint32_t i = 0; i < 8; i++)
		f->threads[i] = (struct ht_thread){
			.row = i + 1,
			.tid = 100 + i,
			.name = "worker",
			.alive = true,
			.cached_bytes = MIB,
			.idle_ns = 1000000,
		};
	for (uint32_t i = 0; i < 3; i++) {
		f->locks[i] = (struct ht_lock){
			.row = i,
			.acquisitions = 10000000,
			.contended = 2000,
			.wait_ns = 20000000,
			.max_wait_ns = 1000000,
			.p50_ns = 1000,
			.p99_ns = 100000,
		};
		snprintf(f->locks[i].name, sizeof(f->locks[i].name), "arena %u", i);
	}
	f->waiters[0] =
		(struct ht_waiter){ .lock = 0, .site = 11, .n_waits = 900, .wait_ns = 9000000, .max_wait_ns = 5000 };
	f->waiters[1] =
		(struct ht_waiter){ .lock = 1, .site = 12, .n_waits = 90, .wait_ns = 900000, .max_wait_ns = 5000 };
	f->arenas[0] = (struct ht_arena){ .id = 0, .threads = 4, .live_bytes = 150 * MIB, .dirty_bytes = 8 * MIB };
	f->arenas[1] = (struct ht_arena){ .id = 1, .threads = 4, .live_bytes = 150 * MIB, .dirty_bytes = 8 * MIB };
}

static void fill_ledger(struct ht_model *m)
{
	static const struct {
		const char *name;
		int64_t mib;
	} parts[HT_N_PARTS] = {
		{ "live", 285 },   { "rounding", 15 },	 { "span_free", 20 },  { "thread_cache", 8 }, { "dirty", 16 },
		{ "metadata", 4 }, { "heapspy", 4 },	 { "thp_slack", 0 },   { "stacks", 2 },	      { "file", 20 },
		{ "shmem", 0 },	   { "other_anon", 20 }, { "unexplained", 6 },
	};

	for (int i = 0; i < HT_N_PARTS; i++)
		m->ledger[i] = (struct ht_ledger_part){
			.name = parts[i].name,
			.bytes = parts[i].mib * (int64_t)MIB,
			.share = (double)parts[i].mib / 400,
			.slope = NAN,
		};
}

void fake_init(struct fake *f)
{
	struct ht_model *m = &f->m;

	ht_findings_done(&f->found);
	*f = (struct fake){ 0 };
	fill_tables(f);
	fill_ledger(m);
	m->pid = 4711;
	m->state = HT_LIVE;
	m->uptime_ns = UINT64_C(1200000000000);
	m->decay_ms = 10000;
	m->rss_bytes = 400 * MIB;
	m->live_bytes = 300 * MIB;
	m->live_objects = 5000;
	m->allocated_bytes = 30000 * MIB;
	m->freed_bytes = 29700 * MIB;
	m->span_free_bytes = 20 * MIB;
	m->thread_cache_bytes = 8 * MIB;
	m->dirty_bytes = 16 * MIB;
	m->rounding_bytes = 15.0 * MIB;
	m->rounding_bytes_se = 1.0 * MIB;
	m->arena_resident_bytes = 344 * MIB;
	m->wss_bytes = m->wss_heap_bytes = m->wss_other_bytes = m->wss_ns = HT_UNKNOWN;
	m->swap_bytes = 0;
	m->n_maps = 300;
	m->n_os_threads = 9;
	m->classes = f->classes, m->n_classes = 5;
	m->arenas = f->arenas, m->n_arenas = 2;
	m->locks = f->locks, m->n_locks = 3;
	m->threads = f->threads, m->n_threads = 8;
	m->sites = f->sites, m->n_sites = 4;
	m->waiters = f->waiters, m->n_waiters = 2;
	m->history = f->history;
	fake_history(f, FAKE_POINTS);
}

void fake_history(struct fake *f, unsigned seconds)
{
	const struct ht_model *m = &f->m;

	f->m.n_history = seconds;
	for (unsigned i = 0; i < seconds; i++)
		f->history[i] = (struct ht_point){
			.realtime_ns = UINT64_C(1700000000000000000) + i * UINT64_C(1000000000),
			.rss_bytes = m->rss_bytes,
			.live_bytes = m->live_bytes,
			.span_free_bytes = m->span_free_bytes,
			.thread_cache_bytes = m->thread_cache_bytes,
			.dirty_bytes = m->dirty_bytes,
		};
}

const struct ht_finding *fake_judge(struct fake *f, const char *id)
{
	ht_findings_done(&f->found);
	ht_findings_run(&f->found, &f->m, /* sym */ NULL);
	for (size_t i = 0; i < f->found.n; i++)
		if (strcmp(f->found.rows[i].id, id) == 0)
			return &f->found.rows[i];
	return NULL;
}

void fake_done(struct fake *f)
{
	ht_findings_done(&f->found);
}
