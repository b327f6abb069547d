/* SPDX-License-Identifier: MIT */
/* Each rule on its illness and on a look-alike. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"

static struct fake f;

static int setup(void **state)
{
	fake_init(&f);
	return 0;
}

static int teardown(void **state)
{
	fake_done(&f);
	return 0;
}

/* What every finding owes its reader. */
static void check_form(const struct ht_finding *x)
{
	assert_non_null(x->text);
	assert_true(strlen(x->text) > 20);
	assert_true(x->n_evidence > 0);
	for (size_t i = 0; i < x->n_evidence; i++)
		assert_non_null(x->evidence[i]);
	assert_non_null(x->disproof);
	assert_non_null(x->action);
	assert_true(x->share >= 0 && x->share <= 1);
	assert_true(x->confidence > HT_LOW || x->severity == HT_INFO);
	if (strcmp(x->id, "lock-contention") != 0) {
		const char *percent = strstr(x->text, " %"), *bytes = strstr(x->text, "iB");

		assert_true(x->bytes > 0);
		assert_non_null(bytes); /* bytes first, then the share */
		assert_true(!percent || bytes < percent);
	}
}

static const struct ht_finding *must_find(const char *id)
{
	const struct ht_finding *x = fake_judge(&f, id);

	if (!x)
		fail_msg("%s is missing", id);
	check_form(x);
	return x;
}

static void must_not_find(const char *id)
{
	assert_null(fake_judge(&f, id));
}

static void test_healthy(void **state)
{
	must_not_find("");
	assert_int_equal(f.found.n, 0);
}

static void test_small_and_empty(void **state)
{
	struct ht_model m = { 0 };
	struct ht_findings found;

	/* a program that has just started: most of it is code, and every share is extreme */
	f.m.rss_bytes = 5 * MIB;
	f.m.live_bytes = 400 << 10;
	f.m.span_free_bytes = 900 << 10;
	f.m.thread_cache_bytes = 700 << 10;
	f.m.dirty_bytes = 2 * MIB;
	f.m.rounding_bytes = 200 << 10;
	f.m.arena_resident_bytes = 2 * MIB;
	for (int i = 0; i < HT_N_PARTS; i++)
		f.m.ledger[i].bytes = 100 << 10;
	f.m.ledger[HT_PART_FILE].bytes = 3 * MIB;
	f.m.ledger[HT_PART_UNEXPLAINED].bytes = 1 * MIB;
	fake_history(&f, 3);
	must_not_find("");
	assert_int_equal(f.found.n, 0);
	/* all zero, as from a segment that is still empty */
	assert_int_equal(ht_findings_run(&found, &m, NULL), 0);
	assert_int_equal(found.n, 0);
	ht_findings_done(&found);
	ht_findings_done(NULL);
}

static void fragment(void)
{
	f.m.live_bytes = 100 * MIB;
	f.m.rounding_bytes = 5.0 * MIB;
	f.m.span_free_bytes = 220 * MIB;
	f.classes[1].free_bytes = 200 * MIB;
	f.classes[1].free_slots = 200 * MIB / 96;
	f.classes[1].live_bytes = 20 * MIB;
	f.classes[1].nonfull_spans = 900;
	f.sites[2].pinned_bytes = 190.0 * MIB;
	f.sites[2].pinned_bytes_se = 9.0 * MIB;
	f.m.fill_spans[0] = 800;
	f.m.fill_free_bytes[0] = 190 * MIB;
	f.m.ledger[HT_PART_SPAN_FREE].bytes = 220 * (int64_t)MIB;
}

