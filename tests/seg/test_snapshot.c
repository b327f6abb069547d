/* SPDX-License-Identifier: MIT */
/* A segment is copied whole when it is sound, and refused with the right code whatever is broken in it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"
#include "seg/snapshot.h"

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

static int take(struct ht_snap *snap, struct ht_err *err)
{
	int fd = open(place.path, O_RDONLY | O_CLOEXEC), r;

	assert_true(fd >= 0);
	memset(err, 0, sizeof(*err));
	r = ht_snap_take(snap, (struct ht_segment_at){ .fd = fd }, "'test'", err);
	close(fd);
	return r;
}

static void refused(int errnum, enum ht_exit code)
{
	struct ht_snap snap;
	struct ht_err err;

	assert_int_equal(take(&snap, &err), -errnum);
	assert_int_equal(err.code, code);
	assert_true(strlen(err.message) > 10);
}

static void copies_all_rows(void **state)
{
	struct ht_snap snap;
	struct ht_err err;
	struct synth s;

	place_scenario(&place, "contended", &s);
	assert_int_equal(take(&snap, &err), 0);
	assert_int_equal(snap.n_spans, synth_count(&s, HEAPSPY_T_SPANS));
	assert_int_equal(snap.n_samples, synth_count(&s, HEAPSPY_T_SAMPLES));
	assert_int_equal(snap.n_locks, synth_count(&s, HEAPSPY_T_LOCKS));
	assert_int_equal(snap.n_waiters, synth_count(&s, HEAPSPY_T_WAITERS));
	assert_int_equal(snap.n_modules, 3);
	assert_int_equal(snap.n_torn, 0);
	assert_memory_equal(snap.spans, synth_at(&s, HEAPSPY_T_SPANS, 0), snap.n_spans * sizeof(*snap.spans));
	assert_memory_equal(snap.frames, synth_at(&s, HEAPSPY_T_FRAMES, 0), snap.n_frames * sizeof(*snap.frames));
	ht_snap_done(&snap);
	synth_done(&s);
}

static void refuses_other_versions(void **state)
{
	uint32_t major = 2, init = HEAPSPY_STATE_INIT;
	uint64_t zero = 0;

	place_scenario(&place, "healthy", NULL);
	place_patch(&place, offsetof(struct heapspy_header, major), &major, sizeof(major));
	refused(EPROTO, HT_EXIT_DAMAGED);
	place_scenario(&place, "healthy", NULL);
	place_patch(&place, 0, "X", 1);
	refused(EBADMSG, HT_EXIT_DAMAGED);
	place_scenario(&place, "healthy", NULL);
	place_patch(&place, 0, &zero, sizeof(zero));
	refused(EAGAIN, HT_EXIT_TARGET);
	place_scenario(&place, "healthy", NULL);
	place_patch(&place, offsetof(struct heapspy_header, state), &init, sizeof(init));
	refused(EAGAIN, HT_EXIT_TARGET);
}

/* A later minor has longer rows and tables that we do not know. */
static void reads_later_minors(void **state)
{
	struct ht_snap snap;
	struct ht_err err;
	struct synth s;

	synth_init(&s);
	s.header.minor = 7;
	synth_heap(&s, 1);
	struct synth_table *t = &s.tables[HEAPSPY_T_SPANS];
	t->row_bytes = 96;
	for (unsigned i = 0; i < 5; i++) {
		struct heapspy_span *x = synth_row(&s, HEAPSPY_T_SPANS);
		memset(x, 0xee, 96);
		x->base = i;
	}
	t = &s.tables[HEAPSPY_T_ARENAS];
	t->row_bytes = 16; /* and an earlier one shorter rows */
	((uint32_t *)t->rows)[0] = 77;
	assert_int_equal(synth_write(&s, place_file(&place, "later")), 0);
	synth_done(&s);
	assert_int_equal(take(&snap, &err), 0);
	assert_int_equal(snap.n_spans, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(snap.spans[i].base, i);
	assert_int_equal(snap.arenas[0].id, 77);
	assert_int_equal(snap.arenas[0].mapped_bytes, 0);
	ht_snap_done(&snap);
}

static void orders_rings_and_leaves_torn_rows_out(void **state)
{
	struct ht_snap snap;
	struct ht_err err;
	struct synth s;

	synth_init(&s);
	synth_heap(&s, 1);
	for (unsigned i = 0; i < 8; i++) {
		struct heapspy_history *h = synth_row(&s, HEAPSPY_T_HISTORY_1S);
		/* 11 rows were written into 8 places: 8 9 10 3 4 5 6 7 */
		h->ns = i < 3 ? 8 + i : i;
		h->seq = h->ns == 9 ? 7 : 2;
	}
	s.tables[HEAPSPY_T_HISTORY_1S].count = 11;
	assert_int_equal(synth_write(&s, place_file(&place, "ring")), 0);
	synth_done(&s);
	assert_int_equal(take(&snap, &err), 0);
	static const unsigned want[] = { 3, 4, 5, 6, 7, 8, 10 };
	assert_int_equal(snap.n_history_1s, 7);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(snap.history_1s[i].ns, want[i]);
	assert_int_equal(snap.n_torn, 1);
	ht_snap_done(&snap);
}

static void refuses_broken_directories(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
		size_t bytes;
	} cases[] = {
		{ offsetof(struct heapspy_table, offset), UINT64_MAX - 8, 8 },
		{ offsetof(struct heapspy_table, offset), 8, 8 },
		{ offsetof(struct heapspy_table, capacity), UINT64_MAX, 8 },
		{ offsetof(struct heapspy_table, capacity), UINT64_C(1) << 60, 8 },
		{ offsetof(struct heapspy_table, row_bytes), 0, 4 },
		{ offsetof(struct heapspy_table, row_bytes), UINT32_MAX, 4 },
		{ offsetof(struct heapspy_table, id), HEAPSPY_T_CLASSES, 4 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* the fifth table: LOCKS */
		size_t at = offsetof(struct heapspy_header, tables) + 4 * sizeof(struct heapspy_table) + cases[i].at;

		place_scenario(&place, "healthy", NULL);
		place_patch(&place, at, &cases[i].value, cases[i].bytes);
		refused(EBADMSG, HT_EXIT_DAMAGED);
	}
	uint32_t many = 33;
	place_scenario(&place, "healthy", NULL);
	place_patch(&place, offsetof(struct heapspy_header, n_tables), &many, sizeof(many));
	refused(EBADMSG, HT_EXIT_DAMAGED);
}

/* `count` is the writer's word: it is bounded by the capacity. */
static void bounds_counts(void **state)
{
	struct ht_snap snap;
	struct ht_err err;
	uint64_t huge = UINT64_MAX;

	place_scenario(&place, "healthy", NULL);
	struct heapspy_table spans = place_table(&place, HEAPSPY_T_SPANS);
	for (size_t i = 0; i < 18; i++)
		place_patch(&place,
			    offsetof(struct heapspy_header, tables) + i * sizeof(struct heapspy_table) +
				    offsetof(struct heapspy_table, count),
			    &huge, sizeof(huge));
	assert_int_equal(take(&snap, &err), 0);
	assert_int_equal(snap.n_spans, spans.capacity);
	ht_snap_done(&snap);
}

static void refuses_cut_files(void **state)
{
	place_scenario(&place, "healthy", NULL);
	int fd = open(place.path, O_RDWR | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	assert_true(size > 100000);
	for (off_t n = size - 1; n >= 0; n -= n > 4096 ? 1999 : n > 2000 ? 97 : 13) {
		struct ht_snap snap;
		struct ht_err err = { 0 };

		assert_int_equal(ftruncate(fd, n), 0);
		assert_true(ht_snap_take(&snap, (struct ht_segment_at){ .fd = fd }, "'test'", &err) < 0);
		assert_int_equal(err.code, HT_EXIT_DAMAGED);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copies_all_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_other_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_later_minors, setup, teardown),
		cmocka_unit_test_setup_teardown(orders_rings_and_leaves_torn_rows_out, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_broken_directories, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_cut_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
