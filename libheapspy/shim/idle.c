/* SPDX-License-Identifier: MIT */
/*
 * idle.c - the helper gives back what sleeping threads hold.
 *
 * A thread's cache is its own: the fast path asks nobody.  So the helper must know that a thread is not on its fast
 * path before it drains the cache, and the thread must notice before it uses the cache again:
 *
 *	helper: xseized = 1;  token = SEIZED;  direct[] = none;  look at the thread;  drain if it sleeps;  xseized = 0
 *	thread: each free compares the token, each malloc pops direct[] or looks at the token -> slow path
 *	        -> waits while xseized, makes token and direct[] anew, goes on
 *
 * The token is exchanged by compare-and-swap, so a thread that has hidden its tcache is left alone; and what the helper
 * stores never does more harm to a thread that is awake than a slow path.
 *
 * The look is /proc/self/task/TID/syscall: the kernel tells number, stack pointer and address of a system call that
 * the thread is blocked in, taken while it is off the processor.  A thread that is switched out takes the lock of its
 * run queue, as the look does, so what the helper stored before it is seen when the thread comes back.  Blocked in a call
 * that was not made from our text, it can be on a fast path only below a signal handler; such a handler's frame on the
 * stack holds the interrupted address.  Any doubt - not blocked, a stack whose top we do not know or that cannot be
 * read, vfork, a frame of ours - leaves the thread alone.
 *
 * x86-64 only: elsewhere the frame of a signal is not told from other words.
 */
#include <linux/futex.h>
#include <sys/uio.h>
#include <time.h>

#include "base/rawio.h"
#include "os/sys.h"
#include "os/vm.h"
#include "shim/process.h"
#include "stat/identity.h"

/* Threads begin and end under the same lock: it is held for so many looks and seizures. */
#define LOOKS_PER_ROUND 64u
#define SEIZES_PER_ROUND 16u
/* With more threads each is looked at less often. */
#define LOOKS_PER_TICK 2048u
/* A thread that has not allocated for so long is looked at in earnest; a little less than two ticks make. */
#define IDLE_NS UINT64_C(900000000)
/* A sleeping thread with a deeper stack is left alone. */
#define STACK_MOST ((size_t)1 << 20)
/*
 * cs 0x33, gs 0, fs 0 as the kernel lays them into one word of a signal's frame, with ss above them or, before Linux 4.6,
 * without; the interrupted address is two words before.
 */
#define SEGMENTS UINT64_C(0x000000000033)
#define SEGMENTS_MASK UINT64_C(0xffffffffffff)

struct blocked {
	uint64_t nr, sp, pc;
};

static bool copy_from(const void *at, void *ret, size_t bytes)
{
	struct iovec mine = {ret, bytes}, there = {(void *)(uintptr_t)at, bytes};

	return hs_syscall6(SYS_process_vm_readv, hs_getpid(), &mine, 1, &there, 1, 0) == (long)bytes;
}

static bool parse_hex(const char **text, uint64_t *ret)
{
	uint64_t n = 0;
	const char *p = *text;

	if (p[0] != '0' || p[1] != 'x')
		return false;
	for (p += 2;; p++) {
		unsigned digit = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0')
				 : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10)
							  : 16;

		if (digit == 16)
			break;
		n = n << 4 | digit;
	}
	*ret = n;
	*text = p;
	return true;
}

/* "NR ARG*6 SP PC", numbers of the call decimal and not negative, the others hexadecimal; or "running". */
static bool look(uint32_t tid, struct blocked *ret)
{
	char path[48], text[256];
	const char *p = text;
	uint64_t words[8];

	hs_format(path, sizeof(path), "/proc/self/task/%u/syscall", tid);
	if (hs_read_file(path, text, sizeof(text)) <= 0 || *p == '-' || !hs_parse_u64(&p, &ret->nr))
		return false;
	for (unsigned i = 0; i < 8; i++)
		if (*p++ != ' ' || !parse_hex(&p, &words[i]))
			return false;
	ret->sp = words[6];
	ret->pc = words[7];
	return true;
}

static bool is_ours(uint64_t pc)
{
	return pc - hs_process.text.low < hs_process.text.high - hs_process.text.low;
}

