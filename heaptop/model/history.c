/* SPDX-License-Identifier: MIT */
/*
 * history.c - one line of time out of three rings and the viewer's own points.
 *
 * Coarse rings reach back further; each is used for the time before the finer one begins.  The library ticks
 * on slow paths, so an idle process leaves holes, which the viewer's own points fill.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "util/mem.h"

#define SECOND UINT64_C(1000000000)

static struct ht_point point_of(const struct heapspy_history *h)
{
	return (struct ht_point){ .realtime_ns = h->realtime_ns,
				  .rss_bytes = h->rss_bytes,
				  .live_bytes = h->live_bytes,
				  .live_objects = h->live_objects,
				  .allocated_bytes = h->allocated_bytes,
				  .span_free_bytes = h->span_free_bytes,
				  .thread_cache_bytes = h->thread_cache_bytes,
				  .dirty_bytes = h->dirty_bytes,
				  .retained_bytes = h->retained_bytes };
}

/* Adds the points of a ring that are newer than the last one taken and older than `until`. */
static size_t take_ring(struct ht_point *out, size_t n, const struct heapspy_history *ring, size_t n_ring,
			uint64_t until, uint64_t step)
{
	for (size_t i = 0; i < n_ring; i++) {
		uint64_t t = ring[i].realtime_ns, last = n ? out[n - 1].realtime_ns : 0;

		if (t <= last || t >= until)
			continue;
		out[n] = point_of(&ring[i]);
		/* three steps: a late tick is no gap */
		out[n].gap = n && t - last > 3 * step;
		n++;
	}
	return n;
}

static uint64_t first_time(const struct heapspy_history *ring, size_t n)
{
	return n ? ring[0].realtime_ns : UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Merges the viewer's points in where no ring has one within half a second. */
static size_t merge_seen(struct ht_point *out, const struct ht_point *ring, size_t n, const struct ht_build *in)
{
	size_t i = 0, k = 0, w = 0;

	while (i < n || k < in->n_seen) {
		if (k == in->n_seen || (i < n && ring[i].realtime_ns <= in->seen[k].realtime_ns)) {
			out[w] = ring[i++];
			if (w && out[w].gap && out[w].realtime_ns - out[w - 1].realtime_ns < 5 * SECOND)
				out[w].gap = false;
			w++;
			continue;
		}
		uint64_t t = in->seen[k].realtime_ns;
		bool near_before = w && t - out[w - 1].realtime_ns < SECOND / 2;
		bool near_after = i < n && ring[i].realtime_ns - t < SECOND / 2;

		if (!near_before && !near_after) {
			out[w] = in->seen[k];
			out[w].gap = w && t - out[w - 1].realtime_ns > 30 * SECOND;
			w++;
		}
		k++;
	}
	return w;
}

void ht_build_history(struct ht_model *m, const struct ht_build *in)
{
	const struct ht_snap *s = in->snap;
	size_t most = s->n_history_1h + s->n_history_1m + s->n_history_1s;
	struct ht_point *ring = ht_xcalloc(most, sizeof(*ring));
	uint64_t fine = first_time(s->history_1s, s->n_history_1s);
	uint64_t minute = earlier(fine, first_time(s->history_1m, s->n_history_1m));
	size_t n = take_ring(ring, 0, s->history_1h, s->n_history_1h, minute, 3600 * SECOND);

	n = take_ring(ring, n, s->history_1m, s->n_history_1m, fine, 60 * SECOND);
	n = take_ring(ring, n, s->history_1s, s->n_history_1s, UINT64_MAX, SECOND);
	m->history = ht_xcalloc(n + in->n_seen + 1, sizeof(*m->history));
	m->n_history = merge_seen(m->history, ring, n, in);
	free(ring);
}

double ht_history_slope(const struct ht_model *m, size_t field_at, uint64_t window_ns)
{
	size_t first = m->n_history;
	double st = 0, sv = 0, stt = 0, stv = 0, n = 0;

	if (!m->n_history)
		return NAN;
	uint64_t newest = m->history[m->n_history - 1].realtime_ns;
	while (first > 0 && newest - m->history[first - 1].realtime_ns <= window_ns)
		first--;
	for (size_t i = first; i < m->n_history; i++) {
		uint64_t v;

		memcpy(&v, (const char *)&m->history[i] + field_at, sizeof(v));
		if (v == HT_UNKNOWN)
			continue;
		/* seconds before the newest point: small numbers keep the digits */
		double t = -(double)(newest - m->history[i].realtime_ns) / (double)SECOND;
		n++;
		st += t;
		sv += (double)v;
		stt += t * t;
		stv += t * (double)v;
	}
	double d = n * stt - st * st;
	return n < 3 || d <= 0 ? NAN : (n * stv - st * sv) / d;
}
