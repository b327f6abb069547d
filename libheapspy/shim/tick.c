/* SPDX-License-Identifier: MIT */
/*
 * What has to be done now and then: history, decay, commands, the list of modules, the segment itself.
 *
 * Slow paths bring a tick every so many spans or samples; in a multi-threaded program a helper thread
 * brings one each second, so that an idle service still gives its memory back and answers the viewer.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/rawio.h"
#include "os/sys.h"
#include "os/vm.h"
#include "shim/process.h"
#include "stat/events.h"
#include "stat/reap.h"

#define TICK_NS UINT64_C(100000000)
#define HISTORY_NS UINT64_C(1000000000)
#define HELPER_LEAST_MS 50
#define HELPER_STACK_BYTES ((size_t)128 << 10)

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOSE_RANGE_UNSHARE_FLAG 2u

static uint64_t do_purge(void *ctx)
{
	struct hs_waited waited = {0};
	uint64_t bytes;

	(void)ctx;
	bytes = hs_heap_comb(&hs_process.heap, hs_tls.own, hs_now_ns(), true);
	return bytes + hs_heap_decay(&hs_process.heap, 0, true, &waited);
}

static bool do_set_interval(void *ctx, uint64_t mean_bytes)
{
	(void)ctx;
	if (!hs_load_relaxed(&hs_process.profiling))
		return false;
	hs_sampler_set_interval(&hs_process.sampler, mean_bytes);
	hs_process.heap.rows.header->sample_interval_bytes = mean_bytes;
	return true;
}

static const struct hs_mailbox_ops mailbox_ops = {.purge = do_purge, .set_interval = do_set_interval};

static void remember(uint64_t now_ns)
{
	struct hs_process *ps = &hs_process;
	struct heapspy_history point;

	if (ps->history.last_ns != 0 && now_ns - ps->history.last_ns < HISTORY_NS)
		return;
	hs_heap_totals(&ps->heap, &point);
	point.ns = now_ns;
	point.realtime_ns = hs_now_realtime_ns();
	point.n_samples = ps->profiling ? hs_livetab_count(&ps->live) : 0;
	/* a descriptor for a moment is seen by nobody in a single thread, nor in the helper's own table */
	if (ps->own_files || hs_load_relaxed(&ps->heap.xn_threads) <= 1)
		point.rss_bytes = hs_history_read_rss();
	hs_history_tick(&ps->history, &ps->heap.rows, &point);
	ps->heap.rows.totals->n_mmaps = hs_load_relaxed(&hs_vm_n_calls);
}

static bool single_threaded(void)
{
	return hs_load_relaxed(&hs_process.heap.xn_threads) <= 1 && hs_load_relaxed(&hs_process.xhelper) == 0 &&
	       hs_load_relaxed(&hs_process.xmade_threads) == 0;
}

/* The work of one tick, by whoever holds tick_lock. */
static void tick_locked(uint64_t now_ns)
{
	struct hs_process *ps = &hs_process;
	struct hs_waited waited = {0};

	hs_promote_if_wanted(now_ns);
	remember(now_ns);
	hs_heap_comb(&ps->heap, hs_tls.own, now_ns, false);
	hs_heap_decay(&ps->heap, now_ns, false, &waited);
	hs_mailbox_serve(&ps->mailbox, &ps->heap.rows, &mailbox_ops, NULL);
}

static void run_tick(void)
{
	struct hs_process *ps = &hs_process;
	uint64_t now = hs_now_coarse_ns();

	if (now - hs_load_relaxed(&ps->xlast_tick_ns) < TICK_NS)
		return;
	hs_guard_begin(&hs_tls);
	if (hs_lock_lock_try(&ps->tick_lock)) {
		hs_store_relaxed(&ps->xlast_tick_ns, now);
		tick_locked(hs_now_ns());
		hs_lock_unlock(&ps->tick_lock);
	}
	hs_guard_end(&hs_tls);
}

/* ---- the helper thread ---- */

