/* SPDX-License-Identifier: MIT */
/*
 * canvas.h - a grid of characters and roles that views draw on.
 *
 * Views say what a cell means (a role), never which colour it gets; the terminal maps roles to attributes,
 * and tests print both planes.  So no view needs a terminal, and a wrong colour shows up in a diff.
 *
 * Layer:   tui/ (uses util/)
 * Memory:  cells belong to the canvas; ht_canvas_done() frees them
 * Errors:  drawing outside the clip is cut off silently; control characters never reach a cell
 */
#ifndef HT_TUI_CANVAS_H
#define HT_TUI_CANVAS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a cell means.  term.c alone knows how each looks; dumps show one letter for each. */
enum ht_role {
	HT_ROLE_TEXT,
	HT_ROLE_DIM,
	HT_ROLE_TITLE,
	HT_ROLE_HEADER,
	HT_ROLE_SORTED,
	HT_ROLE_SELECTED,
	HT_ROLE_KEY,
	HT_ROLE_GOOD,
	HT_ROLE_WARN,
	HT_ROLE_BAD,
	HT_ROLE_BAR_A,
	HT_ROLE_BAR_B,
	HT_ROLE_BAR_C,
	HT_ROLE_CHART,
	HT_N_ROLES
};

struct ht_rect {
	int y, x, rows, cols;
};

struct ht_glyph {
	uint32_t ch;  /* code point; 0 is the right half of a wide character */
	uint8_t role; /* enum ht_role */
};

/* cells holds rows * cols glyphs, row by row; clip always lies inside the grid. */
struct ht_canvas {
	int rows, cols;
	bool utf8; /* false: only ASCII reaches a cell */
	struct ht_rect clip;
	struct ht_glyph *cells;
};

/* Makes an erased canvas; 0 or -ENOMEM.  Sizes below 1 become 1. */
int ht_canvas_init(struct ht_canvas *canvas, int rows, int cols, bool utf8);
/* Accepts NULL and a zeroed canvas. */
void ht_canvas_done(struct ht_canvas *canvas);
/* Blanks everything and lifts the clip. */
void ht_canvas_erase(struct ht_canvas *canvas);
/* Restricts drawing to `rect` cut to the grid; returns the clip before. */
struct ht_rect ht_canvas_clip(struct ht_canvas *canvas, struct ht_rect rect);
/* The cell, NULL outside the grid. */
const struct ht_glyph *ht_canvas_at(const struct ht_canvas *canvas, int y, int x);

/* One character of width 1. */
void ht_canvas_put(struct ht_canvas *canvas, int y, int x, uint32_t ch, enum ht_role role);
/*
 * UTF-8 text in at most `cols` columns; longer text ends in an ellipsis.  Control characters become '?', what
 * the terminal cannot show as well.  Returns the columns used.
 */
int ht_canvas_text(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text);
int ht_canvas_textf(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
/* The same, flush right in `cols` columns. */
void ht_canvas_right(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text);
/* Cuts in the middle when too long, so that both ends of a path stay. */
int ht_canvas_middle(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text);
/* Paragraph in `rect` broken at blanks; returns the lines it needs, which may be more than the rectangle has. */
int ht_canvas_paragraph(struct ht_canvas *canvas, struct ht_rect rect, enum ht_role role, const char *text);
void ht_canvas_fill(struct ht_canvas *canvas, struct ht_rect rect, uint32_t ch, enum ht_role role);
/* Gives the cells of `rect` another role and keeps their characters. */
void ht_canvas_paint(struct ht_canvas *canvas, struct ht_rect rect, enum ht_role role);

/* Columns that `text` takes on this canvas. */
int ht_canvas_width(const struct ht_canvas *canvas, const char *text);
/* `wide` where the canvas shows UTF-8, else `narrow`. */
const char *ht_canvas_pick(const struct ht_canvas *canvas, const char *wide, const char *narrow);

/* Letter of a role in the second plane of a dump. */
char ht_role_letter(enum ht_role role);
/* Text plane, a line "--", role plane; blanks at line ends are cut. */
void ht_canvas_dump(const struct ht_canvas *canvas, FILE *out);

#endif /* HT_TUI_CANVAS_H */