static void test_external_fragmentation(void **state)
{
	const struct ht_finding *x;

	fragment();
	fake_history(&f, 1200);
	x = must_find("external-fragmentation");
	assert_true(x == f.found.rows);
	assert_int_equal(x->bytes, 220 * MIB);
	assert_true(fabs(x->share - 0.55) < 0.001);
	assert_int_equal(x->confidence, HT_HIGH);
	assert_int_equal(x->severity, HT_CRITICAL);
	assert_int_equal(x->sites[0], 12);
	assert_non_null(strstr(x->text, "220 MiB (55 % of RSS"));
	assert_non_null(strstr(x->text, "0x401201"));
	assert_non_null(strstr(x->evidence[0], "class 96: 200 MiB free in 900 spans"));
	/* it came a minute ago: less sure, still said */
	for (int i = 0; i < 1130; i++)
		f.history[i].span_free_bytes = 5 * MIB;
	assert_int_equal(must_find("external-fragmentation")->confidence, HT_MEDIUM);
	fake_history(&f, 2);
	assert_int_equal(must_find("external-fragmentation")->confidence, HT_LOW);
	/* a small heap of which most is free */
	f.m.rss_bytes = 40 * MIB;
	f.m.live_bytes = 10 * MIB;
	f.m.span_free_bytes = 20 * MIB;
	fake_history(&f, 1200);
	x = must_find("external-fragmentation");
	assert_int_equal(x->confidence, HT_LOW);
	assert_int_equal(x->severity, HT_INFO);
}

static void test_not_external_fragmentation(void **state)
{
	/* a large heap, normally full: 60 MiB free of 1060 */
	f.m.rss_bytes = 1200 * MIB;
	f.m.live_bytes = 1000 * MIB;
	f.m.span_free_bytes = 60 * MIB;
	f.m.arena_resident_bytes = 1100 * MIB;
	fake_history(&f, 1200);
	must_not_find("external-fragmentation");
	/* huge objects do not hide half-empty spans */
	f.m.huge_bytes = 900 * MIB;
	must_find("external-fragmentation");
	/* the heap is being filled again: it may be said, not firmly */
	fake_init(&f);
	fragment();
	fake_history(&f, 1200);
	for (int i = 0; i < 1200; i++)
		f.history[i].live_bytes = (100 + (uint64_t)i * 5) * MIB;
	assert_int_equal(must_find("external-fragmentation")->confidence, HT_MEDIUM);
}

static void test_cold_memory(void **state)
{
	const struct ht_finding *x;

	f.m.wss_bytes = 80 * MIB;
	f.m.wss_heap_bytes = 50 * MIB;
	f.m.wss_other_bytes = 30 * MIB;
	f.m.wss_ns = UINT64_C(60000000000);
	x = must_find("cold-memory");
	assert_int_equal(x->bytes, (300 - 50) * MIB);
	assert_int_equal(x->confidence, HT_HIGH);
	assert_int_equal(x->severity, HT_WARN);
	f.m.wss_ns = UINT64_C(5000000000);
	assert_int_equal(must_find("cold-memory")->confidence, HT_LOW);
	/* a hot heap */
	f.m.wss_heap_bytes = 300 * MIB;
	f.m.wss_bytes = 330 * MIB;
	must_not_find("cold-memory");
	/* free pages are cold, but that is another illness */
	f.m.live_bytes = 78 * MIB;
	f.m.ledger[HT_PART_LIVE].bytes = 63 * (int64_t)MIB;
	f.m.dirty_bytes = 238 * MIB;
	f.m.wss_heap_bytes = 60 * MIB;
	must_not_find("cold-memory");
	/* not measured */
	f.m.wss_bytes = f.m.wss_heap_bytes = HT_UNKNOWN;
	must_not_find("cold-memory");
}

static void test_lock_contention(void **state)
{
	const struct ht_finding *x;

	f.locks[1] = (struct ht_lock){
		.name = "arena 0",
		.row = 1,
		.acquisitions = 5000000,
		.contended = 600000,
		.wait_ns = UINT64_C(400000000000),
		.max_wait_ns = 4000000,
		.p50_ns = 8000,
		.p99_ns = 130000,
	};
	x = must_find("lock-contention");
	assert_int_equal(x->bytes, 0);
	assert_int_equal(x->confidence, HT_HIGH);
	assert_int_equal(x->severity, HT_WARN);
	assert_true(x->share > 0.03 && x->share < 0.04);
	assert_non_null(strstr(x->text, "'arena 0'"));
	assert_non_null(strstr(x->evidence[0], "p99 130"));
	assert_int_equal(x->n_sites, 2);
	assert_int_equal(x->sites[0], 11);
}

