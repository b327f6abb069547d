/* SPDX-License-Identifier: MIT */
/*
 * segment.h - the shared segment: what libheapspy writes and heaptop reads.
 *
 * One sparse file per process, /dev/shm/heapspy-<pid>-<start ticks> (or `dir:`), mode 0600.  It holds
 * tables of fixed-size rows; the header's directory says where each lies.  Fixed-width integers and
 * offsets only: no pointers, enums, bool or implicit padding, so any language can read it.
 *
 * Owns:    nothing; this is a description.  heapspy-segment(5) tells how to read it.
 * Order:   counters are single-writer and relaxed; a table's `count` is stored with release after the
 *          rows it covers; rows with a `seq` word are written between an odd and an even value of it.
 * Errors:  for a reader everything here is hostile: copy first, then bound every count, offset and index
 *          against the copy.  Another major version must be refused.
 *
 * Units: _bytes are bytes, _ns nanoseconds (CLOCK_MONOTONIC unless the name says realtime), n_ counts.
 * Source of figures: exact unless a comment says sampled or measured.
 */
#ifndef HEAPSPY_SEGMENT_H
#define HEAPSPY_SEGMENT_H

#include <stdint.h>

#ifdef __cplusplus
#define HEAPSPY_ASSERT(cond, text) static_assert(cond, text)
extern "C" {
#else
#define HEAPSPY_ASSERT(cond, text) _Static_assert(cond, text)
#endif

#define HEAPSPY_MAGIC UINT64_C(0x0a59505350414548) /* "HEAPSPY\n" read as little endian */
#define HEAPSPY_MAJOR 1u
#define HEAPSPY_MINOR 1u
#define HEAPSPY_FILE_PREFIX "heapspy-" /* then decimal pid, '-', decimal start ticks */
#define HEAPSPY_TABLES_MAX 32u

/* header.state */
#define HEAPSPY_STATE_INIT 0u /* being built; do not read further */
#define HEAPSPY_STATE_LIVE 1u
#define HEAPSPY_STATE_EXITED 2u /* the process left by exit(); kept because of keep:1 */

/* table ids */
#define HEAPSPY_T_TOTALS 1u
#define HEAPSPY_T_CLASSES 2u
#define HEAPSPY_T_ARENAS 3u
#define HEAPSPY_T_BINS 4u /* row = arena * n_classes + class */
#define HEAPSPY_T_LOCKS 5u
#define HEAPSPY_T_THREADS 6u	    /* row 0 is the sum of the dead ones */
#define HEAPSPY_T_THREAD_CLASSES 7u /* row = thread row * n_classes + class */
#define HEAPSPY_T_SITES 8u
#define HEAPSPY_T_FRAMES 9u /* one uint64_t return address a row */
#define HEAPSPY_T_SAMPLES 10u
#define HEAPSPY_T_MODULES 11u
#define HEAPSPY_T_SPANS 12u
#define HEAPSPY_T_HISTORY_1S 13u /* rings: `count` rows were written in all, newest at count - 1 */
#define HEAPSPY_T_HISTORY_1M 14u /* modulo capacity */
#define HEAPSPY_T_HISTORY_1H 15u
#define HEAPSPY_T_EVENTS 16u /* ring */
#define HEAPSPY_T_MAILBOX 17u
#define HEAPSPY_T_WAITERS 18u

/* One entry of the directory.  A reader uses min(count, capacity) rows, and min of both row sizes. */
struct heapspy_table {
	uint32_t id;	    /* HEAPSPY_T_*, 0 for an unused entry; unknown ids are skipped */
	uint32_t row_bytes; /* may grow in a minor version; new fields come last */
	uint64_t offset;    /* of row 0 from the start of the file */
	uint64_t capacity;  /* rows */
	uint64_t count;	    /* rows in use (rings: rows ever written) */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_table) == 32, "table size");

