/* SPDX-License-Identifier: MIT */
/*
 * livetab.h - the samples that are alive: from address to what is known of it.
 *
 * Only a free into a marked span asks here.  64 shards by address, each an open-addressing table under its own
 * lock; what the heap needs back is kept privately, the rows of the segment are only written.
 *
 * Layer:   prof/ (uses core/rows.h, core/meta.h)
 * Locking: one shard at a time, HS_RANK_SAMPLES, bounded wait: a holder that never lets go costs samples only
 * Memory:  from meta; 40 bytes a sample in the records, 32 to 64 in the tables, outgrown ones included up to 128
 * Signals: a malloc or free in a handler never hangs here
 * Fork:    prepare/parent/child below; samples stay valid in the child
 * Errors:  a sample that cannot be recorded is counted in header->lost_samples.  A removal that cannot be done
 *          is counted too, and the stale sample goes when its address is sampled again
 */
#ifndef HS_PROF_LIVETAB_H
#define HS_PROF_LIVETAB_H

#include "core/meta.h"
#include "core/rows.h"

#define HS_LIVETAB_SHARDS 64u
#define HS_LIVETAB_CHUNK 1024u
#define HS_LIVETAB_CHUNKS 1024u

struct hs_live {
	uint64_t size_bytes; /* requested */
	uint64_t usable_bytes;
	uint64_t interval_bytes; /* in force when it was sampled */
	uint64_t birth_ns;
	uint32_t site;
	uint32_t thread; /* row in THREADS */
};

/* What is only published. */
struct hs_live_place {
	uint32_t span; /* row in SPANS, UINT32_MAX for none */
	uint32_t tid;
};

struct hs_livetab_slot;

struct hs_livetab_shard {
	struct hs_lock lock;
	struct hs_livetab_slot *slots; /* under lock, as all here; NULL until the first insert */
	uint32_t mask;
	uint32_t n;
} HS_ALIGNED_LINE;

struct hs_livetab {
	struct hs_livetab_shard shards[HS_LIVETAB_SHARDS];
	struct hs_lock grow_lock; /* xchunks */
	struct hs_live *xchunks[HS_LIVETAB_CHUNKS]; /* records by row, published once */
	uint64_t xfree; /* rows given back: a stack linked through the records; low half row + 1, high half a tag */
	uint32_t xn_rows; /* rows ever used */
	uint32_t capacity;
	struct hs_rows *rows;
	struct hs_meta *meta;
};

/* `lock_row` may be NULL; all shards share it. */
void hs_livetab_init(struct hs_livetab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row);

/* Prepare returns which locks were got; the same thread hands that to one of the others after the fork. */
uint64_t hs_livetab_fork_prepare(struct hs_livetab *tab);
void hs_livetab_fork_parent(struct hs_livetab *tab, uint64_t prepared);
void hs_livetab_fork_child(struct hs_livetab *tab, uint64_t prepared);

/*
 * Records `ptr` (not NULL).  True: *ret_row is its row in SAMPLES.  If a stale sample was there, it is returned
 * in *ret_stale, for its site's count of frees; else ret_stale->birth_ns is 0.  False: not recorded, counted as lost,
 * and the caller marks nothing.
 */
bool hs_livetab_insert(struct hs_livetab *tab, uintptr_t ptr, const struct hs_live *live,
		       const struct hs_live_place *place, uint32_t *ret_row, struct hs_live *ret_stale);

/* Takes `ptr` out.  False when it is no sample (most objects of a marked span), or its shard stays locked. */
bool hs_livetab_remove(struct hs_livetab *tab, uintptr_t ptr, struct hs_live *ret_live);

/* Looks without taking out: for messages about corruption. */
bool hs_livetab_find(struct hs_livetab *tab, uintptr_t ptr, struct hs_live *ret_live);

/* Live samples; exact when nothing runs. */
uint64_t hs_livetab_count(struct hs_livetab *tab);

/* Asserts the invariants; the program must be quiet. */
void hs_livetab_check(struct hs_livetab *tab);

#endif /* HS_PROF_LIVETAB_H */