static void test_not_lock_contention(void **state)
{
	/* one holder was suspended for a minute */
	f.locks[0].wait_ns = f.locks[0].max_wait_ns = UINT64_C(150000000000);
	must_not_find("lock-contention");
	/* a third of very few */
	fake_init(&f);
	f.m.n_locks = 1;
	f.locks[0] = (struct ht_lock){ .name = "meta", .acquisitions = 150, .contended = 50, .wait_ns = 1000000 };
	must_not_find("lock-contention");
	/* many waits of some ns each: a share of the calls, not of the time */
	f.locks[0] = (struct ht_lock){ .name = "meta", .acquisitions = 100000, .contended = 2000, .wait_ns = 2000000 };
	must_not_find("lock-contention");
}

static void test_retained_dirty(void **state)
{
	const struct ht_finding *x;

	f.m.live_bytes = 50 * MIB;
	f.m.dirty_bytes = 250 * MIB;
	f.m.ledger[HT_PART_DIRTY].bytes = 250 * (int64_t)MIB;
	fake_history(&f, 1200);
	for (int i = 0; i < 600; i++) {
		f.history[i].live_bytes = 300 * MIB;
		f.history[i].dirty_bytes = 0;
	}
	x = must_find("retained-dirty");
	assert_int_equal(x->bytes, 250 * MIB);
	assert_true(x->confidence >= HT_MEDIUM);
	assert_non_null(strstr(x->evidence[1], "harmless after a peak"));
	/* freed 5 s ago: decay is at work */
	for (int i = 600; i < 1195; i++)
		f.history[i].dirty_bytes = 0;
	must_not_find("retained-dirty");
	/* 15 s ago: late, but not sure */
	for (int i = 1184; i < 1200; i++)
		f.history[i].dirty_bytes = 250 * MIB;
	assert_int_equal(must_find("retained-dirty")->confidence, HT_LOW);
	/* decay switched off: no need to wait */
	f.m.decay_ms = -1;
	x = must_find("retained-dirty");
	assert_int_equal(x->confidence, HT_MEDIUM);
	assert_non_null(strstr(x->text, "decay is off"));
}

static void test_not_retained_dirty(void **state)
{
	/* a steady service with much turnover, seen for 20 s */
	f.m.dirty_bytes = 100 * MIB;
	fake_history(&f, 20);
	must_not_find("retained-dirty");
}

static void test_thread_cache(void **state)
{
	const struct ht_finding *x;

	f.m.thread_cache_bytes = 120 * MIB;
	for (int i = 0; i < 8; i++) {
		f.threads[i].cached_bytes = 15 * MIB;
		f.threads[i].idle_ns = UINT64_C(300000000000);
	}
	fake_history(&f, 1200);
	x = must_find("thread-cache");
	assert_int_equal(x->bytes, 120 * MIB);
	assert_int_equal(x->confidence, HT_HIGH);
	assert_non_null(strstr(x->text, "120 MiB on 8 threads idle"));
	assert_non_null(strstr(x->evidence[0], "'worker' caches 15.0 MiB"));
	/* the same threads, drained */
	fake_init(&f);
	for (int i = 0; i < 8; i++)
		f.threads[i].idle_ns = UINT64_C(300000000000);
	must_not_find("thread-cache");
}

/* A thread owns many half-empty spans: its cache is only the one of each class that it allocates from. */
static void test_owned_spans(void **state)
{
	const struct ht_finding *x;

	fragment();
	f.m.span_free_bytes = 20 * MIB;
	f.m.thread_cache_bytes = 208 * MIB;
	f.classes[1].cached_slots = f.classes[1].free_slots;
	fake_history(&f, 1200);
	x = must_find("external-fragmentation");
	/* 8 threads with a span of 64 KiB */
	assert_true(x->bytes > 219 * MIB && x->bytes < 220 * MIB);
	assert_int_equal(x->confidence, HT_HIGH);
	must_not_find("thread-cache");
	for (int i = 0; i < 1170; i++)
		f.history[i].thread_cache_bytes = 0;
	assert_int_equal(must_find("external-fragmentation")->confidence, HT_LOW);
}

