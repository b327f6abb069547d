/* SPDX-License-Identifier: MIT */
/* Whatever stands in a segment, a model is built without touching memory that is not ours, or it is refused. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "diag/findings.h"
#include "model/build.h"
#include "model/source.h"
#include "out/writer.h"
#include "place.h"

static struct place place;

static int setup(void **state)
{
	place_init(&place);
	return 0;
}

static int teardown(void **state)
{
	place_done(&place);
	return 0;
}

/* Through everything that reads a model; no symbols: those have tests of their own. */
static void look_at_it(bool with_output)
{
	struct ht_err err = { 0 };
	struct ht_snap snap;
	struct ht_model m;
	struct ht_findings f = { 0 };
	int fd = open(place.path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	if (ht_snap_take(&snap, (struct ht_segment_at){ .fd = fd }, "'test'", &err) < 0) {
		assert_true(err.code == HT_EXIT_DAMAGED || err.code == HT_EXIT_TARGET);
		close(fd);
		return;
	}
	close(fd);
	struct ht_build in = { .snap = &snap, .state = HT_DEAD, .pid = 1 };
	ht_model_build(&m, &in);
	if (with_output) {
		FILE *null = fopen("/dev/null", "w");
		static const char *const formats[] = { "table", "json", "openmetrics" };

		ht_findings_run(&f, &m, NULL);
		for (size_t i = 0; i < 3; i++) {
			struct ht_frame frame = { .model = &m, .findings = &f, .top = 3, .columns = 80 };
			assert_int_equal(ht_writer_find(formats[i])->frame(null, &frame), 0);
		}
		ht_findings_done(&f);
		fclose(null);
	}
	ht_model_done(&m);
	ht_snap_done(&snap);
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void small_scenario(void)
{
	struct synth s;

	synth_init(&s);
	synth_heap(&s, 2);
	synth_threads(&s, "worker", 3);
	synth_sites(&s, 6, 5);
	for (unsigned i = 0; i < 40; i++) {
		struct synth_span d = { .klass = i % 9 + 4,
					.arena = i % 2,
					.fill = 0.4,
					.owner = i % 7 == 0,
					.n_sites = 6,
					.youngest_ns = 1000,
					.oldest_ns = 1000000 };
		synth_span(&s, &d);
	}
	synth_large(&s, 0, 1 << 20, 1 << 20, 2);
	synth_history(&s, 20, 0, 0, 1 << 20);
	struct heapspy_waiter *w = synth_row(&s, HEAPSPY_T_WAITERS);
	w->n_waits = 1;
	assert_int_equal(synth_write(&s, place_file(&place, "small")), 0);
	synth_done(&s);
}

static void each_byte_of_the_header(void **state)
{
	unsigned char saved[sizeof(struct heapspy_header)];
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };

	small_scenario();
	int fd = open(place.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, saved, sizeof(saved), 0), sizeof(saved));
	close(fd);
	for (size_t at = 0; at < sizeof(saved); at++)
		for (size_t k = 0; k < sizeof(flips); k++) {
			unsigned char c = saved[at] ^ flips[k];

			place_patch(&place, at, &c, 1);
			look_at_it(false);
			place_patch(&place, at, &saved[at], 1);
		}
}

/* Rows of every table full of the same byte, and of noise. */
static void whole_tables_of_rubbish(void **state)
{
	static const int fills[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, -1 };
	uint64_t rng = 88172645463325252u;

	for (uint32_t id = 1; id <= HEAPSPY_T_WAITERS; id++)
		for (size_t k = 0; k < sizeof(fills) / sizeof(fills[0]); k++) {
			small_scenario();
			struct heapspy_table t = place_table(&place, id);
			size_t n = t.capacity * t.row_bytes;
			unsigned char *bytes = malloc(n + 1);

			assert_non_null(bytes);
			for (size_t i = 0; i < n; i++)
				bytes[i] = (unsigned char)(fills[k] < 0 ? (int)(next(&rng) >> 24) : fills[k]);
			place_patch(&place, t.offset, bytes, n);
			free(bytes);
			look_at_it(true);
		}
}

static void random_words(void **state)
{
	uint64_t rng = 0x123456789abcdefu;
	static const uint64_t nasty[] = { 0,	      1,       UINT32_MAX, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
					  0x80000000, 1u << 20 };

	for (unsigned round = 0; round < 300; round++) {
		small_scenario();
		int fd = open(place.path, O_RDONLY | O_CLOEXEC);
		uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);

		close(fd);
		for (unsigned i = 0; i < 40; i++) {
			uint64_t word = next(&rng) % 3 ? nasty[next(&rng) % 8] : next(&rng);

			place_patch(&place, 4096 + next(&rng) % (size - 4096 - 8) / 8 * 8, &word, sizeof(word));
		}
		look_at_it(round % 10 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_byte_of_the_header, setup, teardown),
		cmocka_unit_test_setup_teardown(whole_tables_of_rubbish, setup, teardown),
		cmocka_unit_test_setup_teardown(random_words, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