/* No handler on this stack has interrupted us.  Unreadable or too deep counts as yes. */
static bool stack_is_clean(uint64_t sp, uint64_t top)
{
	uint64_t words[128], before[2] = {0, 0};

	sp = hs_align_down(sp, sizeof(words[0]));
	if (sp >= top || top - sp > STACK_MOST)
		return false;
	while (sp < top) {
		size_t n = hs_min(sizeof(words), top - sp) / sizeof(words[0]);

		if (n == 0)
			break;
		if (!copy_from((const void *)(uintptr_t)sp, words, n * sizeof(words[0])))
			return false;
		for (size_t i = 0; i < n; i++) {
			if ((words[i] & SEGMENTS_MASK) == SEGMENTS && is_ours(before[0]))
				return false;
			before[0] = before[1];
			before[1] = words[i];
		}
		sp += n * sizeof(words[0]);
	}
	return true;
}

/* Blocked in a system call, with nothing of ours below it. */
static bool sleeps(const struct hs_tcache *t, const struct hs_tls *tls, uint64_t top)
{
#if defined(__x86_64__)
	struct blocked at;
	struct hs_tls copy;

	if (!look(t->tid, &at) || is_ours(at.pc))
		return false;
	/* a child may run on this stack, with these thread-local variables */
	if (at.nr == SYS_vfork || at.nr == SYS_fork || at.nr == SYS_clone || at.nr == SYS_clone3)
		return false;
	/* copied: a thread that left without a word has left its memory to others, or to nobody */
	if (!copy_from(tls, &copy, sizeof(copy)) || copy.own != t || copy.depth != 0 || copy.walking || copy.ticking)
		return false;
	return stack_is_clean(at.sp, top);
#else
	(void)t;
	(void)tls;
	(void)top;
	return false;
#endif
}

static void let_loose(struct hs_tcache *t)
{
	/* [mo:tcache-seized release] what was done to the cache comes before its owner's next step */
	if (hs_xchg_release(&t->xseized, 0) == 2)
		(void)hs_syscall3(SYS_futex, &t->xseized, FUTEX_WAKE_PRIVATE, 1);
}

void hs_idle_back(struct hs_tls *tls)
{
	const struct timespec a_while = {.tv_nsec = 10000000};
	struct hs_tcache *t = tls->own;
	uint32_t seized;

	/* [mo:tcache-seized acquire] */
	while ((seized = hs_load_acquire(&t->xseized)) != 0) {
		if (hs_was_cloned())
			break; /* the helper that would let go does not exist here */
		if (seized == 2 || hs_cas_relaxed(&t->xseized, &seized, 2))
			(void)hs_syscall4(SYS_futex, &t->xseized, FUTEX_WAIT_PRIVATE, 2, &a_while);
	}
	hs_tcache_set_direct(t, tls->direct);
	hs_compiler_fence();
	tls->token = (uintptr_t)t;
}

/* The thread's next malloc or free takes a slow path; false: it is in one. */
static bool take_token(struct hs_tcache *t, struct hs_tls *tls)
{
	uintptr_t token = (uintptr_t)t;

	/* [mo:tcache-seized seq_cst] before the look that counts */
	if (!hs_cas_seq_cst(&tls->token, &token, HS_TOKEN_SEIZED) && token != HS_TOKEN_SEIZED)
		return false;
	for (unsigned i = 0; i < HS_DIRECT_ENTRIES; i++)
		hs_store_relaxed(&tls->direct[i], &hs_span_none);
	return true;
}

/* Drains the cache if its thread sleeps.  The caller holds threads_lock, so the thread cannot end meanwhile. */
static bool drain_locked(struct hs_tcache *t)
{
	struct hs_tls *tls = t->thread;
	/* glibc lays the thread-local variables of a thread above its stack, in the same mapping */
	uint64_t top = t->tid == hs_process.main_tid ? hs_process.main_stack_high : (uintptr_t)tls;
	bool done;

	if (!sleeps(t, tls, top))
		return false;
	hs_store_seq_cst(&t->xseized, 1); /* [mo:tcache-seized seq_cst] */
	done = take_token(t, tls) && sleeps(t, tls, top) && hs_load_relaxed(&tls->token) == HS_TOKEN_SEIZED;
	if (done) {
		hs_tcache_drain(t);
		t->waits = (struct hs_waited){0};
	}
	let_loose(t);
	return done;
}