static void test_internal_fragmentation(void **state)
{
	const struct ht_finding *x;

	f.m.rounding_bytes = 70.0 * MIB;
	f.m.rounding_bytes_se = 3.0 * MIB;
	f.classes[2].live_bytes = 200 * MIB;
	x = must_find("internal-fragmentation");
	assert_int_equal(x->bytes, 70 * MIB);
	assert_int_equal(x->confidence, HT_HIGH);
	assert_non_null(strstr(x->evidence[1], "class 256"));
	assert_non_null(strstr(x->evidence[1], "next smaller one is 96"));
	f.m.rounding_bytes_se = 40.0 * MIB; /* a guess */
	assert_int_equal(must_find("internal-fragmentation")->confidence, HT_LOW);
	/* mixed sizes; and no samples at all */
	f.m.rounding_bytes = 30.0 * MIB;
	must_not_find("internal-fragmentation");
	f.m.rounding_bytes = NAN;
	must_not_find("internal-fragmentation");
}

static void test_non_malloc(void **state)
{
	const struct ht_finding *x;

	/* mmap grows beside a level heap */
	fake_history(&f, 1200);
	for (int i = 0; i < 1200; i++)
		f.history[i].rss_bytes = 400 * MIB + (uint64_t)i * MIB / 4;
	f.m.rss_bytes = 700 * MIB;
	f.m.ledger[HT_PART_OTHER_ANON].bytes = 320 * (int64_t)MIB;
	f.m.ledger[HT_PART_OTHER_ANON].slope = 0.25 * MIB;
	x = must_find("non-malloc");
	assert_true(x->bytes > 240 * MIB && x->bytes < 310 * MIB);
	assert_int_equal(x->confidence, HT_HIGH);
	must_not_find("leak");
	/* large and level: a statement, not an alarm */
	fake_init(&f);
	f.m.rss_bytes = 2000 * MIB;
	f.m.ledger[HT_PART_SHMEM].bytes = 1600 * (int64_t)MIB;
	fake_history(&f, 1200);
	x = must_find("non-malloc");
	assert_int_equal(x->severity, HT_INFO);
	assert_int_equal(x->bytes, 1642 * MIB);
}

static void leak(unsigned seconds, double per_s)
{
	uint64_t lost = (uint64_t)(per_s * seconds);

	f.m.live_bytes = 300 * MIB + lost;
	f.m.rss_bytes = 400 * MIB + lost;
	f.m.arena_resident_bytes = 344 * MIB + lost;
	fake_history(&f, seconds);
	for (unsigned i = 0; i < seconds; i++) {
		/* with a saw-tooth on it */
		uint64_t more = (uint64_t)(per_s * i) + (i % 10) * MIB;

		f.history[i].live_bytes = 300 * MIB + more;
		f.history[i].rss_bytes = 400 * MIB + more;
	}
	f.sites[3].live_bytes = (double)lost;
	f.sites[3].live_bytes_se = (double)lost / 10;
	f.sites[3].allocated_bytes = (double)lost;
	f.sites[3].freed_bytes = 0;
	f.sites[3].oldest_ns = seconds * UINT64_C(1000000000);
	f.sites[3].median_age_ns = f.sites[3].oldest_ns / 2;
	/* the start-up structures of a site that frees nothing either */
	f.sites[0].live_bytes = 200.0 * MIB;
	f.sites[0].allocated_bytes = f.sites[0].live_bytes;
	f.sites[0].freed_bytes = 0;
	f.sites[0].oldest_ns = seconds * UINT64_C(1000000000);
	f.sites[0].median_age_ns = f.sites[0].oldest_ns * 99 / 100;
}

