/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sym/demangle.h"

static void check(const char *symbol, const char *expected)
{
	char *name = ht_sym_demangle(symbol);

	if (expected) {
		assert_non_null(name);
		assert_string_equal(name, expected);
	} else {
		assert_null(name);
	}
	free(name);
}

static void test_languages(void **state)
{
	check("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back");
	check("_Znwm", "operator new");
	check("_ZN5alloc3vec12Vec$LT$T$GT$4push17h0123456789abcdefE", "alloc::vec::Vec<T>::push");
	check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	check("main", NULL);
	check("", NULL);
	check("_Z", NULL);
	check("_ZN", NULL);
	check("_Znot a symbol", NULL);
}

static void test_hostile(void **state)
{
	char *deep = malloc(20001), name[4000] = "_Z1f";

	/* longer than any real name */
	memset(deep, 'P', 20000);
	deep[20000] = '\0';
	memcpy(deep, "_Z1f", 4);
	check(deep, NULL);
	/* deeper than the recursion that libiberty allows: must come back, whatever it says */
	memset(name + 4, 'P', sizeof(name) - 6);
	name[sizeof(name) - 2] = 'i';
	name[sizeof(name) - 1] = '\0';
	free(ht_sym_demangle(name));
	free(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_languages),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
