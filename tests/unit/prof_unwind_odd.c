/* SPDX-License-Identifier: MIT */
/* Walks from awkward places: what matters is that they return, touch nothing else, and never lie. */
#include <dirent.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "prof_walk.h"

/* ---- signals and strange stacks ---- */

static struct result in_handler;

static void handler(int sig)
{
	take(&bounds, &in_handler);
}

static void on_signal(int sig, int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	assert_int_equal(sigaction(sig, &sa, NULL), 0);
}

PLAIN static void interrupted(void)
{
	chain[0] = (uintptr_t)__builtin_return_address(0);
	__asm__ volatile("ud2");
}

static void skip_ud2(int sig, siginfo_t *info, void *context)
{
	take(&bounds, &in_handler);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

/* The fault is at a known instruction: the frame after the trampoline is that, + 1. */
static void in_a_signal_handler(void **state)
{
	struct sigaction sa = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO};
	bool found = false;

	assert_int_equal(sigaction(SIGILL, &sa, NULL), 0);
	interrupted();
	signal(SIGILL, SIG_DFL);
	assert_false(in_handler.truncated);
	for (size_t i = 0; i + 1 < in_handler.n; i++) {
		if (in_handler.pcs[i + 1] != chain[0])
			continue;
		found = true;
		assert_memory_equal((const void *)(in_handler.pcs[i] - 1), "\x0f\x0b", 2); /* ud2 */
	}
	assert_true(found);
	assert_agrees(&in_handler);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static volatile unsigned n_walks, n_complete, n_wrong;
static bool walking;

static void on_tick(int sig)
{
	uint64_t pcs[MAX];
	bool truncated, seen = false;
	size_t n = hs_unwind_capture(&bounds, &walking, pcs, MAX, &truncated);

	for (size_t i = 0; i < n; i++)
		seen |= pcs[i] == chain[0];
	n_walks++;
	if (!truncated && seen)
		n_complete++;
	else if (!truncated)
		n_wrong++;
}

PLAIN static void work(void)
{
	char text[64];
	int v[100];

	chain[0] = (uintptr_t)__builtin_return_address(0);
	for (int round = 0; round < 200000 && n_walks < 400; round++) {
		for (int i = 0; i < 100; i++)
			v[i] = round * 7919 % (i + 1);
		qsort(v, 100, sizeof(*v), by_value);
		snprintf(text, sizeof(text), "%d %f", v[50], round * 1.5);
		sink += (int)strtod(text, NULL) + (int)strlen(text);
	}
}

/* Interrupted anywhere: prologues, stubs of the linkage table, string functions.  Complete, or cut; never wrong. */
static void interrupted_anywhere(void **state)
{
	struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	work();
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	signal(SIGALRM, SIG_IGN);
	print_message("%u walks, %u complete\n", n_walks, n_complete);
	assert_true(n_walks > 0);
	assert_int_equal(n_wrong, 0);
	/* sanitizers put code of their own, by hand, between */
	if (!HS_TSAN)
		assert_true(n_complete * 100 >= n_walks * 95);
}

static void on_the_alternate_stack(void **state)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};

	assert_int_equal(sigaltstack(&ss, NULL), 0);
	on_signal(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	assert_true(in_handler.n >= 1);
	print_message("alternate stack: %zu frames, %s\n", in_handler.n, in_handler.truncated ? "cut" : "to the root");
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	signal(SIGUSR1, SIG_DFL);
}

static ucontext_t back, there;
static struct result in_coroutine;

static void coroutine(void)
{
	take(&bounds, &in_coroutine);
	swapcontext(&there, &back);
}

/* The page behind the stack is missing: one word too far would be a fault. */
static void in_a_coroutine(void **state)
{
	enum { SIZE = 65536 };
	char *stack = mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(stack != MAP_FAILED);
	assert_int_equal(mprotect(stack + SIZE, 4096, PROT_NONE), 0);
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = SIZE;
	there.uc_link = &back;
	makecontext(&there, coroutine, 0);
	swapcontext(&back, &there);
	assert_true(in_coroutine.n >= 1);
	munmap(stack, SIZE + 4096);
}

static void stack_used_up(void **state)
{
	char here;
	struct hs_stack_bounds tight = {(uintptr_t)&here - 1024, bounds.high};
	uint64_t pcs[MAX];
	bool truncated = false;

	tight.low &= ~(uintptr_t)15;
	assert_int_equal(hs_unwind_capture(&tight, &busy, pcs, MAX, &truncated), 0);
	assert_true(truncated);
	assert_false(busy);
}

