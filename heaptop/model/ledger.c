/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - RSS split into parts that add up to it.
 *
 *   rss = live + rounding + span_free + thread_cache + dirty + metadata + heapspy + thp_slack
 *       + stacks + file + shmem + other_anon + unexplained                        (unexplained is the rest)
 *
 * The allocator counts what it handed out; the kernel counts what is in memory.  Where residency was measured
 * each part is lowered by what is counted but absent (untouched), and what is there beyond all slots becomes
 * THP slack (as far as there are huge pages) or belongs to the free slots (tails of pages and spans).
 *
 * Dirty pages, metadata and the sampler's tables are not in the span map.  They are looked for first beside
 * the spans (heap_rest), then in the plain anonymous mappings (plain_rest); what remains there is the
 * program's own, and what remains beside the spans is unexplained.
 */
#include <math.h>
#include <stddef.h>

#include "model/build.h"

#define SLOPE_WINDOW_NS (UINT64_C(600) * 1000000000u)

const char *ht_part_name(enum ht_part part)
{
	static const char *const names[HT_N_PARTS] = {
		[HT_PART_LIVE] = "live",
		[HT_PART_ROUNDING] = "rounding",
		[HT_PART_SPAN_FREE] = "span_free",
		[HT_PART_THREAD_CACHE] = "thread_cache",
		[HT_PART_DIRTY] = "dirty",
		[HT_PART_METADATA] = "metadata",
		[HT_PART_HEAPSPY] = "heapspy",
		[HT_PART_THP_SLACK] = "thp_slack",
		[HT_PART_STACKS] = "stacks",
		[HT_PART_FILE] = "file",
		[HT_PART_SHMEM] = "shmem",
		[HT_PART_OTHER_ANON] = "other_anon",
		[HT_PART_UNEXPLAINED] = "unexplained",
	};

	return names[part];
}

/* More than any machine has: a forged counter must not overflow the sum of the parts. */
#define PART_MOST (UINT64_C(1) << 58)

static void set(struct ht_model *m, enum ht_part part, uint64_t bytes)
{
	m->ledger[part].bytes = bytes == HT_UNKNOWN ? 0 : (int64_t)(bytes < PART_MOST ? bytes : PART_MOST);
	m->ledger[part].known = bytes != HT_UNKNOWN;
}

/* Takes what is not resident off a part. */
static void take_off(struct ht_model *m, enum ht_part part, uint64_t untouched)
{
	struct ht_ledger_part *p = &m->ledger[part];
	int64_t off = (int64_t)untouched < p->bytes ? (int64_t)untouched : p->bytes;

	p->bytes -= off;
	p->untouched_bytes += off;
	m->untouched_bytes += (uint64_t)off;
}

/* Takes up to `want` out of `*pool`. */
static uint64_t draw(uint64_t *pool, uint64_t want)
{
	uint64_t got = want < *pool ? want : *pool;

	*pool -= got;
	return got;
}

static void apply_measured(struct ht_model *m, const struct ht_resident *r)
{
	uint64_t beside = r->heap_rest, plain = r->plain_rest;
	uint64_t live_off = r->live_untouched;

	/* an untouched large object has an untouched tail, too: requested bytes first, rounding then */
	uint64_t of_live =
		(int64_t)live_off < m->ledger[HT_PART_LIVE].bytes ? live_off : (uint64_t)m->ledger[HT_PART_LIVE].bytes;
	take_off(m, HT_PART_LIVE, of_live);
	take_off(m, HT_PART_ROUNDING, live_off - of_live);
	take_off(m, HT_PART_SPAN_FREE, r->free_untouched);
	take_off(m, HT_PART_THREAD_CACHE, r->cache_untouched);

	/* beside the spans it is surely ours; the kernel may also have given it mappings of its own */
	uint64_t tables = m->metadata_bytes + m->profiler_bytes;
	uint64_t missing = tables - draw(&beside, tables);
	missing -= draw(&plain, missing);
	take_off(m, HT_PART_METADATA, missing);
	/* dirty is an upper bound: the kernel may have taken pages, or they were never written */
	uint64_t dirty = m->dirty_bytes;
	missing = dirty - draw(&beside, dirty);
	missing -= draw(&plain, missing);
	take_off(m, HT_PART_DIRTY, missing);

	uint64_t loose = r->excess + beside, slack = loose < r->huge ? loose : r->huge;
	set(m, HT_PART_THP_SLACK, slack);
	/* what remains in spans are tails of pages: part of the free memory in spans */
	uint64_t tails = r->excess > slack ? r->excess - slack : 0;
	m->ledger[HT_PART_SPAN_FREE].bytes += (int64_t)tails;
	set(m, HT_PART_STACKS, r->stacks);
	set(m, HT_PART_OTHER_ANON, r->other_anon + plain);
	m->ledger[HT_PART_HEAPSPY].bytes = (int64_t)(r->segment + m->profiler_bytes);
	m->arena_resident_bytes = r->spans + (uint64_t)m->ledger[HT_PART_DIRTY].bytes;
	m->thp_bytes = r->huge;
	m->lazy_free_bytes = r->lazy;
	m->n_maps = r->n_maps;
	m->residency = r->how;
}

