/* SPDX-License-Identifier: MIT */
/*
 * The history has points each second, minute and hour, the finer ones for the recent past only.  A chart
 * wants one value for each column: the last point at or before the column's end, NAN within a gap.
 */
#include <math.h>

#include "views/draw.h"

#define SECOND_NS UINT64_C(1000000000)

uint64_t ht_draw_step(uint64_t span_ns, size_t n)
{
	double step_s = 1;

	/* steps of a fifth: the picture fills the width, and changes its scale only now and then */
	while (floor(step_s) * 1e9 * (double)n < (double)span_ns)
		step_s = fmax(step_s + 1, step_s * 1.2);
	return (uint64_t)floor(step_s) * SECOND_NS;
}

uint64_t ht_draw_history_span(const struct ht_model *model)
{
	if (model->n_history < 2)
		return 0;
	return model->history[model->n_history - 1].realtime_ns - model->history[0].realtime_ns;
}

static double level(const struct ht_point *point, enum ht_series series)
{
	uint64_t value = series == HT_SERIES_RSS ? point->rss_bytes : point->live_bytes;

	return value == HT_UNKNOWN ? NAN : (double)value;
}

/* Last point at or before `ns`, starting the search at `*at`; NULL before the first. */
static const struct ht_point *point_at(const struct ht_model *model, uint64_t ns, size_t *at)
{
	while (*at + 1 < model->n_history && model->history[*at + 1].realtime_ns <= ns)
		(*at)++;
	return model->history[*at].realtime_ns <= ns ? &model->history[*at] : NULL;
}

/* Bytes per second around `at`, between two points that are at least a step apart. */
static double rate(const struct ht_model *model, size_t at, uint64_t step_ns)
{
	const struct ht_point *end = &model->history[at], *start;
	size_t i = at;

	if (at == 0)
		return NAN;
	do {
		if (model->history[i].gap)
			return NAN;
		i--;
	} while (i > 0 && end->realtime_ns - model->history[i].realtime_ns < step_ns);
	start = &model->history[i];
	if (end->realtime_ns <= start->realtime_ns || end->allocated_bytes < start->allocated_bytes)
		return NAN;
	return (double)(end->allocated_bytes - start->allocated_bytes) /
	       ((double)(end->realtime_ns - start->realtime_ns) / 1e9);
}

double ht_draw_series(const struct ht_model *model, enum ht_series series, uint64_t step_ns, size_t n, double *ret)
{
	uint64_t end;
	double max = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = NAN;
	if (model->n_history == 0)
		return 0;
	/* columns stand at multiples of the step, else the picture would shimmer with each new point */
	end = (model->history[model->n_history - 1].realtime_ns + step_ns - 1) / step_ns * step_ns;
	for (size_t i = 0; i < n; i++) {
		uint64_t before = (n - 1 - i) * step_ns, ns;
		const struct ht_point *point;

		if (before > end)
			continue;
		ns = end - before;
		point = point_at(model, ns, &at);
		if (!point)
			continue;
		/* between the last point before a gap and the first after it nothing is known */
		if (at + 1 < model->n_history && model->history[at + 1].gap && ns - point->realtime_ns > step_ns &&
		    ns > point->realtime_ns + SECOND_NS)
			continue;
		ret[i] = series == HT_SERIES_RATE ? rate(model, at, step_ns) : level(point, series);
		if (ret[i] > max)
			max = ret[i];
	}
	return max;
}
