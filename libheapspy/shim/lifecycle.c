/* SPDX-License-Identifier: MIT */
/*
 * lifecycle.c - start, threads, fork, exit.
 *
 * The heap starts with the first malloc, which may come before our constructor; it then runs with the defaults
 * that need no environment.  The constructor reads the options, makes the sampler's tables and registers
 * the fork handlers - as the first in the process, so that our prepare runs last and our child first, and
 * other handlers may allocate.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <heapspy/heapspy.h>

#include "base/rawio.h"
#include "os/sys.h"
#include "os/vm.h"
#include "shim/family.h"
#include "shim/info.h"
#include "shim/process.h"
#include "stat/events.h"
#include "stat/reap.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* glibc runs key destructors in up to four rounds; ours waits until the last but one, so that others may free. */
#define EXIT_ROUNDS 2u

struct hs_process hs_process;

/* Our own ELF header, from the linker. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static uint32_t count_cpus(void)
{
	uint64_t mask[16] = {0};
	long bytes = hs_syscall3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
	uint32_t n = 0;

	for (long i = 0; i < bytes / 8; i++)
		n += (uint32_t)__builtin_popcountll(mask[i]);
	return n > 0 ? n : 1;
}

static struct hs_heap_conf heap_conf(void)
{
	const struct hs_options *o = &hs_process.options;
	uint32_t n = o->arenas != 0 ? (uint32_t)o->arenas : count_cpus();

	return (struct hs_heap_conf){
		.n_arenas = n < HS_ARENAS_MAX ? n : HS_ARENAS_MAX,
		.decay_ms = o->decay_ms,
		.thp = (int)o->thp,
	};
}

/* ---- corruption ---- */

/* The block whose inside `p` points to, for the message only: rows are not trusted for anything else. */
static uint64_t block_around(const void *p)
{
	const struct hs_rows *rows = &hs_process.heap.rows;
	uint64_t a = (uint64_t)(uintptr_t)p, n = rows->header->tables[HEAPSPY_T_SPANS - 1].count;

	for (uint64_t i = 0; i < n && i < rows->tables[HEAPSPY_T_SPANS - 1].capacity; i++)
		if (rows->spans[i].state > HEAPSPY_SPAN_SMALL && a - rows->spans[i].base < rows->spans[i].bytes)
			return rows->spans[i].bytes;
	return 0;
}

static void report_corruption(enum hs_corruption what, const void *p, const struct hs_span *span)
{
	static const char *const text[] = {"double free of", "free of a pointer that is not the start of a live block:",
					   "corrupted free list (write after free or overflow) at"};
	struct hs_live live = {0};
	char where[64] = "";
	bool sampled = hs_process.profiling && hs_livetab_find(&hs_process.live, (uintptr_t)p, &live);
	uint64_t around = span == NULL ? block_around(p) : 0;

	if (around != 0)
		hs_format(where, sizeof(where), "inside a block of %lu bytes, ", around);
	else if (span != NULL && span->state == HS_SPAN_SMALL)
		hs_format(where, sizeof(where), "size class %u, ", span->slot_bytes);
	else if (span != NULL && span->state > HS_SPAN_SMALL)
		hs_format(where, sizeof(where), "inside a block of %zu bytes, ", hs_span_bytes(span));
	else
		hs_format(where, sizeof(where), "not in the heap, ");
	hs_events_add(&hs_process.heap.rows, HEAPSPY_EV_CORRUPTION, (uint64_t)(uintptr_t)p, what, 0);
	if (hs_process.options.on_corruption == HS_CORRUPTION_WARN) {
		hs_warn("%s %p (%spid %u tid %u); ignored", text[what], p, where, hs_getpid(), hs_gettid());
		return;
	}
	if (sampled && live.size_bytes != 0)
		hs_fatal("%s %p (%spid %u tid %u); allocated at site %u, %lu bytes", text[what], p, where, hs_getpid(),
			 hs_gettid(), live.site, live.size_bytes);
	hs_fatal("%s %p (%spid %u tid %u)", text[what], p, where, hs_getpid(), hs_gettid());
}

/* ---- start ---- */