static void nested_gives_nothing(void **state)
{
	uint64_t pcs[MAX];
	bool truncated = false;

	busy = true;
	assert_int_equal(hs_unwind_capture(&bounds, &busy, pcs, MAX, &truncated), 0);
	assert_true(truncated && busy);
	busy = false;
}

static struct result in_jit;

PLAIN static void from_jit(void)
{
	take(&bounds, &in_jit);
	sink++;
}

PLAIN static void call_jit(void (*code)(void (*)(void)))
{
	chain[0] = (uintptr_t)__builtin_return_address(0);
	code(from_jit);
	sink++;
}

/* Code that no table knows, with frame pointers: crossed. */
static void through_generated_code(void **state)
{
#if defined(__x86_64__)
	/* push rbp; mov rbp, rsp; sub rsp, 64; call rdi; leave; ret */
	static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x40, 0xff, 0xd7, 0xc9, 0xc3};
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool found = false;

	memcpy(p, code, sizeof(code));
	assert_int_equal(mprotect(p, 4096, PROT_READ | PROT_EXEC), 0);
	call_jit((void (*)(void (*)(void)))p);
	for (size_t i = 0; i < in_jit.n; i++)
		found |= in_jit.pcs[i] == chain[0];
	assert_true(found);
	assert_false(in_jit.truncated);
	munmap(p, 4096);
#endif
}

PLAIN static int nest(int depth, struct result *r)
{
	int x = 1;

	chain[1] = (uintptr_t)__builtin_return_address(0);
	if (depth > 0)
		x = nest(depth - 1, r);
	else
		take(&bounds, r);
	sink += x;
	return x + 1;
}

/* ---- threads, cancellation, fork, descriptors ---- */

static int n_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static struct result in_thread;

static void *thread_walk(void *arg)
{
	struct hs_stack_bounds b = bounds_of_self();

	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg); /* the cancel request is pending now, and nothing below honours it */
	take(&b, &in_thread);
	sink = 4711;
	pthread_testcancel();
	sink = 0;
	return NULL;
}

static void no_cancellation_point(void **state)
{
	int (*walker)(void **, int) = other_walker;
	pthread_barrier_t barrier;
	pthread_t thread;
	void *ret;

	other_walker = NULL; /* that one is a cancellation point */
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, thread_walk, &barrier), 0);
	pthread_barrier_wait(&barrier);
	pthread_cancel(thread);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &ret);
	assert_ptr_equal(ret, PTHREAD_CANCELED);
	assert_int_equal(sink, 4711);
	assert_false(in_thread.truncated);
	assert_true(in_thread.n >= 2);
	other_walker = walker;
}

static void no_descriptors(void **state)
{
	int (*walker)(void **, int) = other_walker;
	int before = n_descriptors();
	struct result r;

	other_walker = NULL;
	hs_unwind_flush();
	nest(30, &r);
	assert_int_equal(n_descriptors(), before);
	other_walker = walker;
}

static void after_fork(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct result r;

		hs_unwind_flush();
		nest(5, &r);
		_exit(r.truncated || r.pcs[2] != chain[1] ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int xstop;

static void *walk_for_ever(void *arg)
{
	struct hs_stack_bounds b = bounds_of_self();
	uint64_t first[MAX], pcs[MAX];
	bool mine = false, truncated;
	size_t n = 0, n_first = 0;

	for (int i = 0; !__atomic_load_n(&xstop, __ATOMIC_RELAXED); i++) {
		n = hs_unwind_capture(&b, &mine, pcs, MAX, &truncated);
		if (i == 0) {
			n_first = n;
			memcpy(first, pcs, sizeof(first));
		}
		assert_int_equal(n, n_first);
		assert_memory_equal(first, pcs, n * sizeof(*pcs));
	}
	return NULL;
}

static void threads_share_the_cache(void **state)
{
	pthread_t threads[3];

	__atomic_store_n(&xstop, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, walk_for_ever, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		hs_unwind_flush();
		usleep(50);
	}
	__atomic_store_n(&xstop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_signal_handler),
		cmocka_unit_test(interrupted_anywhere),
		cmocka_unit_test(on_the_alternate_stack),
		cmocka_unit_test(in_a_coroutine),
		cmocka_unit_test(stack_used_up),
		cmocka_unit_test(nested_gives_nothing),
		cmocka_unit_test(through_generated_code),
		cmocka_unit_test(no_cancellation_point),
		cmocka_unit_test(no_descriptors),
		cmocka_unit_test(after_fork),
		cmocka_unit_test(threads_share_the_cache),
	};

	return cmocka_run_group_tests_name("prof_unwind_odd", tests, set_up_walks, NULL);
}
