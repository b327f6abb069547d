/* SPDX-License-Identifier: MIT */
/*
 * chart.h - sparkline, stacked bar and area plot, each with its scale.
 *
 * Zero is the base of every chart.  A gap in the data (NAN) is drawn as a gap, not as zero.  The newest
 * value is at the right.
 *
 * Layer:   tui/ (uses canvas.h)
 */
#ifndef HT_TUI_CHART_H
#define HT_TUI_CHART_H

#include <stddef.h>
#include <stdint.h>

#include "tui/canvas.h"

/*
 * Scale for a greatest value: a power of two at or above `max`.  It grows at once and shrinks only when
 * `max` is below a third of `before`, so the picture does not jump.  `before` 0: no scale yet.
 */
double ht_chart_scale(double before, double max);

/* One row, eight levels; the last `cols` of `n` values. */
void ht_chart_spark(struct ht_canvas *canvas, int y, int x, int cols, const double *values, size_t n, double scale,
		    enum ht_role role);

/* One part of a stacked bar. */
struct ht_bar_part {
	double value;
	uint32_t glyph, ascii;
	enum ht_role role;
};

/*
 * Parts side by side in proportion to `total`; every part above zero that rounds to nothing gets a cell as
 * long as there is one to take from the greatest.  What is left of `cols` stays blank.
 */
void ht_chart_stack(struct ht_canvas *canvas, int y, int x, int cols, const struct ht_bar_part *parts, size_t n,
		    double total);

/* Area of `back` with the area of `front` over it, one value a column; the columns are flush right. */
struct ht_chart_area {
	const double *back, *front; /* front may be NULL */
	size_t n;
	double scale;
	enum ht_role back_role, front_role;
};
void ht_chart_area(struct ht_canvas *canvas, struct ht_rect rect, const struct ht_chart_area *area);

#endif /* HT_TUI_CHART_H */