static uint32_t *make_alive_page(void)
{
	uint32_t *page = hs_vm_map(hs_vm_page_bytes(), 4096);

	if (page == NULL)
		return NULL;
	if (hs_syscall3(SYS_madvise, page, hs_vm_page_bytes(), MADV_WIPEONFORK) != 0) {
		hs_vm_unmap(page, hs_vm_page_bytes()); /* before 4.14: raw clones go unnoticed */
		return NULL;
	}
	*page = 1;
	return page;
}

bool hs_process_init(void)
{
	struct hs_process *ps = &hs_process;
	static uint32_t xstarting;
	uint32_t free_state = 0;
	struct hs_heap_conf conf;

	/* [mo:heap-ready acquire] the heap is complete */
	if (hs_load_acquire(&ps->xready) != 0)
		return ps->xready == 1;
	while (!hs_cas_acquire(&xstarting, &free_state, 1)) { /* [mo:heap-starting acquire] */
		free_state = 0;
		hs_cpu_relax();
	}
	if (ps->xready == 0) {
		bool ok;

		hs_options_parse(&ps->options, NULL);
		conf = heap_conf();
		ps->brk_start = (uintptr_t)hs_syscall1(SYS_brk, 0);
		hs_on_corruption = report_corruption;
		ok = hs_heap_init(&ps->heap, &conf);
		if (ok) {
			hs_meta_init(&ps->prof_meta, NULL, &ps->heap.rows.totals->profiler_bytes);
			hs_lock_init(&ps->tick_lock, HS_RANK_SEGMENT, NULL);
			hs_segment_init(&ps->segment, &ps->heap.rows);
			hs_history_init(&ps->history);
			ps->alive = make_alive_page();
		}
		/* [mo:heap-ready release] */
		hs_store_release(&ps->xready, ok ? 1u : 2u);
	}
	hs_store_release(&xstarting, 0); /* [mo:heap-starting release] */
	return ps->xready == 1;
}

/* ---- threads ---- */

static void thread_exit(void *arg)
{
	struct hs_tls *tls = &hs_tls;
	struct hs_tcache *own = tls->own;

	(void)arg;
	if (++tls->exit_rounds < EXIT_ROUNDS && pthread_setspecific(hs_process.key, tls) == 0)
		return;
	if ((own != NULL ? own->tid : hs_gettid()) == hs_getpid())
		hs_leader_leaves();
	if (own == NULL)
		return;
	/* from here on this thread borrows: later frees (glibc frees its TLS last) still work */
	hs_guard_begin(tls);
	tls->state = HS_GONE;
	hs_publish_allocated(tls, own);
	tls->own = NULL;
	hs_heap_detach(&hs_process.heap, own);
	hs_guard_end(tls);
}

void hs_thread_started(struct hs_tls *tls)
{
	struct hs_process *ps = &hs_process;
	uint32_t tid = hs_gettid();

	tls->state = HS_ATTACHED;
	/* the last moment at which the rows have one writer, if the calloc hint has not been seen (cached stacks) */
	if (ps->started && !ps->heap.rows.shared && !ps->segment.refused &&
	    hs_load_relaxed(&ps->heap.xn_threads) == 1)
		hs_promote_alone(1);
	hs_guard_begin(tls);
	tls->own = hs_heap_attach(&ps->heap, tid);
	if (tls->own != NULL) {
		tls->own->thread = tls;
		hs_tcache_set_direct(tls->own, tls->direct);
	}
	hs_guard_end(tls);
	if (tls->own == NULL) {
		tls->state = HS_GONE;
		return;
	}
	(void)hs_syscall2(SYS_prctl, PR_GET_NAME, tls->own->row->name);
	tls->looked_ns = tls->aged_ns = hs_now_coarse_ns();
	hs_sampler_thread_init(&tls->sampler, hs_now_ns() ^ ((uint64_t)tid << 32) ^ (uintptr_t)tls);
	hs_profile_arm(tls);
	/* below 32 keys this allocates nothing; above, the call comes back here with the cache in place */
	if (ps->key_made)
		(void)pthread_setspecific(ps->key, tls);
}

/* Addresses that the object whose ELF header is in memory at `base` has from there on. */
static void object_range(const void *base, uint32_t flags, struct hs_range *ret)
{
	const ElfW(Ehdr) *elf = base;
	const ElfW(Phdr) *ph = (const void *)((const char *)base + elf->e_phoff);

	*ret = (struct hs_range){UINTPTR_MAX, 0};
	for (unsigned i = 0; i < elf->e_phnum; i++) {
		uintptr_t start = (uintptr_t)base + ph[i].p_vaddr;

		if (ph[i].p_type != PT_LOAD || (ph[i].p_flags & flags) != flags)
			continue;
		if (start < ret->low)
			ret->low = start;
		if (start + ph[i].p_memsz > ret->high)
			ret->high = start + ph[i].p_memsz;
	}
}

