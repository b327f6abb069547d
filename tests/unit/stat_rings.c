/* SPDX-License-Identifier: MIT */
/* history, events and mailbox - with a clock of the test's own, over simulated weeks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "stat/events.h"
#include "stat/history.h"
#include "stat/mailbox.h"

#define N_CLASSES 40
#define SECOND UINT64_C(1000000000)

static struct hs_rows rows;
static struct hs_history_state history;

static int setup(void **state)
{
	hs_history_init(&history);
	return hs_rows_init(&rows, N_CLASSES) ? 0 : -1;
}

static int teardown(void **state)
{
	hs_rows_done(&rows);
	return 0;
}

static uint64_t count(uint32_t id)
{
	return rows.header->tables[id - 1].count;
}

static const struct heapspy_history *newest(unsigned r)
{
	uint64_t n = count(HEAPSPY_T_HISTORY_1S + r);

	return &rows.history[r][(n - 1) % rows.tables[HEAPSPY_T_HISTORY_1S - 1 + r].capacity];
}

static void tick(uint64_t ns, uint64_t live)
{
	struct heapspy_history now;

	memset(&now, 0, sizeof(now));
	now.seq = 0x77; /* ignored */
	now.ns = ns;
	now.realtime_ns = ns + 1000 * SECOND;
	now.live_bytes = live;
	now.rss_bytes = live * 2;
	now.live_min_bytes = 1; /* ignored */
	hs_history_tick(&history, &rows, &now);
}

static void test_points(void **state)
{
	tick(10 * SECOND, 500);
	for (unsigned r = 0; r < 3; r++) {
		assert_int_equal(count(HEAPSPY_T_HISTORY_1S + r), 1);
		assert_int_equal(newest(r)->live_min_bytes, 500);
		assert_int_equal(newest(r)->seq, 2);
	}
	tick(10 * SECOND + 1, 100); /* same second: counts for the least only */
	assert_int_equal(count(HEAPSPY_T_HISTORY_1S), 1);
	tick(11 * SECOND, 300);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1S), 2);
	assert_int_equal(newest(0)->live_bytes, 300);
	assert_int_equal(newest(0)->live_min_bytes, 100);
	assert_int_equal(newest(0)->rss_bytes, 600);
	tick(12 * SECOND, 300);
	assert_int_equal(newest(0)->live_min_bytes, 300);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1M), 1);
	tick(60 * SECOND, 400);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1M), 2);
	assert_int_equal(newest(1)->live_min_bytes, 100);
	assert_int_equal(rows.header->heartbeat_ns, 60 * SECOND);
	assert_int_equal(rows.header->heartbeat_realtime_ns, 1060 * SECOND);
	assert_int_equal(rows.totals->segment_bytes, hs_rows_present_bytes(&rows));
	tick(59 * SECOND, 1); /* backwards: ignored */
	tick(60 * SECOND, 1);
	assert_int_equal(rows.header->heartbeat_ns, 60 * SECOND);
	assert_int_equal(newest(0)->live_bytes, 400);
}

static void test_weeks(void **state)
{
	const uint64_t weeks = 5;
	const uint64_t seconds = weeks * 7 * 86400;
	uint64_t start = 3600 * 1000 * SECOND;

	for (uint64_t s = 0; s < seconds; s++)
		tick(start + s * SECOND, 1000 + s % 3600);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1S), seconds);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1M), seconds / 60);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1H), seconds / 3600);
	assert_int_equal(count(HEAPSPY_T_EVENTS), 0); /* no gap anywhere */
	for (unsigned r = 0; r < 3; r++) {
		uint64_t n = count(HEAPSPY_T_HISTORY_1S + r);
		uint64_t capacity = rows.tables[HEAPSPY_T_HISTORY_1S - 1 + r].capacity;
		uint64_t step[] = {SECOND, 60 * SECOND, 3600 * SECOND};

		assert_true(n > capacity);
		for (uint64_t i = n - capacity + 1; i < n; i++) {
			const struct heapspy_history *a = &rows.history[r][(i - 1) % capacity];
			const struct heapspy_history *b = &rows.history[r][i % capacity];

			assert_int_equal(b->ns - a->ns, step[r]);
			assert_int_equal(b->seq % 2, 0);
			assert_int_equal(b->seq, 2 * (i / capacity) + 2);
			assert_true(b->live_min_bytes <= b->live_bytes);
		}
	}
	/* each hour's point came with its first tick: the least of the hour before was 1000 + 1 */
	assert_int_equal(newest(2)->live_min_bytes, 1000);
}

