/* SPDX-License-Identifier: MIT */
/*
 * rule.h - what the rules share: the case before them, and one function each.
 *
 * A rule looks at the figures and either stays silent or fills a finding.  Two sizes decide: below
 * `floor_bytes` nothing is said, so that a small healthy process has an empty list; between it and
 * `gate_bytes`, or before the history is long enough, the finding is listed as info with low confidence.
 *
 * Layer:   diag/
 * Memory:  a finding of a silent rule is empty
 */
#ifndef HT_DIAG_RULE_H
#define HT_DIAG_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "diag/findings.h"

struct ht_case {
	const struct ht_model *model;
	struct ht_sym *sym;  /* may be NULL */
	uint64_t rss_bytes;  /* never HT_UNKNOWN: the sum of the heap's parts when the kernel's is missing */
	uint64_t heap_bytes; /* resident bytes of spans and dirty pages, measured or summed */
	/*
	 * Free slots of partly used spans, and those of thread caches proper.  The model files all that lies in
	 * a thread's spans as its cache; but a thread allocates from one span of each class, and what it holds
	 * beyond that is pinned there like anywhere else: draining the cache would not give it back.
	 */
	uint64_t span_free_bytes, cache_bytes;
	uint64_t gate_bytes;  /* max(32 MiB, 5 % of RSS) */
	uint64_t floor_bytes; /* a quarter of the gate's 32 MiB */
};

struct ht_case ht_case_of(const struct ht_model *model, struct ht_sym *sym);

/* Share of RSS, 0..1. */
double ht_case_share(const struct ht_case *c, double bytes);

/*
 * Sets severity and confidence of a finding about `f->bytes` that is supported by `seconds` of history:
 * high from 10 minutes on, medium from one, else low; low and info whenever the bytes are below the gate.
 */
void ht_case_grade(const struct ht_case *c, struct ht_finding *f, double seconds);

/* One step less sure; what is not sure is only information. */
void ht_finding_weaken(struct ht_finding *f);

/* True: `ret` has everything but id; false: not this illness, `ret` is untouched. */
typedef bool ht_rule_fn(const struct ht_case *c, struct ht_finding *ret);

ht_rule_fn ht_rule_cold_memory, ht_rule_external_fragmentation, ht_rule_internal_fragmentation, ht_rule_leak,
	ht_rule_lock_contention, ht_rule_non_malloc, ht_rule_retained_dirty, ht_rule_thread_cache, ht_rule_unknown;

#endif /* HT_DIAG_RULE_H */
