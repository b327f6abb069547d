/* SPDX-License-Identifier: MIT */
/*
 * lines.c - see lines.h.  Not itself compiled with -fsanitize=thread.
 *
 * One table of lines behind one spin lock: in lockstep only one thread runs anyway, so nothing is gained by more.
 * Accesses wider than a line do not occur; those across two lines are counted for the first.
 */
#define _GNU_SOURCE
#include "lines.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE = 1 << 21, PAIRS = 1 << 14 };

struct line {
	uintptr_t number;  /* address / 64; 0: unused */
	uint32_t at;	   /* turn of the latest access, by core `last` */
	uint32_t at_other; /* turn of the latest access by another core than `last` */
	uint16_t last;
	uint16_t slot;
	uintptr_t writer;		/* place of the last write; 0: the program */
	uint64_t has[LINES_CORES / 64]; /* cores with a valid copy */
};

/* One place in the code that fetches lines which another wrote last; both by the address after their call. */
struct pair {
	uintptr_t at, writer;
	uint32_t transfers, hot, slots;
};

static struct line table[TABLE];
static struct pair pairs[PAIRS];
static uint32_t turn = 1u << 30; /* far from 0, which means never */
static uint32_t window;
static int counting;
static int lock;
static __thread int core __attribute__((tls_model("initial-exec")));

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static struct line *find(uintptr_t number)
{
	size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 43);

	for (size_t n = 0; n < TABLE; n++, i++) {
		struct line *l = &table[i % TABLE];

		if (l->number == number)
			return l;
		if (l->number == 0) {
			l->number = number;
			return l;
		}
	}
	abort();
}

static void count(const struct line *l, uintptr_t at)
{
	size_t i = (at ^ l->writer << 24) * UINT64_C(0x9e3779b97f4a7c15) >> 50;
	struct pair *p = &pairs[i % PAIRS];

	while (p->at != 0 && (p->at != at || p->writer != l->writer))
		p = &pairs[++i % PAIRS];
	p->at = at;
	p->writer = l->writer;
	p->transfers++;
	p->hot += turn - (l->last != core ? l->at : l->at_other) < window;
	p->slots += l->slot;
}

/* `at` 0: the program's access. */
static void touch(const volatile void *p, int write, uintptr_t at)
{
	uint64_t bit = UINT64_C(1) << core % 64;
	struct line *l;
	int here, others = 0, known = 0;

	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		;
	l = find((uintptr_t)p / 64);
	for (int i = 0; i < LINES_CORES / 64; i++) {
		known |= l->has[i] != 0;
		others |= (l->has[i] & ~(i == core / 64 ? bit : 0)) != 0;
	}
	here = (l->has[core / 64] & bit) != 0;
	if (counting && at && known && (write ? others : !here))
		count(l, at);
	if (write) {
		if (others)
			memset(l->has, 0, sizeof(l->has));
		l->writer = at;
	}
	l->has[core / 64] |= bit;
	if (l->last != core)
		l->at_other = l->at;
	l->at = turn;
	l->last = (uint16_t)core;
	if (!at)
		l->slot = 1;
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void lines_core(int n)
{
	core = n;
}

EXPORT void lines_turn(int cores)
{
	turn++;
	window = (uint32_t)cores;
}

EXPORT void lines_program_write(const void *p)
{
	touch(p, 1, 0);
}

EXPORT void lines_start(void)
{
	counting = 1;
}

static unsigned long offset(uintptr_t at)
{
	return at ? at - (uintptr_t)__ehdr_start : 0;
}

EXPORT void lines_report(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	counting = 0;
	for (size_t i = 0; i < PAIRS; i++)
		if (pairs[i].at)
			dprintf(fd, "%#lx %#lx %u %u %u\n", offset(pairs[i].at), offset(pairs[i].writer),
				pairs[i].transfers, pairs[i].hot, pairs[i].slots);
	close(fd);
}

/* The compiler's side: gcc's ABI of -fsanitize=thread. */
#define HERE ((uintptr_t)__builtin_return_address(0))
#define PLAIN(name, write)                                                                                             \
	void __tsan_##name(void *p);                                                                                   \
	void __tsan_##name(void *p)                                                                                    \
	{                                                                                                              \
		touch(p, write, HERE);                                                                                 \
	}
#define BOTH(n) PLAIN(read##n, 0) PLAIN(write##n, 1) PLAIN(volatile_read##n, 0) PLAIN(volatile_write##n, 1)
#define ODD(n) PLAIN(unaligned_read##n, 0) PLAIN(unaligned_write##n, 1)

#define RANGE(name, write)                                                                                             \
	void __tsan_##name(void *p, unsigned long n);                                                                  \
	void __tsan_##name(void *p, unsigned long n)                                                                   \
	{                                                                                                              \
		for (unsigned long i = 0; i < n; i += 64)                                                              \
			touch((char *)p + i, write, HERE);                                                             \
	}

#define RMW(bits, op, expression)                                                                                      \
	uint##bits##_t __tsan_atomic##bits##_##op(volatile uint##bits##_t *p, uint##bits##_t v, int order);            \
	uint##bits##_t __tsan_atomic##bits##_##op(volatile uint##bits##_t *p, uint##bits##_t v, int order)             \
	{                                                                                                              \
		(void)order;                                                                                           \
		touch(p, 1, HERE);                                                                                     \
		return expression;                                                                                     \
	}
#define CAS(bits, kind)                                                                                                \
	int __tsan_atomic##bits##_compare_exchange_##kind(volatile uint##bits##_t *p, uint##bits##_t *expected,        \
							  uint##bits##_t v, int order, int fail);                      \
	int __tsan_atomic##bits##_compare_exchange_##kind(volatile uint##bits##_t *p, uint##bits##_t *expected,        \
							  uint##bits##_t v, int order, int fail)                       \
	{                                                                                                              \
		(void)order, (void)fail;                                                                               \
		touch(p, 1, HERE);                                                                                     \
		return __atomic_compare_exchange_n(p, expected, v, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);             \
	}
#define ATOMIC(bits)                                                                                                   \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order);                        \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order)                         \
	{                                                                                                              \
		(void)order;                                                                                           \
		touch(p, 0, HERE);                                                                                     \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                           \
	}                                                                                                              \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t v, int order);                     \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t v, int order)                      \
	{                                                                                                              \
		(void)order;                                                                                           \
		touch(p, 1, HERE);                                                                                     \
		__atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                              \
	}                                                                                                              \
	RMW(bits, exchange, __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))                                               \
	RMW(bits, fetch_add, __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST))                                               \
	RMW(bits, fetch_sub, __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST))                                               \
	RMW(bits, fetch_and, __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST))                                               \
	RMW(bits, fetch_or, __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST))                                                 \
	RMW(bits, fetch_xor, __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST))                                               \
	CAS(bits, strong)                                                                                              \
	CAS(bits, weak)

/* clang-format off */
BOTH(1) BOTH(2) BOTH(4) BOTH(8) BOTH(16)
ODD(2) ODD(4) ODD(8) ODD(16)
RANGE(read_range, 0) RANGE(write_range, 1)
ATOMIC(8) ATOMIC(16) ATOMIC(32) ATOMIC(64)
/* clang-format on */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}