static void test_gaps(void **state)
{
	const struct heapspy_event *e = rows.events;

	tick(5 * SECOND, 1);
	tick(15 * SECOND, 1); /* exactly ten: none */
	assert_int_equal(count(HEAPSPY_T_EVENTS), 0);
	tick(16 * SECOND, 1);
	tick(86416 * SECOND, 1);
	assert_int_equal(count(HEAPSPY_T_EVENTS), 1);
	assert_int_equal(e->kind, HEAPSPY_EV_TICK_GAP);
	assert_int_equal(e->a, 86400 * SECOND);
	assert_int_equal(e->seq, 2);
	/* one point after the gap, nothing invented for it */
	assert_int_equal(count(HEAPSPY_T_HISTORY_1M), 2);
	assert_int_equal(count(HEAPSPY_T_HISTORY_1S), 4);
}

/* No room for the ring's next page: it wraps where the directory says. */
static void test_short_ring(void **state)
{
	const uint32_t id = HEAPSPY_T_HISTORY_1S;
	uint64_t rows_a_page = 4096 / sizeof(struct heapspy_history);

	for (uint64_t s = 1; s <= rows_a_page; s++)
		tick(s * SECOND, s);
	rows.tables[id - 1].private_pages = true;
	rows.header->tables[id - 1].capacity = rows_a_page;
	tick((rows_a_page + 1) * SECOND, 4711);
	assert_int_equal(rows.history[0][0].live_bytes, 4711);
	assert_int_equal(count(id), rows_a_page + 1);
	rows.header->tables[id - 1].capacity = UINT64_MAX; /* a scribbler: no harm */
	tick((rows_a_page + 2) * SECOND, 4712);
	rows.header->tables[id - 1].capacity = 0;
	tick((rows_a_page + 3) * SECOND, 4713);
	assert_int_equal(rows.history[0][0].live_bytes, 4713);
}

static void test_rss(void **state)
{
	uint64_t rss = hs_history_read_rss();

	assert_true(rss > (UINT64_C(100) << 10) && rss % (uint64_t)getpagesize() == 0);
}

#define N_WRITERS 4
#define N_EACH 20000

static void *write_events(void *arg)
{
	uint64_t who = (uintptr_t)arg;

	for (uint64_t i = 0; i < N_EACH; i++)
		hs_events_add(&rows, HEAPSPY_EV_PURGE, who, i, who * 1000003 + i);
	return NULL;
}

static void test_events(void **state)
{
	uint64_t capacity = rows.tables[HEAPSPY_T_EVENTS - 1].capacity;
	pthread_t threads[N_WRITERS];
	uint64_t n_good = 0;

	for (uintptr_t i = 0; i < N_WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_events, (void *)(i + 1)), 0);
	/* a reader as heaptop does it: what it believes is whole */
	while (hs_load_relaxed(&rows.header->tables[HEAPSPY_T_EVENTS - 1].count) < N_WRITERS * N_EACH)
		for (uint64_t i = 0; i < capacity; i++) {
			struct heapspy_event *e = &rows.events[i];
			uint64_t seq = hs_load_acquire(&e->seq); /* [mo:row-seq acquire] as a reader does */
			uint64_t a = hs_load_relaxed(&e->a), b = hs_load_relaxed(&e->b), c = hs_load_relaxed(&e->c);

			__atomic_thread_fence(__ATOMIC_ACQUIRE); /* [mo:row-seq acquire] */
			if (seq == 0 || seq % 2 == 1 || hs_load_relaxed(&e->seq) != seq)
				continue;
			assert_true(c == a * 1000003 + b);
			n_good++;
		}
	for (unsigned i = 0; i < N_WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(n_good > 0);
	assert_int_equal(count(HEAPSPY_T_EVENTS), N_WRITERS * N_EACH);
	for (uint64_t i = 0; i < capacity; i++) {
		assert_int_equal(rows.events[i].seq % 2, 0);
		/* a writer that was overtaken gave its event up, the row is whole all the same */
		assert_int_equal(rows.events[i].kind, HEAPSPY_EV_PURGE);
		assert_true(rows.events[i].c == rows.events[i].a * 1000003 + rows.events[i].b);
	}
}