/*
 * glibc's pthread_create() callocs the vector of thread-local blocks before it takes a lock or makes the thread.  So
 * this is the last moment at which the rows have one writer, and one at which a thread may be made.
 */
void hs_calloc_hint(const void *caller)
{
	struct hs_process *ps = &hs_process;

	if (!ps->started || hs_tls.depth != 0 || (uintptr_t)caller - ps->loader.low >= ps->loader.high - ps->loader.low)
		return;
	hs_store_relaxed(&ps->xmade_threads, 1);
	hs_promote_alone(1);
	hs_start_helper();
}

/* ---- fork ---- */

static struct {
	bool sites, waits;
	uint64_t live;
} fork_state; /* of the fork under way: tick_lock admits one */

static void fork_prepare(void)
{
	struct hs_process *ps = &hs_process;

	if (ps->xready != 1)
		return;
	/* from a signal handler that interrupted a slow path, which may hold any lock */
	hs_tls.fork_unprepared = hs_tls.depth != 0 || hs_tls.ticking || hs_tls.walking;
	if (hs_tls.fork_unprepared)
		return;
	/* a handler of somebody else that runs between ours and allocates must not meet our locks */
	hs_guard_begin(&hs_tls);
	hs_lock_lock(&ps->tick_lock);
	hs_lock_lock(&ps->heap.threads_lock);
	hs_heap_fork_prepare(&ps->heap);
	if (ps->profiling) {
		fork_state.sites = hs_sitetab_fork_prepare(&ps->sites);
		fork_state.live = hs_livetab_fork_prepare(&ps->live);
		fork_state.waits = hs_waittab_fork_prepare(&ps->waits);
	}
	hs_heap_fork_prepare_meta(&ps->heap);
	hs_lock_lock(&ps->prof_meta.lock);
}

static void fork_parent(void)
{
	struct hs_process *ps = &hs_process;

	if (ps->xready != 1 || hs_tls.fork_unprepared)
		return;
	hs_lock_unlock(&ps->prof_meta.lock);
	hs_heap_fork_parent(&ps->heap);
	if (ps->profiling) {
		hs_waittab_fork_parent(&ps->waits, fork_state.waits);
		hs_livetab_fork_parent(&ps->live, fork_state.live);
		hs_sitetab_fork_parent(&ps->sites, fork_state.sites);
	}
	hs_bump(&ps->heap.rows.totals->n_forks, 1);
	hs_lock_unlock(&ps->heap.threads_lock);
	hs_lock_unlock(&ps->tick_lock);
	hs_guard_end(&hs_tls);
}

/* The figures of the child, whichever way it was made: rows of its own, no helper, counters from the parent's. */
static void begin_child(void)
{
	struct hs_process *ps = &hs_process;
	uint32_t parent = ps->heap.rows.header->pid;

	if (!hs_segment_detach_child(&ps->segment, &ps->heap.rows))
		return;
	ps->heap.rows.header->helper_tid = 0;
	hs_store_relaxed(&ps->xhelper, 0);
	hs_store_relaxed(&ps->xleader_left, 0);
	ps->helper_tid = 0;
	if (ps->key_made)
		(void)pthread_setspecific(ps->key, &hs_tls); /* the forking thread is the child's first */
	hs_store_relaxed(&ps->xmade_threads, 0);
	ps->own_files = 0;
	hs_history_init(&ps->history);
	hs_mailbox_init(&ps->mailbox, &ps->heap.rows, ps->options.control != 0);
	if (ps->alive != NULL)
		*ps->alive = 1;
	hs_events_add(&ps->heap.rows, HEAPSPY_EV_FORK, parent, 0, 0);
}

