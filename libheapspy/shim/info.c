/* SPDX-License-Identifier: MIT */
/*
 * mallinfo, malloc_info and their kin, in glibc's words: an "arena" byte is one mapped by us, "hblk" is a huge
 * object's mapping, "uordblks" is live, "fordblks" is free whether cached, in spans, dirty or retained.
 */
#include "shim/info.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/rawio.h"
#include "shim/family.h"
#include "shim/process.h"

struct sums {
	struct heapspy_history h;
	uint64_t mapped, huge, peak, n_huge;
};

static void sum_up(struct sums *ret)
{
	struct hs_heap *heap = &hs_process.heap;
	uint64_t n_spans;

	*ret = (struct sums){0};
	if (!hs_process_init())
		return;
	hs_heap_totals(heap, &ret->h);
	for (uint32_t i = 0; i < hs_load_acquire(&heap->xn_arenas); i++) { /* [mo:arena-made acquire] */
		ret->mapped += heap->arenas[i]->row->mapped_bytes;
		ret->huge += heap->arenas[i]->row->huge_bytes;
		ret->peak += heap->arenas[i]->row->peak_spans_bytes;
	}
	n_spans = hs_load_relaxed(&heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count);
	for (uint64_t i = 0; i < n_spans; i++)
		ret->n_huge += heap->rows.spans[i].state == HEAPSPY_SPAN_HUGE;
}

HS_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct sums s;

	sum_up(&s);
	return (struct mallinfo2){
		.arena = s.mapped,
		.ordblks = s.h.live_objects,
		.hblks = s.n_huge,
		.hblkhd = s.huge,
		.usmblks = 0,
		.fsmblks = s.h.thread_cache_bytes,
		.uordblks = s.h.live_bytes,
		.fordblks = s.mapped + s.huge > s.h.live_bytes ? s.mapped + s.huge - s.h.live_bytes : 0,
		.keepcost = s.h.dirty_bytes,
	};
}

static int clamp(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

HS_EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = clamp(m.arena),
		.ordblks = clamp(m.ordblks),
		.hblks = clamp(m.hblks),
		.hblkhd = clamp(m.hblkhd),
		.fsmblks = clamp(m.fsmblks),
		.uordblks = clamp(m.uordblks),
		.fordblks = clamp(m.fordblks),
		.keepcost = clamp(m.keepcost),
	};
}

/* Accepted and without effect, as under most replacements of malloc; nonzero is success. */
HS_EXPORT int mallopt(int param, int value)
{
	(void)param;
	(void)value;
	return 1;
}

HS_EXPORT int malloc_trim(size_t pad)
{
	(void)pad;
	return hs_trim_now(true) > 0;
}

HS_EXPORT void malloc_stats(void)
{
	hs_info_print();
}

void hs_info_print(void)
{
	struct sums s;

	sum_up(&s);
	hs_message("pid %u: live %lu bytes in %lu objects, allocated %lu bytes in all", hs_process.heap.rows.header->pid,
		   s.h.live_bytes, s.h.live_objects, s.h.allocated_bytes);
	hs_message("free in spans %lu, in thread caches %lu, dirty %lu, retained %lu, metadata %lu", s.h.span_free_bytes,
		   s.h.thread_cache_bytes, s.h.dirty_bytes, s.h.retained_bytes, s.h.metadata_bytes);
	hs_message("mapped %lu, huge %lu; %u arenas, %u threads, %lu samples", s.mapped, s.huge, s.h.n_arenas,
		   s.h.n_threads, hs_process.profiling ? hs_livetab_count(&hs_process.live) : 0);
}

/* glibc's XML, so that scripts made for it go on working. */
HS_EXPORT int malloc_info(int options, FILE *out)
{
	struct sums s;

	if (options != 0)
		return EINVAL;
	sum_up(&s);
	fprintf(out, "<malloc version=\"1\">\n");
	for (uint32_t i = 0; i < s.h.n_arenas; i++) {
		const struct heapspy_arena *row = hs_process.heap.arenas[i]->row;

		fprintf(out,
			"<heap nr=\"%u\">\n<sizes>\n</sizes>\n<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
			"<total type=\"rest\" count=\"0\" size=\"%lu\"/>\n<system type=\"current\" size=\"%lu\"/>\n"
			"<system type=\"max\" size=\"%lu\"/>\n<aspace type=\"total\" size=\"%lu\"/>\n"
			"<aspace type=\"mprotect\" size=\"%lu\"/>\n</heap>\n",
			i, row->dirty_bytes + row->retained_bytes, row->mapped_bytes, row->mapped_bytes,
			row->mapped_bytes, row->mapped_bytes);
	}
	fprintf(out,
		"<total type=\"fast\" count=\"0\" size=\"%lu\"/>\n<total type=\"rest\" count=\"0\" size=\"%lu\"/>\n"
		"<total type=\"mmap\" count=\"%lu\" size=\"%lu\"/>\n<system type=\"current\" size=\"%lu\"/>\n"
		"<system type=\"max\" size=\"%lu\"/>\n<aspace type=\"total\" size=\"%lu\"/>\n"
		"<aspace type=\"mprotect\" size=\"%lu\"/>\n</malloc>\n",
		s.h.thread_cache_bytes, s.h.span_free_bytes + s.h.dirty_bytes + s.h.retained_bytes, s.n_huge, s.huge,
		s.mapped, s.mapped, s.mapped, s.mapped);
	return 0;
}