static unsigned n_purges;
static uint64_t mean;

static uint64_t do_purge(void *ctx)
{
	assert_ptr_equal(ctx, &n_purges);
	n_purges++;
	return 4096 * n_purges;
}

static bool do_interval(void *ctx, uint64_t bytes)
{
	mean = bytes;
	return bytes != 13;
}

static void post(unsigned i, uint32_t command, uint64_t argument)
{
	rows.mailbox[i].command = command;
	rows.mailbox[i].argument = argument;
	hs_store_release(&rows.mailbox[i].xstate, HEAPSPY_MAIL_POSTED); /* [mo:mail-post release] the viewer's side */
}

static void test_mailbox(void **state)
{
	const struct hs_mailbox_ops ops = {.purge = do_purge, .set_interval = do_interval};
	struct heapspy_mail *m = rows.mailbox;
	struct hs_mailbox box = {true};

	n_purges = 0;
	/* before the page is there */
	assert_int_equal(hs_mailbox_serve(&box, &rows, &ops, &n_purges), 0);
	assert_true(hs_mailbox_init(&box, &rows, true));
	assert_int_equal(count(HEAPSPY_T_MAILBOX), 8);
	assert_int_equal(hs_mailbox_serve(&box, &rows, &ops, &n_purges), 0);
	post(0, HEAPSPY_CMD_PURGE, 0);
	post(1, HEAPSPY_CMD_INTERVAL, 65536);
	post(2, HEAPSPY_CMD_INTERVAL, UINT64_MAX);
	post(3, HEAPSPY_CMD_INTERVAL, 13);
	post(4, HEAPSPY_CMD_DRAIN, 0);	  /* no such operation here */
	post(5, HEAPSPY_CMD_PURGE, 1);	  /* a bad argument */
	post(6, 4711, 0);
	post(7, HEAPSPY_CMD_PURGE, 0);
	assert_int_equal(hs_mailbox_serve(&box, &rows, &ops, &n_purges), 8);
	assert_int_equal(n_purges, 2);
	assert_int_equal(m[0].xstate, HEAPSPY_MAIL_DONE);
	assert_int_equal(m[0].result, 4096);
	assert_true(m[0].done_ns != 0);
	assert_int_equal(m[1].xstate, HEAPSPY_MAIL_DONE);
	assert_int_equal(m[1].result, 65536);
	for (unsigned i = 2; i <= 6; i++) {
		assert_int_equal(m[i].xstate, HEAPSPY_MAIL_REFUSED);
		assert_int_equal(m[i].result, 0);
	}
	assert_int_equal(m[7].result, 8192);
	assert_int_equal(count(HEAPSPY_T_EVENTS), 8);
	assert_int_equal(rows.events[1].kind, HEAPSPY_EV_COMMAND);
	assert_int_equal(rows.events[1].a, HEAPSPY_CMD_INTERVAL);
	assert_int_equal(rows.events[1].b, 65536);
	assert_true(rows.events[2].c == UINT64_MAX);
	/* nothing twice, and no state but POSTED counts */
	m[0].xstate = 99;
	m[1].xstate = HEAPSPY_MAIL_RUNNING;
	assert_int_equal(hs_mailbox_serve(&box, &rows, &ops, &n_purges), 0);
}

static void test_control_off(void **state)
{
	const struct hs_mailbox_ops ops = {.purge = do_purge};
	struct hs_mailbox box;

	n_purges = 0;
	assert_true(hs_mailbox_init(&box, &rows, false));
	post(3, HEAPSPY_CMD_PURGE, 0);
	assert_int_equal(hs_mailbox_serve(&box, &rows, &ops, &n_purges), 1);
	assert_int_equal(n_purges, 0);
	assert_int_equal(rows.mailbox[3].xstate, HEAPSPY_MAIL_REFUSED);
	assert_int_equal(count(HEAPSPY_T_EVENTS), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_points), T(test_weeks),	T(test_gaps),	 T(test_short_ring),
		T(test_rss),	T(test_events), T(test_mailbox), T(test_control_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