struct heapspy_header {
	uint64_t magic; /* HEAPSPY_MAGIC, stored last when the file is made */
	uint32_t major;
	uint32_t minor;
	uint32_t header_bytes; /* sizeof(struct heapspy_header) of the writer */
	uint32_t n_tables;
	uint64_t segment_bytes; /* apparent size of the file; most of it is holes */
	uint32_t state;		/* HEAPSPY_STATE_* */
	uint32_t n_classes;
	/* identity: a reader compares it with /proc before it believes a live target */
	uint8_t boot_id[16];
	uint64_t pidns_inode;
	uint32_t pid; /* as the process itself sees it */
	uint32_t uid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat */
	uint64_t start_realtime_ns; /* when this process's statistics began (fork: the fork) */
	uint64_t start_ns;
	uint32_t parent_pid; /* of a fork child whose counters began with its parent's; else 0 */
	uint32_t build_id_bytes;
	uint8_t build_id[32]; /* of the executable */
	char exe[256];	      /* NUL-terminated, cut when longer */
	char comm[16];
	char version[16]; /* of the library */
	char policy[16];
	/* configuration in force */
	uint32_t kernel_page_bytes;
	uint32_t page_bytes; /* allocator page, unit of spans */
	uint64_t sample_interval_bytes; /* 0 is off; samples carry their own */
	int64_t decay_ms;
	uint32_t n_arenas; /* limit */
	uint32_t thp;	   /* 0 default, 1 always, 2 never */
	uint32_t helper;   /* 0 auto, 1 on, 2 off */
	uint32_t control;  /* 1: the mailbox is served */
	uint32_t helper_tid; /* 0: no helper thread runs */
	uint32_t n_cpus;
	/* life signs */
	uint64_t heartbeat_ns; /* last tick */
	uint64_t heartbeat_realtime_ns;
	/* what could not be recorded, by reason */
	uint64_t lost_samples;
	uint64_t lost_stacks;
	uint64_t lost_threads;
	uint64_t lost_spans;
	uint64_t lost_modules;
	uint64_t lost_locks;
	uint64_t lost_waiters;
	uint64_t reserved[10];
	struct heapspy_table tables[HEAPSPY_TABLES_MAX];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_header) == 1664, "header size");

/* Totals of the process that belong to no arena.  One row. */
struct heapspy_totals {
	uint64_t metadata_bytes; /* spans, arenas, tcaches, page map: bytes ever touched, never given back */
	uint64_t profiler_bytes; /* private tables of the sampler */
	uint64_t segment_bytes;	 /* populated part of this file */
	uint64_t n_forks;
	uint64_t n_purges;
	uint64_t purged_bytes;
	uint64_t inherited_allocated_bytes; /* fork child: the parent's at the fork */
	uint64_t n_stack_walks;
	uint64_t stack_walk_ns; /* time in the sampler, cumulative; estimated from one sample in eight */
	uint64_t n_mmaps;	/* system calls for memory: mmap + munmap + mremap + madvise */
	uint64_t limit_bytes;	/* memory cgroup limit seen by the process; 0 none or unknown */
	uint64_t reserved[5];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_totals) == 128, "totals size");

/* Constant description of a size class. */
struct heapspy_class {
	uint32_t size_bytes;  /* slot size = usable size */
	uint32_t span_bytes;  /* a fresh span of this class */
	uint32_t n_slots;     /* of a fresh span */
	uint32_t reserved;
};
HEAPSPY_ASSERT(sizeof(struct heapspy_class) == 16, "class size");

/* One arena; written under the arena's lock. */
struct heapspy_arena {
	uint32_t id;
	uint32_t n_threads; /* assigned to it now */
	uint64_t created_ns;
	uint64_t mapped_bytes;	 /* address space from the kernel = spans + dirty + retained */
	uint64_t spans_bytes;	 /* pages in spans, small and large */
	uint64_t dirty_bytes;	 /* free pages that may be resident */
	uint64_t retained_bytes; /* free pages that are not resident */
	uint64_t huge_bytes;	 /* own mappings of huge objects, not part of mapped_bytes */
	uint64_t peak_spans_bytes;
	uint64_t n_spans_made;
	uint64_t n_spans_retired;
	uint64_t n_purges;
	uint64_t purged_bytes;
	uint64_t oldest_dirty_ns; /* when the oldest dirty pages became free; 0: none */
	char label[24]; /* own_arena name, else empty */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_arena) == 128, "arena size");