/*
 * True if nothing has changed for long enough.  A thread that only frees, on its fast path, looks idle: if it happens to
 * sleep each time we look, it is drained and that costs it a little.
 */
static bool is_due(struct hs_tcache *t, uint64_t now_ns, uint64_t idle_ns)
{
	const struct hs_tls *tls = t->thread;
	struct {
		int64_t countdown;
		uintptr_t token;
	} now;

	_Static_assert(offsetof(struct hs_tls, token) == sizeof(now.countdown), "copied at once");
	if (tls == NULL || !copy_from(tls, &now, sizeof(now)))
		return false;
	/* one that was drained comes back with a token of its own */
	if (t->idle.drained && now.token == HS_TOKEN_SEIZED)
		return false;
	if (now.countdown != t->idle.countdown || t->idle.drained) {
		t->idle.countdown = now.countdown;
		t->idle.since_ns = now_ns;
		t->idle.drained = false;
	}
	return now_ns - t->idle.since_ns >= idle_ns;
}

/* In turn: who was looked at goes to the end of the list.  Returns how many. */
static uint32_t drain_some_locked(struct hs_heap *heap, uint64_t now_ns, uint64_t idle_ns)
{
	uint32_t looks = 0, seizes = 0;

	while (looks < LOOKS_PER_ROUND && seizes < SEIZES_PER_ROUND && !hs_list_empty(&heap->tcaches)) {
		struct hs_tcache *t = hs_container_of(heap->tcaches.next, struct hs_tcache, link);

		hs_list_remove(&t->link);
		hs_list_push_back(&heap->tcaches, &t->link);
		looks++;
		if (!is_due(t, now_ns, idle_ns))
			continue;
		t->idle.drained = drain_locked(t);
		t->idle.since_ns = now_ns;
		seizes++;
	}
	return looks;
}

/*
 * What sleepers held is not needed soon: as much of the dirty memory goes as they have added.  Not their own pages, but
 * the oldest; the others stay for those that are awake.
 */
static void purge_added(struct hs_heap *heap, const uint64_t *before)
{
	uint32_t n = hs_load_acquire(&heap->xn_arenas); /* [mo:arena-made acquire] */
	struct hs_waited waited = {0};

	for (uint32_t i = 0; i < n; i++) {
		uint64_t now = hs_load_relaxed(&heap->arenas[i]->row->dirty_bytes);

		if (now > before[i])
			hs_arena_purge(heap->arenas[i], (now - before[i]) >> HS_PAGE_SHIFT, &waited);
	}
}

void hs_idle_drain(uint64_t now_ns, bool all)
{
	struct hs_process *ps = &hs_process;
	int64_t decay_ms = ps->heap.conf.decay_ms;
	uint32_t n = hs_min(hs_load_relaxed(&ps->heap.xn_threads), LOOKS_PER_TICK), looks = 0;
	uint64_t idle_ns;
	uint64_t dirty[HS_ARENAS_MAX];

	if (decay_ms < 0 || !ps->own_files || ps->text.high == 0)
		return;
	idle_ns = all ? 0 : hs_min(IDLE_NS, (uint64_t)decay_ms * 1000000);
	while (looks < n) {
		uint32_t n_arenas = hs_load_acquire(&ps->heap.xn_arenas); /* [mo:arena-made acquire] */

		for (uint32_t i = 0; i < HS_ARENAS_MAX; i++)
			dirty[i] = i < n_arenas ? hs_load_relaxed(&ps->heap.arenas[i]->row->dirty_bytes) : UINT64_MAX;
		hs_lock_lock(&ps->tick_lock); /* no fork in between */
		hs_lock_lock(&ps->heap.threads_lock);
		looks += drain_some_locked(&ps->heap, now_ns, idle_ns) + 1;
		hs_lock_unlock(&ps->heap.threads_lock);
		purge_added(&ps->heap, dirty);
		hs_lock_unlock(&ps->tick_lock);
	}
}
