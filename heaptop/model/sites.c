/* SPDX-License-Identifier: MIT */
/*
 * sites.c - estimates from the samples.
 *
 * An allocation of `size` is sampled with p = 1 - exp(-size / interval) and stands for 1 / p of its kind.  A
 * sum over samples of x / p is an unbiased estimate of the sum of x over all live objects, with the variance
 * sum of x^2 (1 - p) / p^2.  Each sample is unbiased first and added then: its interval is its own.
 *
 * x = 1 gives objects, x = size live bytes, x = usable - size rounding, and x = free bytes of the span / live
 * objects in it the bytes that a site pins.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "util/mem.h"

struct age {
	uint32_t site;
	uint64_t ns;
};

static int by_site_age(const void *a, const void *b)
{
	const struct age *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return (x->ns > y->ns) - (x->ns < y->ns);
}

static double probability(uint64_t size, uint64_t interval)
{
	if (interval <= 1)
		return 1;
	/* expm1: 1 - exp(-x) loses all digits of a small x */
	double p = -expm1(-(double)(size ? size : 1) / (double)interval);
	return p > 0 ? p : 1;
}

/* Free bytes that the object keeps from being given back: its share of the free slots of its span. */
static double pin_of(const struct ht_snap *snap, const struct ht_span_fact *facts, const struct heapspy_sample *x)
{
	if (x->span >= snap->n_spans || !facts[x->span].ok)
		return 0;
	const struct heapspy_span *s = &snap->spans[x->span];
	const struct ht_span_fact *f = &facts[x->span];

	if (s->state != HEAPSPY_SPAN_SMALL || f->cached || !f->live || f->live >= s->n_slots)
		return 0;
	if (x->address < s->base || x->address - s->base >= s->bytes) /* the sample's row is older than the span */
		return 0;
	uint64_t idle = (f->free - f->gathered) * s->slot_bytes - f->hole_bytes;
	return (double)idle / f->live;
}

/* Deeper than any stack that the library records; keeps a forged row from filling a report. */
#define FRAMES_MOST 1024

static void init_sites(struct ht_model *m, const struct ht_snap *snap)
{
	m->sites = ht_xcalloc(snap->n_sites, sizeof(*m->sites));
	m->n_sites = snap->n_sites;
	for (size_t i = 0; i < snap->n_sites; i++) {
		const struct heapspy_site *s = &snap->sites[i];
		struct ht_site *x = &m->sites[i];

		x->id = (uint32_t)i;
		if (s->frame <= snap->n_frames && s->n_frames <= snap->n_frames - s->frame) {
			x->n_frames = s->n_frames < FRAMES_MOST ? s->n_frames : FRAMES_MOST;
			x->frames = snap->frames + s->frame;
		} else {
			m->n_bad_rows++;
		}
		x->truncated = s->flags & HEAPSPY_SITE_TRUNCATED;
		x->allocated_bytes = (double)s->alloc_bytes;
		x->allocated_bytes_se = sqrt((double)s->alloc_var) * 1024;
		x->freed_bytes = (double)s->freed_bytes;
		x->n_alloc_samples = s->n_alloc_samples;
		x->n_free_samples = s->n_free_samples;
		x->n_remote = s->n_remote;
		x->n_temporary = s->n_temporary;
		x->first_ns = s->first_ns;
		x->last_ns = s->last_ns;
	}
}

static void fill_ages(struct ht_model *m, struct age *ages, size_t n)
{
	if (n)
		qsort(ages, n, sizeof(*ages), by_site_age);
	for (size_t i = 0; i < n;) {
		size_t end = i;

		while (end < n && ages[end].site == ages[i].site)
			end++;
		struct ht_site *site = &m->sites[ages[i].site];
		site->median_age_ns = ages[i + (end - i) / 2].ns;
		site->oldest_ns = ages[end - 1].ns;
		i = end;
	}
}

void ht_build_sites(struct ht_model *m, const struct ht_build *in, const struct ht_span_fact *facts)
{
	const struct ht_snap *snap = in->snap;
	struct age *ages = ht_xcalloc(snap->n_samples, sizeof(*ages));
	double rounding_var = 0;
	size_t n = 0;

	init_sites(m, snap);
	for (size_t i = 0; i < snap->n_samples; i++) {
		const struct heapspy_sample *x = &snap->samples[i];

		if (!x->address)
			continue;
		if (x->site >= snap->n_sites || x->size_bytes > x->usable_bytes) {
			m->n_bad_rows++;
			continue;
		}
		struct ht_site *site = &m->sites[x->site];
		double p = probability(x->size_bytes, x->interval_bytes), scale = (1 - p) / (p * p);
		double size = (double)x->size_bytes, slack = (double)(x->usable_bytes - x->size_bytes);
		double pin = pin_of(snap, facts, x);

		site->live_samples++;
		site->live_objects += 1 / p;
		site->live_objects_se += scale; /* variances until the roots are taken below */
		site->live_bytes += size / p;
		site->live_bytes_se += size * size * scale;
		site->pinned_bytes += pin / p;
		site->pinned_bytes_se += pin * pin * scale;
		m->rounding_bytes += slack / p;
		rounding_var += slack * slack * scale;
		if (x->span < snap->n_spans && facts[x->span].ok) {
			uint16_t klass = snap->spans[x->span].klass;

			m->classes[klass < m->n_classes - 1 ? klass : m->n_classes - 1].samples++;
		}
		ages[n++] = (struct age){ x->site, x->birth_ns < m->now_ns ? m->now_ns - x->birth_ns : 0 };
	}
	for (size_t i = 0; i < m->n_sites; i++) {
		m->sites[i].live_objects_se = sqrt(m->sites[i].live_objects_se);
		m->sites[i].live_bytes_se = sqrt(m->sites[i].live_bytes_se);
		m->sites[i].pinned_bytes_se = sqrt(m->sites[i].pinned_bytes_se);
	}
	m->rounding_bytes_se = sqrt(rounding_var);
	if (m->rounding_bytes > (double)m->live_bytes)
		m->rounding_bytes = (double)m->live_bytes;
	fill_ages(m, ages, n);
	free(ages);
}
