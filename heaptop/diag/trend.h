/* SPDX-License-Identifier: MIT */
/*
 * trend.h - does a figure of the history rise, and since when is it high?
 *
 * Growth is judged on troughs: the least value of each of eight windows.  A saw-tooth with level troughs
 * does not grow, however steep its teeth are.
 *
 * Layer:   diag/
 */
#ifndef HT_DIAG_TREND_H
#define HT_DIAG_TREND_H

#include <stdbool.h>
#include <stddef.h>

struct ht_point;

typedef double ht_value_fn(const struct ht_point *point);
ht_value_fn ht_value_live, ht_value_thread_cache, ht_value_dirty;
/* Free slots of all spans, whoever owns them. */
ht_value_fn ht_value_free_slots;
/* RSS without what the heap holds: everything that did not come from malloc. */
ht_value_fn ht_value_outside;

struct ht_trend {
	double seconds;
	double slope;	   /* bytes per second: median slope of all pairs of troughs */
	double late_slope; /* the same over the later half */
	double rise;	   /* slope * seconds: what came at that pace, start-up left out */
	double order;	   /* Mann-Kendall's S over its maximum: 1 always rising, 0 level, -1 falling */
};

/* Over the last `seconds` (0: all); false when there are too few points to say anything. */
bool ht_trend_of(const struct ht_point *points, size_t n, double seconds, ht_value_fn *value, struct ht_trend *ret);

/* For how many seconds up to the newest point the value has not been below `threshold`. */
double ht_trend_held_s(const struct ht_point *points, size_t n, ht_value_fn *value, double threshold);

double ht_trend_peak(const struct ht_point *points, size_t n, ht_value_fn *value);

#endif /* HT_DIAG_TREND_H */
