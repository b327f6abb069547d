/* SPDX-License-Identifier: MIT */
/*
 * micro.h - what the modes of bench-micro share.
 *
 * A mode is one access pattern.  Its own tables come from mmap, never from malloc, so that nothing but the
 * pattern is measured; its random numbers come from fixed seeds, so that every allocator gets the same calls.
 * Each object's first word is written when it is made (a program that allocates also writes, and the line it
 * writes is the one that allocators keep their links in); modes that do more or less than that say so.
 *
 * Memory: table() is mmap; a mode may drop() its table before it notes the RSS, to leave only what malloc keeps
 * Errors: a refused allocation ends the process with a message
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* One run of a mode: what it is asked for, and what it hands back. */
struct micro {
	long count;
	int threads;
	double wait; /* seconds of slow activity, for modes that wait */
	uint64_t seed;
	long ops;     /* done, set by the mode; 0: as many as `count` */
	long end_rss; /* KiB, noted by the mode; 0: main asks when the mode has ended */
};

struct micro_mode {
	const char *name;
	void (*run)(struct micro *m);
	long count;	/* default; about a second under glibc */
	int threads;	/* default */
	int copies;	/* 1: each thread runs the whole mode with its share of the count */
	double wait;	/* default */
	const char *op; /* what one operation is */
};

/* By theme, each ended by an entry without a name. */
extern const struct micro_mode micro_small[];
extern const struct micro_mode micro_blocks[];
extern const struct micro_mode micro_threads[];
extern const struct micro_mode micro_sharing[];
extern const struct micro_mode micro_memory[];

/* The compiler must believe that somebody else looks at `p` and at all memory. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* 31 random bits. */
static inline uint32_t rnd(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(*state >> 33);
}

/*
 * A size between 16 and 16 << octaves, each octave as likely as the next: programs have many small and few big
 * objects.
 */
static inline size_t rnd_log(uint64_t *state, unsigned octaves)
{
	uint32_t r = rnd(state);
	size_t low = (size_t)16 << (r & 0xffff) % octaves;

	return low + (r >> 16) * low / 32768;
}

/* malloc of at least 8 bytes, with the first word written. */
static inline void *make(size_t n)
{
	uint64_t *p = hide(malloc(n));

	*p = n;
	return p;
}

/* `bytes` of zeros from the kernel, present already. */
void *micro_table(size_t bytes);
void micro_drop(void *table, size_t bytes);

/* Runs `fn` in `n` threads, with arguments `args + i * arg_bytes`, and waits for all. */
void micro_threads_run(int n, void *(*fn)(void *), void *args, size_t arg_bytes);

/* For `seconds`, 100 pairs of 16 to 1,024 bytes each 10 ms: the little that a waiting program does. */
void micro_slow_activity(double seconds);

/* A field of /proc/self/status in KiB; without malloc. */
long micro_status_kib(const char *field);

/* Ends the process with a sentence. */
_Noreturn void micro_die(const char *text);

#endif /* BENCH_MICRO_H */
