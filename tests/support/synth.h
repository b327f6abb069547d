/* SPDX-License-Identifier: MIT */
/*
 * synth.h - writes segment files from a description, for tests.
 *
 * A test fills the rows it cares about, or takes a whole scenario, and gets the file that a process of that
 * kind would have left.  The same description gives the same bytes on every machine.
 *
 * Memory:  synth_done() frees the rows; pointers from synth_row() are good until the next row of that table
 */
#ifndef TESTS_SUPPORT_SYNTH_H
#define TESTS_SUPPORT_SYNTH_H

#include <stddef.h>
#include <stdint.h>

#include <heapspy/segment.h>

struct synth_table {
	unsigned char *rows;
	size_t n, room, row_bytes;
	uint64_t count; /* what the directory says; rings may have written more than they hold */
};

struct synth {
	struct heapspy_header header;
	struct synth_table tables[HEAPSPY_TABLES_MAX + 1]; /* by HEAPSPY_T_* */
	uint64_t rng;
	uint64_t next_base; /* where the next span goes */
	double sample_debt; /* expected samples not yet made */
};

/* An empty segment of a process that started 3 h 12 min before its last heartbeat: header and totals only. */
void synth_init(struct synth *s);
void synth_done(struct synth *s);

/* A new zeroed row at the end of a table. */
void *synth_row(struct synth *s, uint32_t table);
/* Row `i` of a table, which must exist. */
void *synth_at(const struct synth *s, uint32_t table, size_t i);
size_t synth_count(const struct synth *s, uint32_t table);

/* Size classes of 16 bytes to 32 KiB, four per doubling, and `n_arenas` arenas with their bins and locks. */
void synth_heap(struct synth *s, unsigned n_arenas);
unsigned synth_class_of(const struct synth *s, uint32_t bytes);
/* Threads `name`, `name`-1 ...; row 0 (the dead) is made when it is missing. */
void synth_threads(struct synth *s, const char *name, unsigned n);
/* `n` sites of `depth` frames in the synthetic modules; returns the first row. */
uint32_t synth_sites(struct synth *s, unsigned n, unsigned depth);

struct synth_span {
	unsigned klass, arena, owner;
	double fill; /* used slots of those extended */
	uint32_t xpending;
	uint32_t site, n_sites;		 /* samples go to sites [site, site + n_sites) */
	uint64_t youngest_ns, oldest_ns; /* ages of its samples */
};

/* One small span, with the samples that its live slots would have left, and the arena's figures. */
uint32_t synth_span(struct synth *s, const struct synth_span *d);
/* One large object with its sample. */
uint32_t synth_large(struct synth *s, unsigned arena, uint64_t bytes, uint64_t requested, uint32_t site);

/* History of `seconds` 1-s points and the minutes of the uptime; live goes from `from` to `to` bytes. */
void synth_history(struct synth *s, unsigned seconds, uint64_t from, uint64_t to, uint64_t rss_extra);

/* A whole process: "healthy", "fragmented", "contended", "leak", "big".  0 or -ENOENT. */
int synth_scenario(struct synth *s, const char *name);

/* 0 or negative errno. */
int synth_write(const struct synth *s, const char *path);

uint64_t synth_rand(struct synth *s);

#endif /* TESTS_SUPPORT_SYNTH_H */