/*
 * A program ends when its last thread leaves by pthread_exit(), and that thread runs the exit handlers - but for glibc the
 * helper is a thread too, and one without descriptors.  So it leaves as soon as the first thread does
 * (hs_leader_leaves); this is for a first thread that the library never saw.  0: not alone, 1: alone, -1: /proc does
 * not tell.
 */
static int is_alone(void)
{
	char buf[512];
	const char *p;
	long n = hs_read_file("/proc/self/stat", buf, sizeof(buf));
	uint64_t n_threads;

	if (n <= 0 || (p = strrchr(buf, ')')) == NULL || p[1] != ' ')
		return -1;
	p += 2;
	if (*p != 'Z')
		return 0; /* the first thread lives, or the state is another */
	for (int field = 3; field < 20; field++)
		if ((p = strchr(p, ' ')) == NULL)
			return -1;
		else
			p++;
	/* the first thread stays as a zombie until all are gone */
	return hs_parse_u64(&p, &n_threads) && n_threads <= 2;
}

/* Longer than this nobody waits for the helper. */
#define DRAIN_WAIT_NS 300000000

void hs_drain_sleepers(void)
{
	const struct timespec a_while = {.tv_nsec = DRAIN_WAIT_NS};
	struct hs_process *ps = &hs_process;

	if (hs_load_relaxed(&ps->xhelper) != 2 || !ps->own_files)
		return;
	hs_store_relaxed(&ps->xdrain_wanted, 1);
	(void)hs_syscall3(SYS_futex, &ps->xleader_left, FUTEX_WAKE_PRIVATE, 1);
	(void)hs_syscall4(SYS_futex, &ps->xdrain_wanted, FUTEX_WAIT_PRIVATE, 1, &a_while);
}