/* One size class in one arena; written under the bin's lock. */
struct heapspy_bin {
	uint64_t n_checkouts; /* spans handed to a thread */
	uint64_t n_returns;   /* partly used spans given back by a thread */
	uint64_t n_nonfull;   /* partly used spans that no thread owns, now */
	uint64_t n_retired;
};
HEAPSPY_ASSERT(sizeof(struct heapspy_bin) == 32, "bin size");

#define HEAPSPY_LOCK_HIST 24u /* bucket b counts waits of 2^(b+7) ns .. 2^(b+8) ns; first and last are open */
#define HEAPSPY_LOCK_BIN 1u
#define HEAPSPY_LOCK_ARENA 2u
#define HEAPSPY_LOCK_META 3u
#define HEAPSPY_LOCK_THREADS 4u
#define HEAPSPY_LOCK_SAMPLES 5u
#define HEAPSPY_LOCK_SEGMENT 6u
#define HEAPSPY_LOCK_CACHE 7u /* cache shared by threads without one (tcache:off, late calls) */
#define HEAPSPY_NONE16 0xffffu

/* One lock; written by its holder. */
struct heapspy_lock {
	uint32_t kind;	 /* HEAPSPY_LOCK_* */
	uint16_t arena;	 /* or HEAPSPY_NONE16 */
	uint16_t klass;	 /* size class index, or HEAPSPY_NONE16 */
	uint32_t holder; /* tid that last had to wait for it; approximate */
	uint32_t reserved;
	uint64_t n_acquired;
	uint64_t n_contended;
	uint64_t wait_ns;
	uint64_t max_wait_ns;
	uint32_t hist[HEAPSPY_LOCK_HIST];
	uint64_t reserved2[2];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_lock) == 160, "lock size");

#define HEAPSPY_THREAD_FREE 0u
#define HEAPSPY_THREAD_LIVE 1u
#define HEAPSPY_RING 16u

/* Frees of other threads' slots that this thread has gathered and not yet published. */
struct heapspy_ring {
	uint32_t span; /* row in SPANS */
	uint32_t n;    /* slots; 0: entry unused */
};

/* One thread that has allocated; written by that thread. */
struct heapspy_thread {
	uint32_t state; /* HEAPSPY_THREAD_* */
	uint32_t tid;
	uint32_t arena;
	uint32_t reserved;
	char name[16]; /* when it first allocated; ask /proc for the present one */
	uint64_t start_ns;
	uint64_t active_ns;	  /* last slow path */
	uint64_t allocated_bytes; /* requested, cumulative; lags by less than the bytes between two slow paths */
	uint64_t n_slow;	  /* slow paths of malloc */
	uint64_t n_remote_freed;  /* slots of other threads' spans, cumulative */
	uint64_t n_samples;
	uint64_t lock_wait_ns;
	uint64_t stack_low; /* bounds of its stack, 0 unknown */
	uint64_t stack_high;
	uint64_t large_allocated_bytes; /* above the size classes, cumulative */
	uint64_t reserved2[2];
	struct heapspy_ring ring[HEAPSPY_RING];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_thread) == 256, "thread size");

/* One size class in one thread; written by that thread. */
struct heapspy_thread_class {
	uint64_t n_refills;	 /* spans taken */
	uint64_t n_remote_freed; /* slots of this class freed into other threads' spans */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_thread_class) == 16, "thread class size");

#define HEAPSPY_SITE_TRUNCATED 1u /* the walk ended before the root */
#define HEAPSPY_LIFE_HIST 24u	  /* bucket b: lifetimes of 2^(b+9) ns .. 2^(b+10) ns... open at both ends */

