/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "views/cursor.h"
#include "views/draw.h"

#define KEYS_COLS 18

static void draw(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	static const char *const words[] = {
		"",
		"in use    bytes the program holds (exact, usable size)",
		"rss       what the kernel says is resident; the ledger's parts add up to it",
		"wss       what was touched during the last measurement (w)",
		"pinned    free bytes of half-empty spans that a site's objects hold in place",
		"\xc2\xb1         standard error of a sampled figure; dim rows have fewer than 10 samples",
		"!! ! i    critical, warning, information",
	};
	size_t n_keys, n_words = sizeof(words) / sizeof(words[0]);
	const struct ht_binding *keys = ht_keymap(&n_keys);
	struct ht_cursor *list = &screen->lists[HT_VIEW_HELP];
	struct ht_rect r = layout->body;

	ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_HEADER, "KEYS, AND WORDS BELOW THEM");
	r.y++;
	r.rows--;
	ht_cursor_scroll(list, n_keys + n_words, r.rows);
	for (int i = 0; i < r.rows; i++) {
		size_t at = list->top + (size_t)i;
		char names[64];

		if (at < n_keys) {
			ht_canvas_text(canvas, r.y + i, r.x + 1, KEYS_COLS - 1, HT_ROLE_SORTED,
				       ht_binding_keys(&keys[at], names, sizeof(names)));
			ht_canvas_text(canvas, r.y + i, r.x + 1 + KEYS_COLS, r.cols - KEYS_COLS - 1, HT_ROLE_TEXT,
				       keys[at].help);
		} else if (at < n_keys + n_words) {
			const char *text = words[at - n_keys];

			if (!canvas->utf8 && (unsigned char)text[0] == 0xc2)
				ht_canvas_textf(canvas, r.y + i, r.x + 1, r.cols - 1, HT_ROLE_TEXT, "~%s", text + 2);
			else
				ht_canvas_text(canvas, r.y + i, r.x + 1, r.cols - 1, HT_ROLE_TEXT, text);
		}
	}
	if (list->top + (size_t)r.rows < n_keys + n_words)
		ht_canvas_right(canvas, layout->body.y, r.x, r.cols - 1, HT_ROLE_DIM, "more below");
}

const struct ht_view ht_tab_help = {
	.id = HT_VIEW_HELP,
	.title = "Help",
	.layout = HT_LAYOUT_TEXT,
	.draw = draw,
};
