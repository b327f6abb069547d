/* SPDX-License-Identifier: MIT */
/* rangeset - random histories against a plain array; what is found is big enough and close to best fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/prng.h"
#include "core/rangeset.h"

#define N 3000u

static struct hs_span spans[N];
static bool in[N];
static struct hs_prng prng;

static size_t random_pages(void)
{
	return 1 + hs_prng_next(&prng) % ((size_t)1 << hs_prng_next(&prng) % 21);
}

/* The smallest member that is enough, 0 if there is none. */
static size_t best_fit(size_t n_pages)
{
	size_t best = 0;

	for (unsigned i = 0; i < N; i++)
		if (in[i] && spans[i].n_pages >= n_pages && (best == 0 || spans[i].n_pages < best))
			best = spans[i].n_pages;
	return best;
}

static void check_find(const struct hs_rangeset *set)
{
	size_t want = random_pages(), best = best_fit(want);
	struct hs_span *s = hs_rangeset_find(set, want);

	if (best == 0) {
		assert_null(s);
		return;
	}
	if (s == NULL) {
		/* the one case that one look may miss: only members of the request's own bin are enough */
		assert_true(best <= want + want / 8);
		return;
	}
	assert_true(in[s - spans]);
	assert_true(s->n_pages >= want);
	/* worse than best fit by one bin at most, when the request's own bin was searched in vain */
	assert_true(best <= want + want / 8 || s->n_pages <= best + best / 7 + 1);
}

static void test_random(void **state)
{
	static struct hs_rangeset set;
	size_t pages = 0, n = 0;

	hs_prng_init(&prng, 4);
	assert_null(hs_rangeset_find(&set, 1));
	for (unsigned i = 0; i < 40000; i++) {
		unsigned k = hs_prng_next(&prng) % (i < 20000 ? N : N / 20);

		if (in[k]) {
			hs_rangeset_remove(&set, &spans[k]);
			pages -= spans[k].n_pages;
			n--;
		} else {
			/* addresses in any order, none twice */
			spans[k].base = (char *)(((uintptr_t)1 << 40) + ((uintptr_t)(k * 2654435761u) << 35 >> 3));
			spans[k].n_pages = random_pages();
			hs_rangeset_insert(&set, &spans[k]);
			pages += spans[k].n_pages;
			n++;
		}
		in[k] = !in[k];
		assert_int_equal(set.n_pages, pages);
		if (i % 50 == 0) {
			assert_int_equal(hs_rangeset_check(&set), n);
			check_find(&set);
		}
	}
	for (unsigned k = 0; k < N; k++)
		if (in[k])
			hs_rangeset_remove(&set, &spans[k]);
	assert_int_equal(hs_rangeset_check(&set), 0);
	assert_int_equal(set.n_pages, 0);
}

/* Among ranges of one size, the lowest address serves first. */
static void test_lowest_first(void **state)
{
	static struct hs_rangeset set;
	char *last = NULL;

	for (unsigned k = 0; k < 1000; k++) {
		spans[k] = (struct hs_span){.base = (char *)(uintptr_t)((k * 7919 % 1000 + 1) << 20), .n_pages = 5};
		hs_rangeset_insert(&set, &spans[k]);
	}
	assert_int_equal(hs_rangeset_check(&set), 1000);
	for (unsigned k = 0; k < 1000; k++) {
		struct hs_span *s = hs_rangeset_find(&set, 3 + k % 3);

		assert_non_null(s);
		assert_true(s->base > last);
		last = s->base;
		hs_rangeset_remove(&set, s);
	}
	assert_null(hs_rangeset_find(&set, 1));
}

static void test_extremes(void **state)
{
	static struct hs_rangeset set;
	struct hs_span giant = {.base = (char *)4096, .n_pages = (size_t)1 << 40};
	struct hs_span big = {.base = (char *)8192, .n_pages = (size_t)1 << 30};

	hs_rangeset_insert(&set, &giant);
	hs_rangeset_insert(&set, &big);
	assert_int_equal(hs_rangeset_check(&set), 2);
	assert_ptr_equal(hs_rangeset_find(&set, ((size_t)1 << 30) + 1), &giant);
	assert_ptr_equal(hs_rangeset_find(&set, 1), &big);
	assert_null(hs_rangeset_find(&set, ((size_t)1 << 40) + 1));
	hs_rangeset_remove(&set, &giant);
	hs_rangeset_remove(&set, &big);
	assert_int_equal(hs_rangeset_check(&set), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_lowest_first),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
