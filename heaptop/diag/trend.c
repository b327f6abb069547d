/* SPDX-License-Identifier: MIT */
#include "diag/trend.h"

#include <math.h>
#include <stdlib.h>

#include "model/model.h"

#define WINDOWS 8
#define POINTS_MIN 8
#define SECONDS_MIN 5.0

double ht_value_live(const struct ht_point *point)
{
	return (double)point->live_bytes;
}

double ht_value_free_slots(const struct ht_point *point)
{
	return (double)point->span_free_bytes + (double)point->thread_cache_bytes;
}

double ht_value_thread_cache(const struct ht_point *point)
{
	return (double)point->thread_cache_bytes;
}

double ht_value_dirty(const struct ht_point *point)
{
	return (double)point->dirty_bytes;
}

double ht_value_outside(const struct ht_point *point)
{
	double heap = (double)point->live_bytes + (double)point->span_free_bytes + (double)point->thread_cache_bytes +
		      (double)point->dirty_bytes;

	return fmax((double)point->rss_bytes - heap, 0);
}

static double seconds_between(const struct ht_point *a, const struct ht_point *b)
{
	return ((double)b->realtime_ns - (double)a->realtime_ns) / 1e9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median of the slopes of all pairs: one window of start-up, or one of a burst, does not bend it. */
static double theil_sen(const double *x, const double *y, size_t n)
{
	double slopes[WINDOWS * (WINDOWS - 1) / 2];
	size_t n_slopes = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (x[j] > x[i])
				slopes[n_slopes++] = (y[j] - y[i]) / (x[j] - x[i]);
	if (n_slopes == 0)
		return 0;
	qsort(slopes, n_slopes, sizeof(*slopes), by_value);
	return n_slopes % 2 ? slopes[n_slopes / 2] : (slopes[n_slopes / 2 - 1] + slopes[n_slopes / 2]) / 2;
}

static double mann_kendall(const double *y, size_t n)
{
	double s = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			s += (y[j] > y[i]) - (y[j] < y[i]);
	return s / ((double)n * (double)(n - 1) / 2);
}

bool ht_trend_of(const struct ht_point *points, size_t n, double seconds, ht_value_fn *value, struct ht_trend *ret)
{
	double when[WINDOWS], trough[WINDOWS], width;
	size_t first = 0, used = 0;

	while (seconds > 0 && first + 1 < n && seconds_between(&points[first], &points[n - 1]) > seconds)
		first++;
	if (n - first < POINTS_MIN)
		return false;
	ret->seconds = seconds_between(&points[first], &points[n - 1]);
	if (!(ret->seconds >= SECONDS_MIN))
		return false;
	width = ret->seconds / WINDOWS;
	for (size_t w = 0, i = first; w < WINDOWS; w++) {
		double least = INFINITY, at = 0;

		for (; i < n; i++) {
			double t = seconds_between(&points[first], &points[i]), v = value(&points[i]);

			if (w + 1 < WINDOWS && t >= width * (double)(w + 1))
				break;
			if (v < least) {
				least = v;
				at = t;
			}
		}
		if (isfinite(least)) { /* a window without points: a pause of the target */
			when[used] = at;
			trough[used++] = least;
		}
	}
	if (used < WINDOWS / 2)
		return false;
	ret->slope = theil_sen(when, trough, used);
	ret->late_slope = theil_sen(when + used / 2, trough + used / 2, used - used / 2);
	ret->rise = ret->slope * ret->seconds;
	ret->order = mann_kendall(trough, used);
	return true;
}

double ht_trend_held_s(const struct ht_point *points, size_t n, ht_value_fn *value, double threshold)
{
	size_t i = n;

	while (i > 0 && value(&points[i - 1]) >= threshold) {
		i--;
		if (points[i].gap) /* nobody knows what was before */
			break;
	}
	return i < n ? fmax(seconds_between(&points[i], &points[n - 1]), 0) : 0;
}

double ht_trend_peak(const struct ht_point *points, size_t n, ht_value_fn *value)
{
	double peak = 0;

	for (size_t i = 0; i < n; i++)
		peak = fmax(peak, value(&points[i]));
	return peak;
}
