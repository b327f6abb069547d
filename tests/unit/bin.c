/* SPDX-License-Identifier: MIT */
/* bin - spans change hands whole, and each is handed to one owner only. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bin.h"
#include "model.h"

#define ME ((uintptr_t)0x1000)
#define OTHER ((uintptr_t)0x2000)

static struct heapspy_lock lock_row;
static struct heapspy_bin row;
static struct heapspy_span span_row;
static struct hs_waited waits;

static void setup_span(struct hs_span *s)
{
	s->state = HS_SPAN_SMALL;
	s->row = &span_row;
	hs_list_init(&s->link);
}

static void test_hands(void **state)
{
	struct hs_span a = {0}, b = {0};
	struct hs_bin bin = {0};

	row = (struct heapspy_bin){0};
	hs_bin_init(&bin, 0, &lock_row, &row);
	setup_span(&a);
	setup_span(&b);
	assert_null(hs_bin_checkout(&bin, ME, &waits));
	a.xowner = b.xowner = ME;
	hs_bin_return(&bin, &a, &waits);
	hs_bin_check(&bin);
	assert_int_equal(a.xowner, HS_OWNER_BIN);
	hs_bin_return(&bin, &b, &waits);
	hs_bin_check(&bin);
	assert_int_equal(row.n_nonfull, 2);
	assert_ptr_equal(hs_bin_checkout(&bin, OTHER, &waits), &b); /* the last returned is the warmest */
	assert_int_equal(b.xowner, OTHER);
	assert_false(hs_bin_claim(&bin, &b, ME, &waits)); /* somebody has it */
	assert_true(hs_bin_claim(&bin, &a, ME, &waits));
	assert_int_equal(a.xowner, ME);
	hs_bin_check(&bin);
	assert_null(hs_bin_checkout(&bin, ME, &waits));
	assert_int_equal(row.n_nonfull, 0);
	assert_int_equal(row.n_checkouts, 2);
	assert_int_equal(row.n_returns, 2);
	/* a span that was recycled as another class while its bin's lock was waited for */
	a.klass = 1;
	a.xowner = HS_OWNER_BIN;
	assert_false(hs_bin_claim(&bin, &a, ME, &waits));
	/* a span with samples keeps its flag with its new owner */
	b.xn_samples = 3;
	hs_bin_return(&bin, &b, &waits);
	assert_int_equal(b.xowner, HS_OWNER_BIN);
	assert_ptr_equal(hs_bin_checkout(&bin, ME, &waits), &b);
	assert_int_equal(b.xowner, ME | HS_OWNER_SAMPLED);
}

/* ---- threads ---- */

static struct hs_bin shared;
static struct hs_span spans[16];
static uint32_t held[16];

static void *juggle(void *arg)
{
	struct hs_waited mine = {0};
	struct hs_prng prng;

	hs_prng_init(&prng, (uintptr_t)arg);
	for (unsigned i = 0; i < MODEL_STEPS(40000u); i++) {
		struct hs_span *s = &spans[hs_prng_next(&prng) % 16];

		if (i % 2 == 0)
			s = hs_bin_checkout(&shared, (uintptr_t)arg, &mine);
		else if (!hs_bin_claim(&shared, s, (uintptr_t)arg, &mine))
			s = NULL;
		if (s == NULL)
			continue;
		must(hs_add_relaxed(&held[s - spans], 1) == 0);
		must(s->xowner == (uintptr_t)arg);
		hs_sub_relaxed(&held[s - spans], 1);
		hs_bin_return(&shared, s, &mine);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[3];

	row = (struct heapspy_bin){0};
	hs_bin_init(&shared, 0, &lock_row, &row);
	for (unsigned i = 0; i < 16; i++) {
		setup_span(&spans[i]);
		hs_bin_return(&shared, &spans[i], &waits);
	}
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, juggle, (void *)((i + 1) * 64)), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	hs_bin_check(&shared);
	assert_int_equal(row.n_nonfull, 16);
	assert_int_equal(row.n_returns, row.n_checkouts + 16);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hands),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
