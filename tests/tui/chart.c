/* SPDX-License-Identifier: MIT */
/* Charts against strings: base zero, gaps stay gaps, small parts stay visible, scales do not jump. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/chart.h"

static int failures;

static void expect_text(struct ht_canvas *canvas, const char *name, const char *want)
{
	char *text = NULL, *planes;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ht_canvas_dump(canvas, out);
	fclose(out);
	planes = strstr(text, "--\n");
	if (planes)
		*planes = '\0';
	if (strcmp(text, want) != 0) {
		fprintf(stderr, "%s:\n%swanted:\n%s", name, text, want);
		failures++;
	}
	free(text);
	ht_canvas_done(canvas);
}

static void expect(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s\n", what);
		failures++;
	}
}

static void sparks(void)
{
	const double values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, NAN, 8 };
	struct ht_canvas c;

	ht_canvas_init(&c, 1, 12, true);
	ht_chart_spark(&c, 0, 0, 12, values, 11, 8, HT_ROLE_CHART);
	expect_text(&c, "spark", " ▁▁▂▃▄▅▆▇█ █\n");
	ht_canvas_init(&c, 1, 12, false);
	ht_chart_spark(&c, 0, 0, 12, values, 11, 8, HT_ROLE_CHART);
	expect_text(&c, "spark in ASCII", " ..:-=+*%# #\n");
	ht_canvas_init(&c, 1, 12, false);
	ht_chart_spark(&c, 0, 0, 3, values, 11, 8, HT_ROLE_CHART);
	expect_text(&c, "spark shows the newest", "# #\n");
}

static void stacks(void)
{
	const struct ht_bar_part parts[] = { { 90, 0x2588, '|', HT_ROLE_BAR_A },
					     { 8, 0x2593, '#', HT_ROLE_BAR_B },
					     { 2, 0x2592, '.', HT_ROLE_BAR_C },
					     { -5, '?', '?', HT_ROLE_WARN } };
	struct ht_canvas c;

	ht_canvas_init(&c, 1, 20, true);
	ht_chart_stack(&c, 0, 0, 20, parts, 4, 100);
	expect_text(&c, "stack", "█████████████████▓▓▒\n");
	ht_canvas_init(&c, 1, 20, false);
	ht_chart_stack(&c, 0, 0, 10, parts, 4, 200);
	expect_text(&c, "stack of half the total", "||||#\n");
	ht_canvas_init(&c, 1, 20, false);
	ht_chart_stack(&c, 0, 0, 10, parts, 4, 0);
	expect_text(&c, "stack of nothing", "\n");
}

static void areas(void)
{
	const double rss[] = { 4, 8, NAN, 6, 6 }, live[] = { 2, 4, NAN, 3, 5 };
	struct ht_chart_area area = { rss, live, 5, 8, HT_ROLE_CHART, HT_ROLE_BAR_A };
	struct ht_canvas c;

	ht_canvas_init(&c, 2, 6, true);
	ht_chart_area(&c, (struct ht_rect){ 0, 0, 2, 6 }, &area);
	expect_text(&c, "area", "  ░ ░▂\n ▄█ ▆█\n");
	ht_canvas_init(&c, 2, 6, false);
	ht_chart_area(&c, (struct ht_rect){ 0, 0, 2, 6 }, &area);
	expect_text(&c, "area in ASCII", "  . .:\n =# *#\n");
	ht_canvas_init(&c, 2, 6, false);
	ht_chart_area(&c, (struct ht_rect){ 0, 4, 2, 9 }, &area);
	expect_text(&c, "area beyond the edge is cut", "\n\n");
}

static void texts(void)
{
	struct ht_canvas c;

	ht_canvas_init(&c, 1, 12, true);
	ht_canvas_middle(&c, 0, 0, 12, HT_ROLE_TEXT, "/usr/lib/libexample.so");
	expect_text(&c, "path cut in the middle", "/us…ample.so\n");
	ht_canvas_init(&c, 1, 12, false);
	ht_canvas_text(&c, 0, 0, 6, HT_ROLE_TEXT, "zmalloc_usable");
	expect_text(&c, "text cut at the end", "zmall~\n");
	ht_canvas_init(&c, 1, 12, true);
	ht_canvas_text(&c, 0, 0, 12, HT_ROLE_TEXT,
		       "a\033[31mb\xff\xc3"
		       "c");
	expect_text(&c, "escapes and broken UTF-8", "a?[31mb??c\n");
	ht_canvas_init(&c, 3, 8, true);
	expect(ht_canvas_paragraph(&c, (struct ht_rect){ 0, 0, 3, 8 }, HT_ROLE_TEXT, "one two three") == 2,
	       "two lines");
	expect_text(&c, "paragraph", "one two\nthree\n\n");
	ht_canvas_init(&c, 1, 3, true);
	ht_canvas_put(&c, -1, 5, 'x', HT_ROLE_TEXT);
	ht_canvas_text(&c, 0, -2, 5, HT_ROLE_TEXT, "abcde");
	expect_text(&c, "left of the clip", "cde\n");
}

int main(void)
{
	sparks();
	stacks();
	areas();
	texts();
	expect(ht_chart_scale(0, 1000) == 1024, "scale is a power of two");
	expect(ht_chart_scale(0, 1024) == 1024, "an exact power is enough");
	expect(ht_chart_scale(1024, 1025) == 2048, "it grows at once");
	expect(ht_chart_scale(2048, 900) == 2048, "it keeps a scale that is somewhat large");
	expect(ht_chart_scale(2048, 600) == 1024, "it shrinks when the picture is flat");
	expect(ht_chart_scale(0, 0) > 0, "no data, still a scale");
	return failures ? 1 : 0;
}
