/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sym/symbolize.h"
#include "sym/symcache.h"

static void test_strings(void **state)
{
	struct ht_strtab tab = { 0 };
	const char *first[1000];
	char text[32];

	assert_null(ht_strtab_intern(&tab, NULL));
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "name %d", i);
		first[i] = ht_strtab_intern(&tab, text);
		assert_string_equal(first[i], text);
	}
	assert_int_equal(tab.n, 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "name %d", i);
		assert_ptr_equal(ht_strtab_intern(&tab, text), first[i]);
	}
	assert_int_equal(tab.n, 1000);
	assert_non_null(ht_strtab_intern(&tab, ""));
	ht_strtab_done(&tab);
	ht_strtab_done(&tab);
	ht_strtab_done(NULL);
}

static void test_addresses(void **state)
{
	struct ht_addrcache cache = { 0 };
	struct ht_sym_frame frames[2] = { { .line = 1 }, { .line = 2 } };

	assert_null(ht_addrcache_find(&cache, 7));
	for (uint64_t i = 0; i < 5000; i++) {
		frames[0].offset = i;
		assert_non_null(ht_addrcache_add(&cache, i << 12, frames, 1 + i % 2));
	}
	assert_int_equal(cache.n, 5000);
	for (uint64_t i = 0; i < 5000; i++) {
		const struct ht_addrcache_entry *e = ht_addrcache_find(&cache, i << 12);

		assert_non_null(e);
		assert_int_equal(e->n_frames, 1 + i % 2);
		assert_int_equal(e->frames[0].offset, i);
	}
	assert_null(ht_addrcache_find(&cache, 1));
	frames[0].line = 9;
	ht_addrcache_add(&cache, 0, frames, 1); /* again: replaced */
	assert_int_equal(cache.n, 5000);
	assert_int_equal(ht_addrcache_find(&cache, 0)->frames[0].line, 9);
	ht_addrcache_done(&cache);
	ht_addrcache_done(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
