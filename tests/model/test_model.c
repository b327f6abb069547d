/* SPDX-License-Identifier: MIT */
/* Figures of a known population: exact ones to the byte, estimates by their formulas. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/build.h"
#include "place.h"

static struct synth s;
static struct ht_snap snap;
static struct ht_model m;

static int setup(void **state)
{
	synth_init(&s);
	synth_heap(&s, 2);
	synth_threads(&s, "worker", 2);
	synth_sites(&s, 3, 4);
	s.header.sample_interval_bytes = 0; /* the tests add their own samples */
	memset(&snap, 0, sizeof(snap));
	memset(&m, 0, sizeof(m));
	return 0;
}

static int teardown(void **state)
{
	ht_model_done(&m);
	ht_snap_done(&snap);
	synth_done(&s);
	return 0;
}

static void build_with(const struct ht_proc *proc, const struct ht_resident *resident)
{
	struct ht_err err;
	struct place p;
	int fd;

	place_init(&p);
	assert_int_equal(synth_write(&s, place_file(&p, "seg")), 0);
	fd = open(p.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(ht_snap_take(&snap, (struct ht_segment_at){ .fd = fd }, "", &err), 0);
	close(fd);
	place_done(&p);
	struct ht_build in = { .snap = &snap, .proc = proc, .resident = resident, .state = HT_DEAD, .pid = 1 };
	ht_model_build(&m, &in);
}

static struct heapspy_span *span(unsigned klass, uint32_t used, uint32_t extended, uint32_t owner)
{
	struct synth_span d = { .klass = klass, .fill = 0 };
	uint32_t row = synth_span(&s, &d);
	struct heapspy_span *x = synth_at(&s, HEAPSPY_T_SPANS, row);

	x->used = used | (owner ? HEAPSPY_USED_BIAS : 0);
	x->extended = extended;
	x->owner = owner;
	return x;
}

static struct heapspy_sample *sample(uint32_t span_row, uint32_t site, uint64_t size, uint64_t usable,
				     uint64_t interval)
{
	struct heapspy_sample *x = synth_row(&s, HEAPSPY_T_SAMPLES);
	const struct heapspy_span *sp = synth_at(&s, HEAPSPY_T_SPANS, span_row);

	x->address = sp->base;
	x->size_bytes = size;
	x->usable_bytes = usable;
	x->interval_bytes = interval;
	x->span = span_row;
	x->site = site;
	x->birth_ns = s.header.heartbeat_ns - 1000;
	return x;
}

static void counts_spans_exactly(void **state)
{
	unsigned k64 = synth_class_of(&s, 64), k96 = synth_class_of(&s, 96);

	span(k64, 10, 30, 0)->xpending = 3; /* 7 live, 20 + 3 free */
	span(k64, 5, 12, 1);		    /* active: 5 live, 7 cached */
	span(k96, 8, 8, 2)->xpending = 1;   /* and two in a ring: 5 live, 3 cached */
	span(k64, 4, 10, 1)->used = 4; /* owned, not active: 4 live, 6 free */
	struct heapspy_thread *t = synth_at(&s, HEAPSPY_T_THREADS, 1);
	t->ring[3] = (struct heapspy_ring){ .span = 2, .n = 2 };
	t->ring[4] = (struct heapspy_ring){ .span = 99999, .n = 7 }; /* of no span */
	synth_large(&s, 1, 1 << 20, 1 << 20, 99);
	build_with(NULL, NULL);

	assert_int_equal(m.live_objects, 7 + 5 + 5 + 4 + 1);
	assert_int_equal(m.live_bytes, 16 * 64 + 5 * 96 + (1 << 20));
	assert_int_equal(m.span_free_bytes, 23 * 64 + 6 * 64);
	assert_int_equal(m.thread_cache_bytes, 7 * 64 + 3 * 96);
	assert_int_equal(m.classes[k64].live_objects, 16);
	assert_int_equal(m.classes[k64].free_slots, 36);
	assert_int_equal(m.classes[k64].cached_slots, 7);
	assert_int_equal(m.classes[k64].spans, 3);
	assert_int_equal(m.classes[k64].nonfull_spans, 3);
	assert_int_equal(m.classes[m.n_classes - 1].size_bytes, 0);
	assert_int_equal(m.classes[m.n_classes - 1].live_bytes, 1 << 20);
	assert_int_equal(m.threads[0].cached_bytes, 7 * 64);
	assert_int_equal(m.threads[1].cached_bytes, 3 * 96);
	assert_int_equal(m.threads[1].pending_bytes, 3 * 96);
	assert_int_equal(m.arenas[0].live_bytes, 16 * 64 + 5 * 96);
	assert_int_equal(m.arenas[1].live_bytes, 1 << 20);
	assert_int_equal(m.n_bad_rows, 0);
}

/* Pages given back are no bytes of free slots, wherever these are counted; a forged figure takes no more than there is. */
static void takes_holes_off(void **state)
{
	unsigned k64 = synth_class_of(&s, 64);

	s.header.kernel_page_bytes = 4096;
	span(k64, 10, 400, 0)->hole_pages = 3;
	span(k64, 5, 300, 1)->hole_pages = 2; /* active */
	span(k64, 100, 110, 0)->hole_pages = 60000;
	sample(0, 0, 64, 64, 1);
	struct ht_resident r = { .how = "test" };
	build_with(NULL, &r);
	assert_int_equal(m.span_free_bytes, 390 * 64 - 3 * 4096);
	assert_int_equal(m.thread_cache_bytes, 295 * 64 - 2 * 4096);
	assert_int_equal(m.hole_bytes, 5 * 4096 + 10 * 64);
	assert_int_equal(m.classes[k64].free_slots, 390 + 295 + 10);
	assert_int_equal(m.classes[k64].hole_bytes, m.hole_bytes);
	assert_int_equal(m.arenas[0].span_free_bytes, m.span_free_bytes);
	assert_true(fabs(m.sites[0].pinned_bytes - (390 * 64 - 3 * 4096) / 10.0) < 1);
}

static void estimates_by_the_formulas(void **state)
{
	unsigned k = synth_class_of(&s, 128);

	span(k, 4, 20, 0); /* 16 free slots held by 4 objects: 512 bytes each */
	span(k, 4, 20, 1); /* a thread's: pins nothing */
	sample(0, 1, 100, 128, 1000);
	sample(1, 1, 100, 128, 1000);
	sample(0, 1, 100, 128, 1); /* every allocation is sampled: weight 1 */
	sample(0, 2, 100, 128, 1)->birth_ns = s.header.heartbeat_ns - 5000;
	sample(0, 2, 100, 128, 1)->birth_ns = s.header.heartbeat_ns - 9000;
	sample(0, 77777, 1, 1, 1); /* of no site */
	build_with(NULL, NULL);

	double p = 1 - exp(-0.1), w = 1 / p, var = (1 - p) / (p * p);
	const struct ht_site *x = &m.sites[1];
	assert_int_equal(x->live_samples, 3);
	assert_true(fabs(x->live_objects - (2 * w + 1)) < 1e-9);
	assert_true(fabs(x->live_bytes - 100 * (2 * w + 1)) < 1e-6);
	assert_true(fabs(x->live_bytes_se - 100 * sqrt(2 * var)) < 1e-6);
	assert_true(fabs(x->pinned_bytes - 512 * (w + 1)) < 1e-6);
	assert_true(fabs(x->pinned_bytes_se - 512 * sqrt(var)) < 1e-6);
	assert_true(fabs(m.rounding_bytes - fmin(28 * (2 * w + 3), (double)m.live_bytes)) < 1e-6);
	assert_int_equal(m.sites[2].oldest_ns, 9000);
	assert_int_equal(m.sites[2].median_age_ns, 9000);
	assert_int_equal(m.sites[0].live_samples, 0);
	assert_int_equal(m.n_bad_rows, 1);
}

static void ledger_adds_up(void **state)
{
	struct ht_proc proc = { .rss = 900 << 20, .rss_anon = 800 << 20, .rss_file = 30 << 20, .rss_shmem = 9 << 20 };
	struct ht_resident r = {
		.how = "test",
		.live_untouched = 40 << 20,
		.excess = 3 << 20,
		.heap_rest = 6 << 20,
		.plain_rest = 20 << 20,
		.other_anon = 5 << 20,
		.stacks = 2 << 20,
		.segment = 4 << 20,
	};
	int64_t sum = 0;

	synth_large(&s, 0, 100 << 20, 100 << 20, 99);
	((struct heapspy_arena *)synth_at(&s, HEAPSPY_T_ARENAS, 0))->dirty_bytes = 8 << 20;
	build_with(&proc, &r);
	for (int i = 0; i < HT_N_PARTS; i++)
		sum += m.ledger[i].bytes;
	assert_int_equal(sum, 900 << 20);
	assert_int_equal(m.ledger[HT_PART_LIVE].bytes, 60 << 20);
	assert_int_equal(m.ledger[HT_PART_LIVE].untouched_bytes, 40 << 20);
	/* tables and dirty pages are found beside the spans first, then in plain mappings */
	uint64_t tables = (1536 + 640) << 10, beside = 6 << 20;
	assert_int_equal(m.ledger[HT_PART_METADATA].bytes, 1536 << 10);
	assert_int_equal(m.ledger[HT_PART_DIRTY].bytes, 8 << 20);
	assert_int_equal(m.ledger[HT_PART_OTHER_ANON].bytes,
			 (5 << 20) + (20 << 20) - (int64_t)(tables + (8 << 20) - beside));
	assert_int_equal(m.ledger[HT_PART_SPAN_FREE].bytes, 3 << 20);
	assert_int_equal(m.ledger[HT_PART_SHMEM].bytes, 5 << 20);
	assert_int_equal(m.ledger[HT_PART_FILE].bytes, 30 << 20);
	assert_int_equal(m.ledger[HT_PART_HEAPSPY].bytes, (4 << 20) + (640 << 10));
	assert_int_equal(m.ledger[HT_PART_THP_SLACK].bytes, 0);

	/* the same with huge pages: what is there beyond all slots is their slack */
	ht_model_done(&m);
	ht_snap_done(&snap);
	r.huge = 64 << 20;
	build_with(&proc, &r);
	assert_int_equal(m.ledger[HT_PART_THP_SLACK].bytes, 3 << 20);
	assert_int_equal(m.ledger[HT_PART_SPAN_FREE].bytes, 0);
}

static void leaves_nonsense_out(void **state)
{
	unsigned k = synth_class_of(&s, 64);

	span(k, 5, 10, 0);
	span(k, 5, 2000000, 0); /* extended beyond the span */
	struct heapspy_span *x = span(k, 5, 10, 0);
	x->slot_bytes = UINT64_MAX / 2;
	x = span(k, 5, 10, 0);
	x->state = 9;
	x = span(k, 0x7fffffff, 10, 77777); /* owner and count out of range: clamped */
	build_with(NULL, NULL);
	assert_int_equal(m.n_bad_rows, 3);
	assert_int_equal(m.live_objects, 5 + x->n_slots);
}

static void names_locks_and_their_waits(void **state)
{
	struct heapspy_lock *l = synth_at(&s, HEAPSPY_T_LOCKS, 3);

	l->n_contended = 100;
	l->max_wait_ns = 3000;
	l->hist[1] = 99; /* 256 .. 512 ns */
	l->hist[4] = 1;	 /* 2048 .. 4096 ns, but none was longer than 3000 */
	((struct heapspy_lock *)synth_at(&s, HEAPSPY_T_LOCKS, 4))->n_acquired = 5;
	build_with(NULL, NULL);
	const struct ht_lock *found = NULL;
	for (size_t i = 0; i < m.n_locks; i++)
		if (m.locks[i].row == 3)
			found = &m.locks[i];
	assert_string_equal(found->name, "arena 0");
	assert_true(found->p50_ns > 256 && found->p50_ns < 512);
	assert_true(found->p99_ns > 500 && found->p99_ns <= 512);
	assert_string_equal(m.locks[4].name, "arena 0 bin 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts_spans_exactly, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_holes_off, setup, teardown),
		cmocka_unit_test_setup_teardown(estimates_by_the_formulas, setup, teardown),
		cmocka_unit_test_setup_teardown(ledger_adds_up, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_nonsense_out, setup, teardown),
		cmocka_unit_test_setup_teardown(names_locks_and_their_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
