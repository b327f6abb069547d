/* SPDX-License-Identifier: MIT */
/* One line of time out of three rings and what the viewer saw. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/build.h"

#define SECOND UINT64_C(1000000000)

static struct heapspy_history hour[4], minute[4], second[8];
static struct ht_snap snap;
static struct ht_model m;

static void put(struct heapspy_history *h, uint64_t at_s, uint64_t live)
{
	memset(h, 0, sizeof(*h));
	h->realtime_ns = at_s * SECOND;
	h->live_bytes = live;
}

static void build(const struct ht_point *seen, size_t n_seen)
{
	struct ht_build in = { .snap = &snap, .seen = seen, .n_seen = n_seen };

	free(m.history);
	memset(&m, 0, sizeof(m));
	ht_build_history(&m, &in);
}

static void rings_follow_each_other(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		put(&hour[i], 3600 * (i + 1), 100 + i);
	for (unsigned i = 0; i < 4; i++)
		put(&minute[i], 7200 + 60 * i, 200 + i);
	for (unsigned i = 0; i < 8; i++)
		put(&second[i], 7330 + i, 300 + i);
	snap = (struct ht_snap){ .history_1h = hour,
				 .n_history_1h = 4,
				 .history_1m = minute,
				 .n_history_1m = 4,
				 .history_1s = second,
				 .n_history_1s = 8 };
	build(NULL, 0);
	/* the hour 3600; minutes 7200, 7260, 7320; then seconds; no time twice, none backwards */
	assert_int_equal(m.n_history, 1 + 3 + 8);
	assert_int_equal(m.history[0].live_bytes, 100);
	assert_int_equal(m.history[1].live_bytes, 200);
	assert_int_equal(m.history[4].live_bytes, 300);
	for (size_t i = 1; i < m.n_history; i++)
		assert_true(m.history[i].realtime_ns > m.history[i - 1].realtime_ns);
	assert_true(m.history[1].gap); /* an hour without minutes */
	assert_false(m.history[2].gap);
}

static void the_viewer_fills_holes(void **state)
{
	put(&second[0], 100, 10);
	put(&second[1], 101, 11);
	put(&second[2], 130, 12);
	snap = (struct ht_snap){ .history_1s = second, .n_history_1s = 3 };
	struct ht_point seen[3] = {
		{ .realtime_ns = 101 * SECOND + SECOND / 4, .live_bytes = 1 }, /* the ring has that moment */
		{ .realtime_ns = 110 * SECOND, .live_bytes = 2 },
		{ .realtime_ns = 140 * SECOND, .live_bytes = 3 },
	};
	build(seen, 3);
	assert_int_equal(m.n_history, 5);
	assert_int_equal(m.history[2].live_bytes, 2);
	assert_int_equal(m.history[3].live_bytes, 12);
	assert_int_equal(m.history[4].live_bytes, 3);
}

static void slope_is_a_straight_line(void **state)
{
	for (unsigned i = 0; i < 8; i++)
		put(&second[i], 1000000 + i, 5000 + 300 * i);
	snap = (struct ht_snap){ .history_1s = second, .n_history_1s = 8 };
	build(NULL, 0);
	double slope = ht_history_slope(&m, offsetof(struct ht_point, live_bytes), 60 * SECOND);
	assert_true(fabs(slope - 300) < 1e-6);
	m.n_history = 2;
	assert_true(isnan(ht_history_slope(&m, offsetof(struct ht_point, live_bytes), 60 * SECOND)));
	m.n_history = 0;
	assert_true(isnan(ht_history_slope(&m, offsetof(struct ht_point, live_bytes), 60 * SECOND)));
	free(m.history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_follow_each_other),
		cmocka_unit_test(the_viewer_fills_holes),
		cmocka_unit_test(slope_is_a_straight_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
