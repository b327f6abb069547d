/* SPDX-License-Identifier: MIT */
/*
 * draw.h - pieces that several views draw.
 *
 * Layer:   views/
 */
#ifndef HT_VIEWS_DRAW_H
#define HT_VIEWS_DRAW_H

#include "tui/chart.h"
#include "views/view.h"

/* Text from the target: escaped first. */
int ht_draw_foreign(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text);
/* "512.0K" becomes "512K": for round figures of a configuration or a scale.  In place. */
char *ht_draw_short(char *figure);
/* Mark and role of a severity: "!!" BAD, "!" WARN, "i" DIM. */
const char *ht_draw_severity(enum ht_severity severity, enum ht_role *ret_role);
/* Glyphs and values of the ledger's parts as a bar.  `ret` has HT_N_PARTS elements. */
void ht_draw_parts(const struct ht_model *model, struct ht_bar_part *ret);
/* The frame around the body: title, headline, meters, bar, spark, tabs. */
void ht_draw_frame(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout);
/* Keys of the view, or the prompt, or the message. */
void ht_draw_bottom(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout);
/* Sort menu and questions, over the body. */
void ht_draw_popup(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout);
/* The table of the screen's view: header, rows, detail; draw() of all table views. */
void ht_draw_table(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout);
/* Builds the table of the screen's view if it is not current; keys act on what they would see. */
void ht_draw_table_sync(struct ht_screen *screen);
/* One frame of a stack as "function file:line" (or module+offset) in `cols`. */
void ht_draw_stack_frame(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role,
			 const struct ht_sym_frame *frame);

/* What of the history a chart draws. */
enum ht_series { HT_SERIES_RSS, HT_SERIES_LIVE, HT_SERIES_RATE };
/*
 * `n` values, one for each `step_ns`, ending now; NAN where there is nothing to know.  Returns the greatest.
 */
double ht_draw_series(const struct ht_model *model, enum ht_series series, uint64_t step_ns, size_t n, double *ret);
/* A step, in whole seconds, with which `n` values show `span_ns`. */
uint64_t ht_draw_step(uint64_t span_ns, size_t n);
/* From the oldest point to the newest. */
uint64_t ht_draw_history_span(const struct ht_model *model);

#endif /* HT_VIEWS_DRAW_H */