/* One call stack that allocates.  Cumulative; estimates are sums of per-sample weights. */
struct heapspy_site {
	uint64_t hash;
	uint64_t frame; /* first row in FRAMES, innermost frame first */
	uint32_t n_frames;
	uint32_t flags; /* HEAPSPY_SITE_* */
	uint64_t n_alloc_samples;
	uint64_t alloc_bytes;	  /* sampled: sum of weight * size */
	uint64_t alloc_objects_k; /* sampled: 1024 * sum of weight */
	uint64_t alloc_var;	  /* variance of alloc_bytes, in KiB^2 */
	uint64_t n_free_samples;
	uint64_t freed_bytes;	  /* sampled */
	uint64_t freed_objects_k; /* sampled, times 1024 */
	uint64_t n_remote;	  /* samples freed by another thread */
	uint64_t n_temporary;	  /* samples that lived less than 1 ms */
	uint64_t first_ns;
	uint64_t last_ns;
	uint32_t lifetimes[HEAPSPY_LIFE_HIST]; /* of freed samples */
	uint64_t reserved[6];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_site) == 256, "site size");

/* One live sampled object, in the slot that it would have had anyway. */
struct heapspy_sample {
	uint64_t address; /* 0: row unused.  Stored last (release), cleared first */
	uint64_t size_bytes;   /* requested */
	uint64_t usable_bytes;
	uint64_t interval_bytes; /* mean in force: weight = 1 / (1 - exp(-size / interval)) */
	uint64_t birth_ns;
	uint32_t site;	 /* row in SITES */
	uint32_t span;	 /* row in SPANS, UINT32_MAX when that span has none */
	uint32_t thread; /* row in THREADS */
	uint32_t tid;
	uint64_t reserved;
};
HEAPSPY_ASSERT(sizeof(struct heapspy_sample) == 64, "sample size");

/* One loaded object. */
struct heapspy_module {
	uint64_t seq;
	uint64_t start; /* addresses [start, end) of its first to last mapping */
	uint64_t end;
	uint64_t bias; /* runtime address - address in the file's program headers */
	uint32_t build_id_bytes;
	uint32_t flags; /* 1: unloaded again */
	uint8_t build_id[32];
	char path[440]; /* NUL-terminated, cut at the front when longer */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_module) == 512, "module size");

#define HEAPSPY_SPAN_FREE 0u /* row unused */
#define HEAPSPY_SPAN_SMALL 1u
#define HEAPSPY_SPAN_LARGE 2u /* one object, pages of the arena */
#define HEAPSPY_SPAN_HUGE 3u  /* one object, a mapping of its own */
#define HEAPSPY_USED_BIAS UINT32_C(0x80000000)

/*
 * One span.  `used` is written by the owner on every malloc and free, so the figures are exact at every
 * instant; while a span is a thread's active one, HEAPSPY_USED_BIAS is added to it.
 *   live slots   = (used & ~BIAS) - pending - (ring entries of all threads that name this span)
 *   free slots   = extended - (used & ~BIAS)    thread cache in an owned span that is active (BIAS set) or empty;
 *                                               else they are free slots in partly used spans, owned or not
 *   never touched = n_slots - extended
 *   given back   = hole_pages kernel pages, part of the free slots
 */
struct heapspy_span {
	uint64_t base;
	uint64_t bytes; /* of the whole span */
	uint64_t slot_bytes; /* usable size of each slot */
	uint32_t n_slots;
	uint32_t extended; /* slots ever put on the free list */
	uint32_t used;	   /* slots handed out and not taken back by the owner */
	uint32_t xpending; /* slots freed by others, waiting for the owner */
	uint32_t owner;	   /* row in THREADS, 0 nobody */
	uint16_t state;	   /* HEAPSPY_SPAN_* */
	uint16_t klass;	   /* size class, HEAPSPY_NONE16 above them */
	uint16_t arena;
	uint16_t hole_pages; /* since 1.1: kernel pages among the free slots that were given back */
	uint32_t n_samples;
	uint64_t made_ns; /* coarse */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_span) == 64, "span size");

