/* SPDX-License-Identifier: MIT */
/*
 * resident.h - how much of what the allocator counts is really in memory, measured.
 *
 * The present bits of the pages under each span (PAGEMAP_SCAN where the kernel has it, else pagemap) and the
 * sums of smaps.  Memory that was handed out and never touched is not part of RSS; without this step the
 * ledger would blame it on somebody.
 *
 * Layer:   model/ (uses seg/, util/)
 */
#ifndef HT_MODEL_RESIDENT_H
#define HT_MODEL_RESIDENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/proc.h"
#include "seg/snapshot.h"

struct ht_span_fact;

struct ht_resident {
	uint64_t taken_ns, cost_ns; /* our clock; what measuring took */
	const char *how;	    /* "PAGEMAP_SCAN", "pagemap"; NULL: spans not measured */
	/* spans, from pagemap */
	uint64_t spans;		  /* resident bytes under spans */
	uint64_t live_untouched;  /* counted as live, but not resident */
	uint64_t free_untouched;  /* counted as free in spans, but not resident */
	uint64_t cache_untouched; /* counted as cached, but not resident */
	uint64_t excess;	  /* resident in spans, but in nobody's slot: tails, huge pages */
	/* mappings, from smaps */
	uint64_t anon;	     /* all anonymous pages */
	uint64_t heap_rest;  /* anonymous pages beside spans in mappings that hold spans or bear our name */
	uint64_t plain_rest; /* anonymous pages of other unnamed mappings: the program's, or our metadata */
	uint64_t other_anon; /* anonymous pages that cannot be ours: private pages of files, brk */
	uint64_t stacks, segment, huge, lazy, n_maps;
};

/* 0 or negative errno; `ret` is written only then. */
int ht_resident_measure(pid_t pid, const struct ht_snap *snap, const struct ht_span_fact *facts,
			struct ht_resident *ret);

#endif /* HT_MODEL_RESIDENT_H */