static void test_leak(void **state)
{
	const struct ht_finding *x;

	leak(1200, 0.2 * MIB);
	x = must_find("leak");
	assert_int_equal(x->confidence, HT_HIGH);
	assert_int_equal(x->severity, HT_WARN);
	assert_true(x->bytes > 239 * MIB && x->bytes < 241 * MIB);
	assert_int_equal(x->sites[0], 13);
	assert_non_null(strstr(x->text, "0x401301"));
	must_not_find("non-malloc");
	/* seen for half a minute only */
	fake_init(&f);
	leak(30, 2.0 * MIB);
	x = must_find("leak");
	assert_int_equal(x->confidence, HT_LOW);
	assert_int_equal(x->severity, HT_INFO);
	assert_int_equal(x->sites[0], 13);
	assert_non_null(strstr(x->evidence[0], "29s only"));
}

static void test_not_a_leak(void **state)
{
	/* a cache that fills to its bound; 10 minutes ago it became full */
	for (int i = 0; i < 600; i++)
		f.history[i].live_bytes = (100 + (uint64_t)i / 3) * MIB;
	must_not_find("leak");
	/* a saw-tooth with level troughs */
	for (int i = 0; i < 1200; i++)
		f.history[i].live_bytes = (200 + (uint64_t)i % 100) * MIB;
	must_not_find("leak");
	/* start-up, then level */
	for (int i = 0; i < 1200; i++)
		f.history[i].live_bytes = i < 20 ? (uint64_t)i * 15 * MIB : 300 * MIB;
	must_not_find("leak");
	/* too few points to say anything */
	fake_init(&f);
	leak(4, 50.0 * MIB);
	must_not_find("leak");
}

static void test_unknown(void **state)
{
	const struct ht_finding *x;

	f.m.ledger[HT_PART_UNEXPLAINED].bytes = 60 * (int64_t)MIB;
	x = must_find("unknown");
	assert_int_equal(x->bytes, 60 * MIB);
	assert_int_equal(x->confidence, HT_MEDIUM);
	f.m.ledger[HT_PART_UNEXPLAINED].bytes = -60 * (int64_t)MIB;
	assert_non_null(strstr(must_find("unknown")->text, "add up to 60.0 MiB"));
	f.m.ledger[HT_PART_UNEXPLAINED].bytes = 30 * (int64_t)MIB;
	must_not_find("unknown");
	f.m.ledger[HT_PART_UNEXPLAINED].bytes = 60 * (int64_t)MIB;
	f.m.rss_bytes = HT_UNKNOWN;
	must_not_find("unknown");
}

static void test_order(void **state)
{
	/* three at once: the firm ones first, the larger ones first */
	fragment();
	fake_history(&f, 1200);
	f.m.ledger[HT_PART_UNEXPLAINED].bytes = 60 * (int64_t)MIB;
	f.m.wss_bytes = 80 * MIB;
	f.m.wss_heap_bytes = 50 * MIB;
	f.m.wss_ns = UINT64_C(2000000000);
	fake_judge(&f, "");
	assert_int_equal(f.found.n, 3);
	assert_string_equal(f.found.rows[0].id, "external-fragmentation");
	assert_string_equal(f.found.rows[1].id, "unknown");
	assert_string_equal(f.found.rows[2].id, "cold-memory");
	assert_string_equal(ht_severity_name(f.found.rows[0].severity), "critical");
	assert_string_equal(ht_confidence_name(f.found.rows[2].confidence), "low");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_healthy),
		TEST(test_small_and_empty),
		TEST(test_external_fragmentation),
		TEST(test_not_external_fragmentation),
		TEST(test_cold_memory),
		TEST(test_lock_contention),
		TEST(test_not_lock_contention),
		TEST(test_retained_dirty),
		TEST(test_not_retained_dirty),
		TEST(test_thread_cache),
		TEST(test_owned_spans),
		TEST(test_internal_fragmentation),
		TEST(test_non_malloc),
		TEST(test_leak),
		TEST(test_not_a_leak),
		TEST(test_unknown),
		TEST(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