static void mend_child(bool prepared)
{
	struct hs_process *ps = &hs_process;
	bool was_main = hs_tls.own != NULL && hs_tls.own->row->tid == ps->main_tid;

	if (prepared)
		hs_lock_unlock(&ps->prof_meta.lock);
	else
		hs_lock_init_child(&ps->prof_meta.lock);
	begin_child();
	/* before the heap, which takes locks of arenas again and must not hold these then */
	if (ps->profiling) {
		hs_waittab_fork_child(&ps->waits, fork_state.waits);
		hs_livetab_fork_child(&ps->live, fork_state.live);
		hs_sitetab_fork_child(&ps->sites, fork_state.sites);
	}
	hs_heap_fork_child(&ps->heap, hs_tls.own, prepared);
	if (prepared) {
		hs_lock_unlock(&ps->heap.threads_lock);
		hs_lock_unlock(&ps->tick_lock);
	} else {
		hs_lock_init_child(&ps->heap.threads_lock);
		hs_lock_init_child(&ps->tick_lock);
	}
	hs_tls.walking = hs_tls.ticking = false;
	/* the child's only thread may run on any stack, under a new id */
	hs_tls.bounds = (struct hs_stack_bounds){0};
	ps->main_tid = was_main ? hs_gettid() : 0;
	if (prepared)
		hs_guard_end(&hs_tls);
}

HS_COLD void hs_process_cloned(void)
{
	/* nobody took the locks for us: whoever held one does not exist here */
	hs_lock_forget_held();
	fork_state.sites = fork_state.waits = true;
	fork_state.live = UINT64_MAX;
	mend_child(false);
}

static void fork_child(void)
{
	if (hs_process.xready != 1)
		return;
	if (hs_tls.fork_unprepared)
		hs_process_cloned();
	else
		mend_child(true);
}

/* ---- constructor and destructor ---- */

static void read_options(char **env)
{
	struct hs_process *ps = &hs_process;
	struct hs_options options;
	struct hs_heap_conf conf;

	hs_options_parse(&options, hs_options_find_env(env));
	ps->options = options;
	conf = heap_conf();
	hs_heap_configure(&ps->heap, &conf);
}

__attribute__((constructor(101))) static void start(int argc, char **argv, char **env)
{
	struct hs_process *ps = &hs_process;
	(void)argc;
	(void)argv;
	hs_rawio_init();
	if (!hs_process_init()) {
		hs_warn("no memory for the heap; malloc will fail");
		return;
	}
	read_options(env);
	/* only the loader allocates vectors of thread-local blocks */
	if (getauxval(AT_BASE) != 0)
		object_range((const void *)getauxval(AT_BASE), 0, &ps->loader);
	object_range(__ehdr_start, PF_X, &ps->text);
	ps->main_tid = hs_gettid();
	ps->main_stack_high = hs_align_down((uintptr_t)env, sizeof(void *));
	if (pthread_key_create(&ps->key, thread_exit) == 0) {
		ps->key_made = 1;
		(void)pthread_setspecific(ps->key, &hs_tls);
	}
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	if (ps->options.sample != 0) {
		hs_modules_init(&ps->modules, &ps->heap.rows, &ps->prof_meta);
		hs_profile_init();
		hs_modules_refresh(&ps->modules);
		/* a stack begins with the function that called malloc */
		hs_unwind_init(&ps->modules, ps->text.low, ps->text.high);
	}
	hs_mailbox_init(&ps->mailbox, &ps->heap.rows, ps->options.control != 0);
	hs_events_add(&ps->heap.rows, HEAPSPY_EV_START, 0, 0, 0);
	if (hs_tls.own != NULL)
		hs_profile_arm(&hs_tls);
	ps->started = 1;
	if (ps->options.helper == HS_HELPER_ON)
		hs_start_helper();
	/* an exec has left the file of the image before */
	hs_sweep();
}

HS_EXPORT const char *heapspy_version(void)
{
	return HEAPSPY_VERSION_STRING;
}

__attribute__((destructor(101))) static void finish(void)
{
	struct hs_process *ps = &hs_process;

	if (ps->xready != 1)
		return;
	if (ps->options.stats_print)
		hs_info_print();
	if (ps->options.keep && hs_load_relaxed(&ps->heap.xn_threads) <= 1)
		hs_promote(); /* it ended before it was worth a file, but its user wants one */
	/* children that ended by _exit; a process that had none pays nothing */
	if (ps->heap.rows.totals->n_forks != 0 && ps->heap.rows.shared && !ps->options.keep)
		hs_reap(ps->options.dir, ps->heap.rows.header, ps->heap.rows.header->pid, 0);
	hs_segment_retire(&ps->segment, &ps->heap.rows, ps->options.keep != 0);
}
