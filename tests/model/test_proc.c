/* SPDX-License-Identifier: MIT */
/* smaps is read by kind; residency of this very process is measured right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/build.h"

#define MIB ((size_t)1 << 20)

static void sorts_mappings(void **state)
{
	static const char text[] = "55d0-55d4 rw-p 00001000 fe:00 24   /usr/bin/with space (deleted)\nSize: 16 "
				   "kB\nRss:  8 kB\nAnonymous: 4 kB\n"
				   "VmFlags: rd\n"
				   "6000-7000 rw-p 00000000 00:00 0   [heap]\nRss: 12 kB\nAnonymous: 12 kB\n"
				   "7f00-7f10 rw-p 00000000 00:00 0 \nRss: 100 kB\nAnonymous: 96 kB\nAnonHugePages:  "
				   "64 kB\nReferenced: 20 kB\n"
				   "7f10-7f20 rw-p 00000000 00:00 0  [anon:heapspy-meta]\nRss: 4 kB\n"
				   "7f20-7f30 rw-s 00000000 00:1b 7  /dev/shm/heapspy-12-345\nRss: 40 kB\n"
				   "7f30-7f40 rw-p 00000000 00:00 0  [stack]\nRss: 20 kB\n"
				   "7f40-7f41 r-xp 00000000 00:00 0  [vdso]\nRss: 4 kB\n";
	static const enum ht_vma_kind kinds[] = { HT_VMA_FILE,	  HT_VMA_BRK,	HT_VMA_ANON, HT_VMA_OURS,
						  HT_VMA_SEGMENT, HT_VMA_STACK, HT_VMA_FILE };
	struct ht_smaps s;

	ht_smaps_parse(text, &s);
	assert_int_equal(s.n, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(s.rows[i].kind, kinds[i]);
	assert_int_equal(s.rows[0].rss, 8192);
	assert_int_equal(s.rows[0].anon, 4096);
	assert_int_equal(s.rows[2].start, 0x7f00);
	assert_int_equal(s.rows[2].huge, 65536);
	assert_int_equal(s.rows[2].referenced, 20480);
	assert_true(s.rows[6].special);
	ht_smaps_done(&s);
	ht_smaps_parse("Rss: 5 kB\nrubbish\n\n", &s);
	assert_int_equal(s.n, 0);
	ht_smaps_done(&s);
}

static void reads_this_process(void **state)
{
	struct ht_proc p;

	assert_int_equal(ht_proc_read(getpid(), &p), 0);
	assert_true(p.rss > 500000 && p.rss != UINT64_MAX);
	assert_true(p.rss >= p.rss_anon);
	assert_int_equal(p.n_threads, 1);
	assert_int_equal(p.n_names, 1);
	assert_int_equal(p.threads[0].tid, getpid());
	ht_proc_done(&p);
	assert_true(ht_proc_read(0x7ffffff0, &p) < 0);
}

static void measures_what_is_there(void **state)
{
	/* Two "spans": a large object of 8 MiB of which 3 are touched, and small slots, all touched but one page */
	char *large = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *small = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct heapspy_span rows[2] = {
		{ .base = (uint64_t)(uintptr_t)large,
		  .bytes = 8 * MIB,
		  .slot_bytes = 8 * MIB,
		  .n_slots = 1,
		  .extended = 1,
		  .used = 1,
		  .state = HEAPSPY_SPAN_LARGE },
		{ .base = (uint64_t)(uintptr_t)small,
		  .bytes = MIB,
		  .slot_bytes = 4096,
		  .n_slots = 256,
		  .extended = 200,
		  .used = 150,
		  .state = HEAPSPY_SPAN_SMALL },
	};
	struct ht_snap snap = { .spans = rows, .n_spans = 2 };
	struct ht_resident r;

	assert_true(large != MAP_FAILED && small != MAP_FAILED);
	madvise(large, 8 * MIB, MADV_NOHUGEPAGE);
	madvise(small, MIB, MADV_NOHUGEPAGE);
	memset(large + MIB, 1, 3 * MIB);
	memset(small, 1, 199 * 4096);
	struct ht_span_fact *facts = ht_span_facts(&snap);
	assert_int_equal(ht_resident_measure(getpid(), &snap, facts, &r), 0);
	assert_non_null(r.how);
	assert_int_equal(r.spans, 3 * MIB + 199 * 4096);
	assert_int_equal(r.live_untouched, 5 * MIB);
	assert_int_equal(r.free_untouched, 4096);
	assert_int_equal(r.excess, 0);
	assert_true(r.anon > r.spans);
	/* and with slots that the counters do not know of */
	rows[1].extended = rows[1].used = 100;
	struct ht_span_fact *fewer = ht_span_facts(&snap);
	assert_int_equal(ht_resident_measure(getpid(), &snap, fewer, &r), 0);
	assert_int_equal(r.excess, 99 * 4096);
	free(facts);
	free(fewer);
	munmap(large, 8 * MIB);
	munmap(small, MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_mappings),
		cmocka_unit_test(reads_this_process),
		cmocka_unit_test(measures_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
