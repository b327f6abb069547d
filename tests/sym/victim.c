/* SPDX-License-Identifier: MIT */
/*
 * A program that knows where it is: prints its modules, the return addresses of a stack with inlined
 * functions in it, and what the symbolizer must say about them.  Then it waits for the end of stdin.
 * Compiled as C and as C++, as PIE and not, with and without symbols.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <execinfo.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define INLINE static inline __attribute__((always_inline))
#define STAY() __asm__ volatile("" ::: "memory") /* no tail calls */

#ifdef __cplusplus
#define OUTER "victim::Box<int>::outer"
#define MIDDLE "victim::Box<int>::middle"
#define INNER "victim::inner"
#define EXPORT extern "C"
#else
#define OUTER "outer"
#define MIDDLE "middle"
#define INNER "inner"
#define EXPORT
#endif

static void *stack[32];
static int n_stack;
static int inner_line, middle_line, outer_line, start_line, hidden_line;

EXPORT NOINLINE void record(void);
EXPORT NOINLINE void start(void);

EXPORT NOINLINE void record(void)
{
	n_stack = backtrace(stack, 32);
	STAY();
}

#ifdef __cplusplus
namespace victim
{
#endif

INLINE void inner(void)
{
	inner_line = __LINE__ + 1;
	record();
	STAY();
}

#ifdef __cplusplus
template <typename T> struct Box {
	__attribute__((always_inline)) static void middle(T)
	{
		middle_line = __LINE__ + 1;
		inner();
		STAY();
	}
	NOINLINE static void outer(T value)
	{
		outer_line = __LINE__ + 1;
		middle(value);
		STAY();
	}
};
} /* namespace victim */
#define CALL_OUTER() victim::Box<int>::outer(3)
#else
INLINE void middle(void)
{
	middle_line = __LINE__ + 1;
	inner();
	STAY();
}

NOINLINE static void outer(void)
{
	outer_line = __LINE__ + 1;
	middle();
	STAY();
}
#define CALL_OUTER() outer()
#endif

static NOINLINE void hidden(void)
{
	hidden_line = __LINE__ + 1;
	CALL_OUTER();
	STAY();
}

EXPORT NOINLINE void start(void)
{
	start_line = __LINE__ + 1;
	hidden();
	STAY();
}

static void print_build_id(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const char *at = (const char *)(info->dlpi_addr + p->p_vaddr);
		const char *end = at + p->p_memsz;

		if (p->p_type != PT_NOTE)
			continue;
		while (at + sizeof(ElfW(Nhdr)) <= end) {
			const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
			const unsigned char *id = (const unsigned char *)at + sizeof(*note) + 4;

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4) {
				for (unsigned j = 0; j < note->n_descsz; j++)
					printf("%02x", id[j]);
				return;
			}
			at += sizeof(*note) + ((note->n_namesz + 3) & ~3u) + ((note->n_descsz + 3) & ~3u);
		}
	}
	printf("-");
}

static int print_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	uintptr_t low = UINTPTR_MAX, high = 0;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)size, (void)unused;
	self[n < 0 ? 0 : n] = '\0';
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (info->dlpi_addr + p->p_vaddr < low)
			low = info->dlpi_addr + p->p_vaddr;
		if (info->dlpi_addr + p->p_vaddr + p->p_memsz > high)
			high = info->dlpi_addr + p->p_vaddr + p->p_memsz;
	}
	printf("module %" PRIxPTR " %" PRIxPTR " %" PRIxPTR " ", low & ~(uintptr_t)4095, high,
	       (uintptr_t)info->dlpi_addr);
	print_build_id(info);
	printf(" %s\n", info->dlpi_name[0] ? info->dlpi_name : self);
	return 0;
}

int main(void)
{
	char line[16];

	alarm(60);
	start();
	dl_iterate_phdr(print_module, NULL);
	for (int i = 1; i < n_stack; i++) /* 0 is within record() */
		printf("address %" PRIxPTR "\n", (uintptr_t)stack[i]);
	/* expect ADDRESS-INDEX INLINE-DEPTH LINE INLINED FUNCTION */
	printf("expect 0 0 %d 1 %s\n", inner_line, INNER);
	printf("expect 0 1 %d 1 %s\n", middle_line, MIDDLE);
	printf("expect 0 2 %d 0 %s\n", outer_line, OUTER);
	printf("expect 1 0 %d 0 hidden\n", hidden_line);
	printf("expect 2 0 %d 0 start\n", start_line);
	printf("ready\n");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) ? 0 : 0;
}
