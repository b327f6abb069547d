/* SPDX-License-Identifier: MIT */
/*
 * shot SEGMENT|- SCRIPT COLSxROWS... - draws the screen of a recorded segment after a key script, without a
 * terminal: text plane and role plane for each size, in UTF-8 and in ASCII.  "-" is the chooser.
 *
 * Several scripts in turn: SCRIPT may hold "|"; the screen is drawn once for each part, at the first size.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag/findings.h"
#include "keys.h"
#include "model/source.h"

static const struct ht_list_entry choices[] = {
	{ .pid = 4711,
	  .comm = "redis-server",
	  .state = HT_LIST_LIVE,
	  .path = "/dev/shm/heapspy-4711-1",
	  .rss_bytes = 1717986918,
	  .live_bytes = 1331439862,
	  .age_ns = UINT64_C(11520000000000) },
	{ .pid = 815,
	  .comm = "evil\033[31m\n",
	  .state = HT_LIST_DENIED,
	  .path = "/dev/shm/heapspy-815-1",
	  .rss_bytes = UINT64_MAX,
	  .live_bytes = UINT64_MAX,
	  .age_ns = UINT64_MAX },
	{ .pid = 99,
	  .comm = "crashed",
	  .state = HT_LIST_DEAD,
	  .path = "/dev/shm/heapspy-99-1",
	  .rss_bytes = 1 << 20,
	  .live_bytes = 1 << 19,
	  .age_ns = UINT64_C(60000000000) },
};

static void shoot(struct ht_screen *screen, const char *size, bool utf8)
{
	struct ht_canvas canvas;
	int rows = 0, cols = 0;

	if (sscanf(size, "%dx%d", &cols, &rows) != 2) {
		fprintf(stderr, "shot: '%s' is no COLSxROWS\n", size);
		exit(2);
	}
	if (ht_canvas_init(&canvas, rows, cols, utf8) < 0)
		exit(2);
	ht_screen_draw(screen, &canvas);
	printf("== %s %s\n", size, utf8 ? "UTF-8" : "ASCII");
	ht_canvas_dump(&canvas, stdout);
	ht_canvas_done(&canvas);
}

static void run_scripts(struct ht_screen *screen, char *script, int n_sizes, char **sizes)
{
	char *part, *rest = script;
	bool many = strchr(script, '|') != NULL;

	while ((part = strsep(&rest, "|"))) {
		if (!keys_feed(screen, part)) {
			printf("== quit\n");
			return;
		}
		if (many) {
			printf("== after '%s'\n", part);
			shoot(screen, sizes[0], true);
			continue;
		}
		for (int i = 0; i < n_sizes; i++) {
			shoot(screen, sizes[i], true);
			shoot(screen, sizes[i], false);
		}
	}
}

int main(int argc, char **argv)
{
	struct ht_screen screen;
	struct ht_source *source = NULL;
	struct ht_findings findings = { 0 };
	const struct ht_model *model = NULL;
	struct ht_err err = { 0 };

	if (argc < 4) {
		fprintf(stderr, "usage: shot SEGMENT|- SCRIPT COLSxROWS...\n");
		return 2;
	}
	setlocale(LC_ALL, "C.UTF-8");
	ht_screen_init(&screen);
	if (strcmp(argv[1], "-") == 0) {
		ht_screen_set_choices(&screen, choices, sizeof(choices) / sizeof(choices[0]));
	} else {
		if (ht_source_open_file(&source, argv[1], &err) < 0 || ht_source_refresh(source, &model, &err) < 0) {
			ht_err_print(stderr, &err);
			return 2;
		}
		ht_findings_run(&findings, model, ht_source_sym(source));
		ht_screen_set_frame(&screen, model, &findings, ht_source_sym(source));
	}
	run_scripts(&screen, argv[2], argc - 3, argv + 3);
	ht_screen_done(&screen);
	ht_findings_done(&findings);
	ht_source_close(source);
	return 0;
}