static void slopes(struct ht_model *m)
{
	static const struct {
		enum ht_part part;
		size_t at;
	} series[] = {
		{ HT_PART_LIVE, offsetof(struct ht_point, live_bytes) },
		{ HT_PART_SPAN_FREE, offsetof(struct ht_point, span_free_bytes) },
		{ HT_PART_THREAD_CACHE, offsetof(struct ht_point, thread_cache_bytes) },
		{ HT_PART_DIRTY, offsetof(struct ht_point, dirty_bytes) },
	};

	for (int i = 0; i < HT_N_PARTS; i++)
		m->ledger[i].slope = NAN;
	for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
		m->ledger[series[i].part].slope = ht_history_slope(m, series[i].at, SLOPE_WINDOW_NS);
}

void ht_build_ledger(struct ht_model *m, const struct ht_build *in)
{
	uint64_t rounding = (uint64_t)(m->rounding_bytes + 0.5), rss = m->rss_bytes;
	int64_t sum = 0;

	for (int i = 0; i < HT_N_PARTS; i++) {
		m->ledger[i] = (struct ht_ledger_part){ .name = ht_part_name(i) };
		set(m, i, HT_UNKNOWN);
	}
	if (rounding > m->live_bytes)
		rounding = m->live_bytes;
	set(m, HT_PART_LIVE, m->live_bytes - rounding);
	set(m, HT_PART_ROUNDING, rounding);
	set(m, HT_PART_SPAN_FREE, m->span_free_bytes);
	set(m, HT_PART_THREAD_CACHE, m->thread_cache_bytes);
	set(m, HT_PART_DIRTY, m->dirty_bytes);
	set(m, HT_PART_METADATA, m->metadata_bytes);
	set(m, HT_PART_HEAPSPY, m->profiler_bytes + m->segment_bytes);
	if (in->proc)
		set(m, HT_PART_FILE, m->rss_file_bytes);
	if (in->resident)
		apply_measured(m, in->resident);
	if (in->proc && m->rss_shmem_bytes != HT_UNKNOWN) {
		uint64_t ours = in->resident ? in->resident->segment : m->segment_bytes;

		set(m, HT_PART_SHMEM, m->rss_shmem_bytes > ours ? m->rss_shmem_bytes - ours : 0);
	}
	for (int i = 0; i < HT_PART_UNEXPLAINED; i++)
		sum += m->ledger[i].bytes;
	if (rss != HT_UNKNOWN) {
		if (rss > PART_MOST)
			rss = m->rss_bytes = PART_MOST;
		m->ledger[HT_PART_UNEXPLAINED].bytes = (int64_t)rss - sum;
		m->ledger[HT_PART_UNEXPLAINED].known = true;
	}
	for (int i = 0; i < HT_N_PARTS; i++)
		m->ledger[i].share = rss && rss != HT_UNKNOWN ? (double)m->ledger[i].bytes / (double)rss : 0;
	slopes(m);
}