/* One point of the past. */
struct heapspy_history {
	uint64_t seq;
	uint64_t realtime_ns;
	uint64_t ns;
	uint64_t rss_bytes; /* kernel's, measured */
	uint64_t live_bytes;
	uint64_t live_objects;
	uint64_t allocated_bytes; /* cumulative, requested */
	uint64_t span_free_bytes;
	uint64_t thread_cache_bytes;
	uint64_t dirty_bytes;
	uint64_t retained_bytes;
	uint64_t metadata_bytes;
	uint64_t lock_wait_ns;
	uint32_t n_threads;
	uint32_t n_arenas;
	uint64_t n_samples;
	uint64_t live_min_bytes; /* least live_bytes within this point's interval */
};
HEAPSPY_ASSERT(sizeof(struct heapspy_history) == 128, "history size");

#define HEAPSPY_EV_START 1u
#define HEAPSPY_EV_FORK 2u	/* a: parent pid */
#define HEAPSPY_EV_ARENA 3u	/* a: arena */
#define HEAPSPY_EV_PURGE 4u	/* a: bytes, b: arena */
#define HEAPSPY_EV_COMMAND 5u	/* a: command, b: argument, c: result */
#define HEAPSPY_EV_TICK_GAP 6u	/* a: ns without a tick */
#define HEAPSPY_EV_HELPER 7u	/* a: tid */
#define HEAPSPY_EV_CORRUPTION 8u /* a: address, b: what */
#define HEAPSPY_EV_OOM 9u	/* a: bytes refused */
#define HEAPSPY_EV_INTERVAL 10u	/* a: new sampling mean */

struct heapspy_event {
	uint64_t seq;
	uint64_t realtime_ns;
	uint64_t ns;
	uint32_t kind; /* HEAPSPY_EV_* */
	uint32_t tid;
	uint64_t a;
	uint64_t b;
	uint64_t c;
	uint64_t reserved;
};
HEAPSPY_ASSERT(sizeof(struct heapspy_event) == 64, "event size");

#define HEAPSPY_CMD_PURGE 1u	  /* result: bytes given back */
#define HEAPSPY_CMD_DRAIN 2u	  /* result: bytes */
#define HEAPSPY_CMD_INTERVAL 3u	  /* argument: mean in bytes */
#define HEAPSPY_CMD_BASELINE 4u
#define HEAPSPY_CMD_DUMP 5u
#define HEAPSPY_MAIL_EMPTY 0u
#define HEAPSPY_MAIL_POSTED 1u	/* stored last, with release, by the viewer */
#define HEAPSPY_MAIL_RUNNING 2u
#define HEAPSPY_MAIL_DONE 3u	/* the viewer sets it back to EMPTY */
#define HEAPSPY_MAIL_REFUSED 4u /* unknown command, bad argument or control:off */

/* One command to the library; a viewer claims an EMPTY row by compare-and-swap to itself. */
struct heapspy_mail {
	uint32_t xstate; /* HEAPSPY_MAIL_* */
	uint32_t command;
	uint64_t argument;
	uint64_t result;
	uint64_t posted_ns;
	uint64_t done_ns;
	uint32_t viewer_pid;
	uint32_t reserved;
	uint64_t reserved2[2];
};
HEAPSPY_ASSERT(sizeof(struct heapspy_mail) == 64, "mail size");

/* Waits for one lock at one call stack; sampled by time waited. */
struct heapspy_waiter {
	uint32_t lock; /* row in LOCKS */
	uint32_t site; /* row in SITES */
	uint64_t n_waits;
	uint64_t wait_ns;
	uint64_t max_wait_ns;
};
HEAPSPY_ASSERT(sizeof(struct heapspy_waiter) == 32, "waiter size");

#ifdef __cplusplus
}
#endif

#endif /* HEAPSPY_SEGMENT_H */