static void drain_sleepers(void)
{
	uint32_t *wanted = &hs_process.xdrain_wanted;

	hs_idle_drain(hs_now_ns(), hs_load_relaxed(wanted) != 0);
	if (hs_load_relaxed(wanted) == 0)
		return;
	hs_store_relaxed(wanted, 0);
	(void)hs_syscall3(SYS_futex, wanted, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

/* A second, or less where memory is to go back sooner; false when the helper has to leave. */
static bool wait_for_tick(void)
{
	int64_t decay_ms = hs_process.heap.conf.decay_ms;
	struct timespec period = {.tv_sec = 1};

	if (decay_ms >= 0 && decay_ms < 1000)
		period = (struct timespec){.tv_nsec = hs_max(decay_ms / 4, HELPER_LEAST_MS) * 1000000};
	if (hs_load_relaxed(&hs_process.xdrain_wanted) == 0)
		(void)hs_syscall4(SYS_futex, &hs_process.xleader_left, FUTEX_WAIT_PRIVATE, 0, &period);
	return hs_load_relaxed(&hs_process.xleader_left) == 0 && is_alone() != 1;
}

void hs_leader_leaves(void)
{
	struct hs_process *ps = &hs_process;
	const struct timespec moment = {.tv_nsec = 100000};
	uint32_t tid;

	hs_store_relaxed(&ps->xleader_left, 1);
	if (hs_load_relaxed(&ps->xhelper) != 2)
		return;
	(void)hs_syscall3(SYS_futex, &ps->xleader_left, FUTEX_WAKE_PRIVATE, 1);
	/* until the kernel knows no such thread: only then has glibc ceased to count it */
	for (int i = 0; i < 1000; i++) {
		tid = hs_load_relaxed(&ps->helper_tid);
		if (tid != 0 && hs_syscall3(SYS_tgkill, hs_getpid(), tid, 0) == -ESRCH)
			break;
		(void)hs_syscall4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL);
	}
	hs_store_relaxed(&ps->xhelper, 3);
}

static void *helper_main(void *arg)
{
	struct hs_process *ps = &hs_process;

	(void)arg;
	hs_store_relaxed(&ps->helper_tid, hs_gettid());
	if (is_alone() < 0)
		return NULL; /* it could not tell when to leave */
	hs_tls.state = HS_GONE; /* it borrows, should libc ever allocate here */
	(void)hs_syscall2(SYS_prctl, PR_SET_NAME, "heapspy");
	/* a table of its own, empty: nothing that it opens is seen by the program, nothing of the program stays open */
	ps->own_files = hs_syscall3(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE_FLAG) == 0;
	ps->heap.rows.header->helper_tid = hs_gettid();
	hs_events_add(&ps->heap.rows, HEAPSPY_EV_HELPER, hs_gettid(), 0, 0);
	while (wait_for_tick()) {
		run_tick();
		drain_sleepers();
		if (ps->own_files)
			hs_modules_refresh(&ps->modules);
	}
	ps->heap.rows.header->helper_tid = 0;
	return NULL;
}

/*
 * Called while the program itself is inside pthread_create(), before that takes any lock (see hs_calloc_hint), or from
 * the constructor.  Elsewhere it would be a deadlock waiting to happen: malloc is called with the loader's locks held,
 * and pthread_create() wants one of them.
 */
void hs_start_helper(void)
{
	struct hs_process *ps = &hs_process;
	uint32_t none = 0;
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int saved = errno;
	bool made;

	if (ps->options.helper == HS_HELPER_OFF || !hs_cas_relaxed(&ps->xhelper, &none, 1))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	made = pthread_attr_setstacksize(&attr, HELPER_STACK_BYTES) == 0 &&
	       pthread_create(&thread, &attr, helper_main, NULL) == 0;
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	hs_store_relaxed(&ps->xhelper, made ? 2u : 3u);
	errno = saved;
}

void hs_tick(struct hs_tls *tls)
{
	if (tls->ticking || tls->depth != 0 || !hs_process.started)
		return;
	tls->ticking = true;
	if (tls->own != NULL)
		tls->own->row->active_ns = hs_now_coarse_ns();
	run_tick();
	if (single_threaded())
		hs_modules_refresh(&hs_process.modules);
	tls->ticking = false;
}

/* ---- the segment ---- */

static struct hs_segment_conf segment_conf(void)
{
	const struct hs_process *ps = &hs_process;

	return (struct hs_segment_conf){
		.dir = ps->options.dir,
		.policy = "default",
		.sample_interval_bytes = hs_sampler_interval(&ps->sampler),
		.decay_ms = ps->options.decay_ms,
		.page_bytes = HS_PAGE_BYTES,
		.n_arenas = ps->heap.conf.n_arenas,
		.thp = (uint32_t)ps->options.thp,
		.helper = (uint32_t)ps->options.helper,
		.control = ps->options.control != 0,
	};
}

void hs_sweep(void)
{
	struct hs_segment_conf conf = segment_conf();

	hs_segment_sweep(&hs_process.segment, &conf);
}

void hs_promote(void)
{
	struct hs_process *ps = &hs_process;
	struct hs_segment_conf conf = segment_conf();

	if (!ps->started || ps->heap.rows.shared || ps->segment.refused)
		return;
	if (hs_segment_promote(&ps->segment, &ps->heap.rows, &conf))
		hs_reap(conf.dir, ps->heap.rows.header, ps->heap.rows.header->parent_pid, HS_REAP_KEEP);
}

void hs_promote_if_wanted(uint64_t now_ns)
{
	struct hs_process *ps = &hs_process;
	struct hs_tcache *mine = hs_tls.own;
	uint64_t allocated = mine != NULL ? mine->row->allocated_bytes : UINT64_MAX;

	if (ps->started && hs_segment_want(&ps->segment, &ps->heap.rows, allocated, now_ns))
		hs_promote_alone(mine != NULL ? 1 : 0);
}

void hs_promote_alone(uint32_t n_threads)
{
	struct hs_process *ps = &hs_process;
	bool guarded = hs_tls.depth != 0;

	if (!guarded)
		hs_guard_begin(&hs_tls);
	/* a new thread registers under threads_lock: none can begin to write rows while we copy them */
	hs_lock_lock(&ps->heap.threads_lock);
	if (hs_load_relaxed(&ps->heap.xn_threads) <= n_threads)
		hs_promote();
	hs_lock_unlock(&ps->heap.threads_lock);
	if (!guarded)
		hs_guard_end(&hs_tls);
}
