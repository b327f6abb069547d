/* SPDX-License-Identifier: MIT */
/* Units, escapes and cuts. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/text.h"
#include "util/units.h"

static void bytes_and_counts(void **state)
{
	static const struct {
		double v;
		const char *bytes, *count;
	} cases[] = {
		{ 0, "0", "0" },
		{ 512, "512", "512" },
		{ 999, "999", "999" },
		{ 1023, "1023", "1.0K" },
		{ 1024, "1.0K", "1.0K" },
		{ 536870912, "512.0M", "536.9M" },
		{ 1331439862, "1.24G", "1.33G" },
		{ 11e9, "10.2G", "11.0G" },
		{ -2048, "-2.0K", "-2.0K" },
		{ 1048575, "1.0M", "1.0M" },
		{ 1.1e15, "1000.4T", "1.1P" },
	};
	char a[HT_UNIT_ROOM];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(ht_fmt_bytes(a, cases[i].v), cases[i].bytes);
		assert_string_equal(ht_fmt_count(a, cases[i].v), cases[i].count);
	}
	assert_string_equal(ht_fmt_bytes(a, NAN), "-");
	assert_string_equal(ht_fmt_rate(a, 96574242), "92.1M/s");
	assert_string_equal(ht_fmt_rate(a, NAN), "-");
	assert_string_equal(ht_fmt_percent(a, 0.412), "41.2");
}

static void durations(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} cases[] = {
		{ 120, "120ns" },   { 1500, "1.5us" },	 { 1.5e6, "1.5ms" },   { 45e9, "45s" },
		{ 1.25e9, "1.2s" }, { 60e9, "1m" },	 { 83e9, "1m23s" },    { 11520e9, "3h12m" },
		{ 86400e9, "1d" },  { 90000e9, "1d1h" }, { 2.592e16, "300d" }, { 59.99e9, "59s" },
	};
	char a[HT_UNIT_ROOM];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(ht_fmt_ns(a, cases[i].ns), cases[i].text);
	assert_string_equal(ht_fmt_time(a, UINT64_C(1767369600000000000), true), "2026-01-02 16:00:00");
}

static void parses_only_what_it_should(void **state)
{
	uint64_t v;
	double d;

	assert_true(ht_parse_bytes("512k", &v) && v == 524288);
	assert_true(ht_parse_bytes("1.5M", &v) && v == 1572864);
	assert_true(ht_parse_bytes("7", &v) && v == 7);
	assert_false(ht_parse_bytes("", &v) || ht_parse_bytes("-1", &v) || ht_parse_bytes("1kk", &v) ||
		     ht_parse_bytes("1e300", &v) || ht_parse_bytes("k", &v));
	assert_true(ht_parse_seconds(".5", 0.1, &d) && d == 0.5);
	assert_false(ht_parse_seconds("0", 0.1, &d) || ht_parse_seconds("1s", 0.1, &d) ||
		     ht_parse_seconds("nan", 0, &d) || ht_parse_seconds("", 0, &d));
	assert_true(ht_parse_u64("10", 10, &v));
	assert_false(ht_parse_u64("11", 10, &v) || ht_parse_u64("+1", 10, &v) || ht_parse_u64("1x", 10, &v) ||
		     ht_parse_u64("99999999999999999999999", UINT64_MAX, &v));
}

static void foreign_text_is_harmless(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "a\033[2Jb", "a\\x1b[2Jb" },
		{ "a\nb\tc\rd", "a\\nb\\tc\\x0dd" },
		{ "\x80\xff", "\\x80\\xff" },				 /* no UTF-8 */
		{ "\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80" }, /* overlong, surrogate */
		{ "\xc2\x9b", "\\xc2\\x9b" },				 /* CSI of one character */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae" },			 /* right-to-left override */
		{ "\xe2\x82", "\\xe2\\x82" },				 /* cut */
		{ "", "" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ht_escape(out, sizeof(out), cases[i].in, 64), strlen(cases[i].out));
		assert_string_equal(out, cases[i].out);
	}
	/* never half a character, never over the end */
	for (size_t room = 1; room < 20; room++) {
		size_t n = ht_escape(out, room, "ab\xe2\x82\xac\033cd", 64);
		unsigned code;

		assert_true(n < room && strlen(out) == n);
		for (size_t k = 0, len; k < n; k += len)
			assert_true((len = ht_utf8_char(out + k, n - k, &code)) > 0);
	}
	assert_int_equal(ht_escape(out, sizeof(out), "no end", 3), 3);
}

static void cuts_to_columns(void **state)
{
	static const struct {
		const char *in;
		size_t columns;
		bool middle;
		const char *out;
	} cases[] = {
		{ "abcdef", 6, false, "abcdef" },
		{ "abcdef", 4, false, "abc~" },
		{ "abcdef", 1, false, "~" },
		{ "abcdef", 0, false, "" },
		{ "/usr/lib/libx.so", 9, true, "/usr~x.so" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char s[64];

		strcpy(s, cases[i].in);
		ht_cut(s, cases[i].columns, cases[i].middle, true);
		assert_string_equal(s, cases[i].out);
		assert_true(ht_columns(s) <= cases[i].columns);
	}
	char s[64] = "abcdefgh";
	ht_cut(s, 5, false, false);
	assert_string_equal(s, "abcd\xe2\x80\xa6");
	assert_true(ht_contains("dictExpand", "EXP") && ht_contains("x", "") && !ht_contains("abc", "abcd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_counts),
		cmocka_unit_test(durations),
		cmocka_unit_test(parses_only_what_it_should),
		cmocka_unit_test(foreign_text_is_harmless),
		cmocka_unit_test(cuts_to_columns),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
