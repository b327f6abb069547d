/* SPDX-License-Identifier: MIT */
/*
 * model.h - a heap beside a model of it: which blocks live, what is written in them, and what the statistics
 * must therefore say.
 *
 * Nothing here uses cmocka: it also serves threads and forked children, where a failed assertion cannot jump
 * back.  must() says what was wrong and aborts; a test program that dies has failed.
 *
 * Memory:  the test program's own malloc, never the heap under test
 */
#ifndef HS_TESTS_UNIT_MODEL_H
#define HS_TESTS_UNIT_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "core/heap.h"

#define must(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond);                          \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define MODEL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define MODEL_SANITIZED 1
#endif
#endif
#ifndef MODEL_SANITIZED
#define MODEL_SANITIZED 0
#endif

/* Loops are shorter where each step costs ten times as much. */
#define MODEL_STEPS(n) (MODEL_SANITIZED ? (n) / 4 : (n))

struct model_block {
	unsigned char *p;
	size_t bytes; /* requested */
	uint64_t seed; /* of its contents */
};

struct model {
	struct hs_heap *heap;
	struct model_block *blocks;
	size_t n, cap;
	uint64_t next_seed;
	struct hs_prng prng;
};

/* A fresh heap; model_heap_drop() gives back what can be. */
struct hs_heap *model_heap(uint32_t n_arenas, int64_t decay_ms);
void model_heap_drop(struct hs_heap *heap);

void model_init(struct model *m, struct hs_heap *heap, size_t cap, uint64_t seed);
void model_done(struct model *m);
size_t model_random(struct model *m, size_t below);
/* Mostly small, some large, few huge when `huge` is true. */
size_t model_random_size(struct model *m, bool huge);

/* Contents that depend on the seed; large blocks are marked at both ends and on each page. */
void model_fill(unsigned char *p, size_t bytes, uint64_t seed);
void model_verify(const unsigned char *p, size_t bytes, uint64_t seed);
void model_verify_zero(const unsigned char *p, size_t bytes);

/* Each checks what can be seen at once: alignment, usable size, zeroes, contents.  False: out of memory. */
bool model_alloc(struct model *m, struct hs_tcache *t, size_t bytes, size_t align, bool zero);
void model_free(struct model *m, struct hs_tcache *t, size_t index);
/* As realloc: in place when the heap can, else moved by copying. */
bool model_resize(struct model *m, struct hs_tcache *t, size_t index, size_t bytes);
void model_free_all(struct model *m, struct hs_tcache *t);

/* One block of any heap. */
void model_free_block(struct hs_tcache *t, void *p);

/* Contents of all blocks, and that none overlaps another. */
void model_check_contents(struct model *m);

/* The statistics: live objects and bytes per arena and class, bytes of arenas, totals, seals in the spans. */
void model_check_exact(struct model *m);

/* Small spans that are not retired. */
size_t model_small_spans(struct hs_heap *heap);

/* Empty spans that threads left in bins for others are retired, as after decay_ms. */
void model_settle(struct hs_heap *heap);

/* Nothing lives and all tcaches are drained: everything is back in the page heaps (after model_settle()). */
void model_check_empty(struct hs_heap *heap);

/* hs_heap_check() with the tcaches of the list; their threads are idle. */
void model_check_heap(struct hs_heap *heap);

/* Runs body(arg) in a child with a time limit; the status of wait(). */
int model_in_child(void (*body)(void *), void *arg);

/* Counts calls of hs_on_corruption between _begin and _end, which returns them; *ret_last gets the last kind. */
void model_corruption_begin(void);
unsigned model_corruption_end(enum hs_corruption *ret_last);

#endif /* HS_TESTS_UNIT_MODEL_H */
