/* SPDX-License-Identifier: MIT */
/* meta - zeroed, aligned, apart, counted; and NULL when there is nothing left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/meta.h"
#include "model.h"

static void test_pieces(void **state)
{
	static struct {
		unsigned char *p;
		size_t bytes;
	} got[4000];
	struct hs_meta meta;
	uint64_t counter = 0, sum = 0;
	struct hs_prng prng;

	hs_prng_init(&prng, 1);
	hs_meta_init(&meta, NULL, &counter);
	for (unsigned i = 0; i < 4000; i++) {
		size_t align = (size_t)1 << hs_prng_next(&prng) % 13;

		got[i].bytes = 1 + hs_prng_next(&prng) % (i % 100 == 0 ? 600000 : 3000);
		got[i].p = hs_meta_alloc(&meta, got[i].bytes, align);
		assert_non_null(got[i].p);
		assert_int_equal((uintptr_t)got[i].p % align, 0);
		model_verify_zero(got[i].p, got[i].bytes);
		memset(got[i].p, (int)(i % 255 + 1), got[i].bytes);
		sum += got[i].bytes;
	}
	for (unsigned i = 0; i < 4000; i++) { /* none was written by another */
		assert_int_equal(got[i].p[0], i % 255 + 1);
		assert_int_equal(got[i].p[got[i].bytes - 1], i % 255 + 1);
	}
	assert_true(counter >= sum && counter < sum + 4000 * 4096);
}

static void exhausted(void *arg)
{
	struct rlimit limit = {1 << 20, 1 << 20}; /* less than is mapped already */
	struct hs_meta meta;
	uint64_t counter = 0;

	hs_meta_init(&meta, NULL, &counter);
	must(hs_meta_alloc(&meta, 100, 16) != NULL);
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	for (unsigned i = 0; hs_meta_alloc(&meta, 1000, 16) != NULL; i++)
		must(i < 1000);
	must(hs_meta_alloc(&meta, 1 << 20, 16) == NULL);
	must(counter > 100000); /* the chunk was used to its end */
}

static void test_exhausted(void **state)
{
	if (HS_TSAN)
		skip(); /* its run-time library needs memory of its own */
	assert_int_equal(model_in_child(exhausted, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_exhausted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
