/* SPDX-License-Identifier: MIT */
/*
 * The area plot uses eighth blocks, one value a column, and not braille: two areas over each other need a
 * glyph and a role for each cell, and console fonts have the blocks.
 */
#include "tui/chart.h"

#include <math.h>
#include <string.h>

#define N_LEVELS 8
static const char ascii_levels[N_LEVELS + 1] = ".:-=+*%#";

/* Level 1..8 of a cell; 0 is blank. */
static uint32_t level_glyph(const struct ht_canvas *canvas, int level)
{
	if (level <= 0)
		return ' ';
	if (level > N_LEVELS)
		level = N_LEVELS;
	return canvas->utf8 ? 0x2580u + (uint32_t)level : (uint32_t)ascii_levels[level - 1];
}

double ht_chart_scale(double before, double max)
{
	int exponent;
	double mantissa, scale;

	if (!(max > 0))
		return before > 0 ? before : 1;
	mantissa = frexp(max, &exponent); /* max = mantissa * 2^exponent, mantissa in [0.5, 1) */
	scale = mantissa == 0.5 ? max : ldexp(1.0, exponent);
	if (before >= scale && max * 3 >= before)
		return before;
	return scale;
}

void ht_chart_spark(struct ht_canvas *canvas, int y, int x, int cols, const double *values, size_t n, double scale,
		    enum ht_role role)
{
	size_t first = cols > 0 && n > (size_t)cols ? n - (size_t)cols : 0;
	int pad = cols > 0 && n < (size_t)cols ? cols - (int)n : 0;

	for (size_t i = first; i < n; i++) {
		int at = x + pad + (int)(i - first), level;

		if (isnan(values[i]))
			continue;
		level = (int)ceil(values[i] / scale * N_LEVELS);
		/* zero is data and a gap is none: the lowest step tells them apart */
		if (level < 1)
			level = 1;
		ht_canvas_put(canvas, y, at, level_glyph(canvas, level), role);
	}
}

void ht_chart_stack(struct ht_canvas *canvas, int y, int x, int cols, const struct ht_bar_part *parts, size_t n,
		    double total)
{
	int cells[32], sum = 0, at = 0;
	double exact = 0;

	if (n > 32)
		n = 32;
	if (!(total > 0) || cols <= 0)
		return;
	/* ends are rounded, not lengths, so that errors do not add up */
	for (size_t i = 0; i < n; i++) {
		double value = parts[i].value > 0 ? parts[i].value : 0;
		int end;

		exact += value;
		end = (int)lround(exact / total * cols);
		cells[i] = end - sum;
		sum = end;
	}
	for (size_t i = 0; i < n; i++) {
		size_t greatest = 0;

		if (cells[i] > 0 || !(parts[i].value > total / (4.0 * cols)))
			continue;
		for (size_t j = 1; j < n; j++)
			if (cells[j] > cells[greatest])
				greatest = j;
		if (cells[greatest] < 3)
			break;
		cells[greatest]--;
		cells[i]++;
	}
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < cells[i] && at < cols; k++)
			ht_canvas_put(canvas, y, x + at++, canvas->utf8 ? parts[i].glyph : parts[i].ascii,
				      parts[i].role);
}

/* Draws one column of an area from the base up; returns nothing above the value. */
static void column(struct ht_canvas *canvas, struct ht_rect rect, int x, double value, double scale, bool full,
		   enum ht_role role)
{
	int steps;

	if (isnan(value))
		return;
	steps = (int)ceil(value / scale * rect.rows * N_LEVELS);
	if (steps > rect.rows * N_LEVELS)
		steps = rect.rows * N_LEVELS;
	for (int row = 0; row * N_LEVELS < steps; row++) {
		int level = steps - row * N_LEVELS, y = rect.y + rect.rows - 1 - row;
		uint32_t shade = canvas->utf8 ? 0x2591 : '.'; /* light shade */

		if (full)
			ht_canvas_put(canvas, y, x, level_glyph(canvas, level), role);
		else
			ht_canvas_put(canvas, y, x, shade, role);
	}
}

void ht_chart_area(struct ht_canvas *canvas, struct ht_rect rect, const struct ht_chart_area *area)
{
	size_t cols = rect.cols > 0 ? (size_t)rect.cols : 0;
	size_t first = area->n > cols ? area->n - cols : 0;
	int pad = area->n < cols ? (int)(cols - area->n) : 0;
	struct ht_rect before = ht_canvas_clip(canvas, rect);

	if (!(area->scale > 0))
		cols = 0;
	for (size_t i = first; cols && i < area->n; i++) {
		int x = rect.x + pad + (int)(i - first);

		column(canvas, rect, x, area->back[i], area->scale, area->front == NULL, area->back_role);
		if (area->front)
			column(canvas, rect, x, area->front[i], area->scale, true, area->front_role);
	}
	ht_canvas_clip(canvas, before);
}
