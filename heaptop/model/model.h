/* SPDX-License-Identifier: MIT */
/*
 * model.h - what one snapshot of a target says, in figures.
 *
 * Built from a validated copy of the segment and from /proc; knows no drawing.  Views, reports, exporters
 * and findings read it and nothing else, so that all of them print the same figures.
 *
 * Layer:   model/ (uses seg/, util/)
 * Memory:  everything hangs on struct ht_model and goes with ht_model_done()
 */
#ifndef HT_MODEL_MODEL_H
#define HT_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An unknown figure; printed as '-' and as null. */
#define HT_UNKNOWN UINT64_MAX

/* Parts of the ledger, in the order in which they are printed.  Names as in formats.md section 5. */
enum ht_part {
	HT_PART_LIVE, /* requested bytes of live objects = usable - rounding */
	HT_PART_ROUNDING,
	HT_PART_SPAN_FREE,
	HT_PART_THREAD_CACHE,
	HT_PART_DIRTY,
	HT_PART_METADATA,
	HT_PART_HEAPSPY, /* segment, sampler's tables */
	HT_PART_THP_SLACK,
	HT_PART_STACKS,
	HT_PART_FILE,
	HT_PART_SHMEM,
	HT_PART_OTHER_ANON,
	HT_PART_UNEXPLAINED, /* may be negative: signed */
	HT_N_PARTS
};

struct ht_ledger_part {
	const char *name; /* "live", ... */
	int64_t bytes;
	double share;		 /* of RSS, 0..1 */
	double slope;		 /* bytes per second over the history at hand; NAN when unknown */
	int64_t untouched_bytes; /* handed out by the allocator but not resident: already taken off `bytes` */
	bool known;		 /* false: could not be read (a dead target), counts as 0 in the sum */
};

struct ht_class {
	uint32_t id, size_bytes, span_bytes, slots_per_span;
	uint64_t live_objects, live_bytes, free_slots, spans, nonfull_spans, cached_slots;
	uint64_t free_bytes; /* touched free slots of spans that no thread owns */
	uint64_t hole_bytes; /* pages of free slots that were given back: in no other figure of bytes */
	uint64_t samples;
};

struct ht_arena {
	uint32_t id, threads;
	char label[24];
	uint64_t live_bytes, span_free_bytes, thread_cache_bytes, dirty_bytes, retained_bytes, mapped_bytes;
	uint64_t huge_bytes, peak_spans_bytes, n_purges, purged_bytes, n_spans;
};

struct ht_lock {
	char name[48]; /* "arena 0", "arena 1 bin 64", "meta" ... */
	uint32_t row;
	uint64_t acquisitions, contended, wait_ns, max_wait_ns, p50_ns, p99_ns; /* percentiles from the histogram */
};

struct ht_thread {
	uint32_t row, tid, arena;
	char name[16]; /* hostile: escape when printed */
	bool alive;
	uint64_t cached_bytes, idle_ns, allocated_bytes, n_samples, lock_wait_ns, remote_freed;
	uint64_t pending_bytes; /* gathered remote frees */
};

struct ht_waiter {
	uint32_t lock, site;
	uint64_t n_waits, wait_ns, max_wait_ns;
};

struct ht_site {
	uint32_t id; /* row in SITES; stable for the life of the target */
	uint32_t n_frames;
	bool truncated;
	const uint64_t *frames; /* return addresses, innermost first; points into the snapshot */
	uint64_t live_samples;
	double live_bytes, live_bytes_se, live_objects, live_objects_se;
	double allocated_bytes, allocated_bytes_se, freed_bytes;
	double pinned_bytes, pinned_bytes_se; /* free bytes of partly used spans that its objects hold */
	uint64_t oldest_ns, median_age_ns;    /* ages of live samples */
	uint64_t n_alloc_samples, n_free_samples, n_remote, n_temporary, first_ns, last_ns;
};

/* One point of the past; also what the graph draws.  gap: no data between this point and the one before. */
struct ht_point {
	uint64_t realtime_ns, rss_bytes, live_bytes, live_objects, allocated_bytes, span_free_bytes, thread_cache_bytes,
		dirty_bytes, retained_bytes;
	bool gap;
};

struct ht_lost {
	uint64_t samples, stacks, threads, spans, modules, locks, waiters;
};

enum ht_state { HT_LIVE, HT_EXITED, HT_DEAD };

struct ht_model {
	/* target */
	pid_t pid;
	char comm[16], exe[256], policy[16], version[16]; /* hostile */
	enum ht_state state;
	uint64_t time_ns, uptime_ns, heartbeat_age_ns; /* time_ns: realtime of the frame */
	uint64_t sample_interval_bytes;
	int64_t decay_ms;
	/* kernel's view, HT_UNKNOWN when it could not be read (a dead target: last history point) */
	uint64_t rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes, swap_bytes, vm_stk_bytes, peak_rss_bytes;
	uint64_t thp_bytes, lazy_free_bytes, n_maps;
	uint64_t wss_bytes, wss_heap_bytes, wss_other_bytes, wss_ns; /* when measured */
	uint64_t n_os_threads;
	/* allocator */
	uint64_t live_bytes, live_objects;	  /* exact, usable */
	uint64_t allocated_bytes, freed_bytes;	  /* cumulative */
	double rounding_bytes, rounding_bytes_se; /* sampled */
	uint64_t span_free_bytes, thread_cache_bytes, dirty_bytes, retained_bytes, mapped_bytes, metadata_bytes;
	uint64_t profiler_bytes, segment_bytes, huge_bytes, untouched_bytes;
	uint64_t hole_bytes; /* pages given back inside partly used spans: part of the free slots, not of the bytes */
	uint64_t arena_resident_bytes; /* measured residency of all spans and dirty pages, HT_UNKNOWN if not */
	double alloc_rate;	       /* bytes per second since the frame before, NAN on the first */
	double live_rate;
	struct ht_ledger_part ledger[HT_N_PARTS];
	struct ht_class *classes;
	size_t n_classes; /* the last one collects everything above the classes: size_bytes 0 */
	struct ht_arena *arenas;
	size_t n_arenas;
	struct ht_lock *locks;
	size_t n_locks;
	struct ht_thread *threads;
	size_t n_threads;
	struct ht_site *sites;
	size_t n_sites;
	struct ht_waiter *waiters;
	size_t n_waiters;
	struct ht_point *history; /* oldest first, from the rings, then what the viewer saw */
	size_t n_history;
	struct ht_lost lost;
	const char *residency; /* how residency was measured, NULL: it was not */
	uint64_t now_ns;       /* the frame on the target's monotonic clock: ages are measured from here */
	uint64_t lock_wait_ns; /* all threads, cumulative */
	uint64_t n_bad_rows;   /* rows of the segment that made no sense and were left out */
	uint64_t stack_walk_ns, n_stack_walks, n_mmaps, limit_bytes; /* of the library, cumulative; cgroup limit */
	uint32_t helper_tid, n_cpus;
	bool control; /* the mailbox is served */
	/* distribution of span fill: spans by used/capacity in tenths, partly used ones only */
	uint64_t fill_spans[10], fill_free_bytes[10];
};

#endif /* HT_MODEL_MODEL_H */
