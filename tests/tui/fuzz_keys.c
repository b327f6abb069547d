/* SPDX-License-Identifier: MIT */
/*
 * fuzz_keys SECONDS SEED SEGMENT... - random keys and random sizes on recorded segments.  Built with the address
 * and undefined-behaviour sanitizers; it checks that each frame can be drawn, and that the selected row of a
 * table is always on the screen.
 */
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "diag/findings.h"
#include "keys.h"
#include "model/source.h"

static uint64_t state;

static unsigned pick(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % n;
}

static int random_key(void)
{
	static const int special[] = { HT_KEY_TAB,  HT_KEY_BACKTAB, HT_KEY_ENTER,     HT_KEY_ESC,     HT_KEY_UP,
				       HT_KEY_DOWN, HT_KEY_LEFT,    HT_KEY_RIGHT,     HT_KEY_PAGE_UP, HT_KEY_PAGE_DOWN,
				       HT_KEY_HOME, HT_KEY_END,	    HT_KEY_RESIZE,    HT_KEY_UNKNOWN, HT_KEY_F1,
				       HT_KEY_F4,   HT_KEY_F6,	    HT_KEY_BACKSPACE, HT_KEY_CTRL_L,  0x20ac };

	if (pick(3) == 0)
		return special[pick(sizeof(special) / sizeof(special[0]))];
	if (pick(3) == 0)
		return '1' + (int)pick(HT_N_TABS);
	return ' ' + (int)pick(95);
}

static void die(const struct ht_screen *screen, const char *what, int rows, int cols)
{
	fprintf(stderr, "fuzz_keys: %s, view %d, %dx%d\n", what, (int)screen->view, cols, rows);
	exit(1);
}

static void draw_some(struct ht_screen *screen)
{
	int rows = 1 + (int)pick(60), cols = 1 + (int)pick(200);
	const struct ht_cursor *list = &screen->lists[screen->view];
	struct ht_canvas canvas;

	if (ht_canvas_init(&canvas, rows, cols, pick(2)) < 0)
		exit(2);
	ht_screen_draw(screen, &canvas);
	if (rows >= ht_layout_min_rows() && cols >= ht_layout_min_cols() && ht_view_get(screen->view)->table &&
	    list->n_rows > 0) {
		if (list->cursor < list->top || list->cursor >= list->top + (size_t)list->page)
			die(screen, "the selected row is not shown", rows, cols);
		if (list->page < 2)
			die(screen, "the table has no room", rows, cols);
	}
	for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++)
		if (canvas.cells[i].role >= HT_N_ROLES || (canvas.cells[i].ch < ' ' && canvas.cells[i].ch != 0) ||
		    (!canvas.utf8 && canvas.cells[i].ch > 0x7e))
			die(screen, "a cell holds what no terminal must see", rows, cols);
	ht_canvas_done(&canvas);
}

static void press(struct ht_screen *screen)
{
	switch (ht_screen_key(screen, random_key())) {
	case HT_REQ_WSS:
		screen->wss = (struct ht_wss_state){ true, 1, 5 };
		break;
	case HT_REQ_WSS_CANCEL:
		screen->wss.running = false;
		break;
	default:
		break;
	}
}

static void fuzz(const char *path, double seconds)
{
	struct ht_source *source = NULL;
	struct ht_findings findings = { 0 };
	const struct ht_model *model;
	struct ht_screen screen;
	struct ht_err err = { 0 };
	clock_t end = clock() + (clock_t)(seconds * CLOCKS_PER_SEC);
	unsigned n = 0;

	if (ht_source_open_file(&source, path, &err) < 0 || ht_source_refresh(source, &model, &err) < 0) {
		ht_err_print(stderr, &err);
		exit(2);
	}
	ht_findings_run(&findings, model, ht_source_sym(source));
	ht_screen_init(&screen);
	ht_screen_set_frame(&screen, model, &findings, ht_source_sym(source));
	screen.can_measure = true;
	for (; clock() < end; n++) {
		press(&screen);
		/* several keys between two frames, as when one is held down */
		if (pick(4))
			draw_some(&screen);
		if (pick(64) == 0)
			ht_screen_set_frame(&screen, model, &findings, ht_source_sym(source));
	}
	printf("%s: %u keys\n", path, n);
	ht_screen_done(&screen);
	ht_findings_done(&findings);
	ht_source_close(source);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	setlocale(LC_ALL, "C.UTF-8");
	state = strtoull(argv[2], NULL, 10);
	printf("seed %" PRIu64 "\n", state);
	for (int i = 3; i < argc; i++)
		fuzz(argv[i], atof(argv[1]) / (argc - 3));
	return 0;
}
