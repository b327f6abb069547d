/* SPDX-License-Identifier: MIT */
/* Stacks that no thread owns: coroutines by swapcontext, with every allocation sampled. */
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

enum { N = 8, STACK = 32768 };
static ucontext_t home, co[N];
static int done;

static void body(int id)
{
	char *p[16];

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 16; i++) {
			p[i] = malloc((size_t)(i * 60 + id));
			CHECK_RAW(p[i]);
			fill(p[i], (size_t)(i * 60 + id), (unsigned)id);
		}
		swapcontext(&co[id], &home);
		for (int i = 0; i < 16; i++) {
			CHECK_RAW(intact(p[i], (size_t)(i * 60 + id), (unsigned)id));
			free(p[i]);
		}
	}
	done++;
}

int main(void)
{
	for (int i = 0; i < N; i++) {
		getcontext(&co[i]);
		co[i].uc_stack.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		co[i].uc_stack.ss_size = STACK;
		co[i].uc_link = &home;
		makecontext(&co[i], (void (*)(void))body, 1, i);
	}
	for (int round = 0; round <= 100; round++)
		for (int i = 0; i < N; i++)
			swapcontext(&home, &co[i]);
	printf("%d coroutines ended\n", done);
	return 0;
}
