/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "diag/rule.h"
#include "model/model.h"

#define MIB (UINT64_C(1) << 20)
#define GATE (32 * MIB)
#define FIRM_S 600.0 /* 10 minutes: most services have been through all their phases */
#define SEEN_S 60.0

/* At least so much of the thread caches is not in the spans that are allocated from. */
static uint64_t beyond_active_spans(const struct ht_model *m)
{
	uint64_t threads = 0, bytes = 0;

	for (size_t i = 0; i < m->n_threads; i++)
		threads += m->threads[i].alive;
	for (size_t i = 0; i < m->n_classes; i++) {
		const struct ht_class *c = &m->classes[i];
		uint64_t active = threads * c->slots_per_span;

		if (c->cached_slots > active)
			bytes += (c->cached_slots - active) * c->size_bytes;
	}
	return bytes < m->thread_cache_bytes ? bytes : m->thread_cache_bytes;
}

struct ht_case ht_case_of(const struct ht_model *model, struct ht_sym *sym)
{
	struct ht_case c = { .model = model, .sym = sym };
	uint64_t parts = model->live_bytes + model->span_free_bytes + model->thread_cache_bytes + model->dirty_bytes;

	c.heap_bytes = model->arena_resident_bytes != HT_UNKNOWN && model->arena_resident_bytes
			       ? model->arena_resident_bytes
			       : parts;
	c.rss_bytes = model->rss_bytes != HT_UNKNOWN && model->rss_bytes ? model->rss_bytes : parts;
	c.cache_bytes = model->thread_cache_bytes - beyond_active_spans(model);
	c.span_free_bytes = model->span_free_bytes + (model->thread_cache_bytes - c.cache_bytes);
	c.gate_bytes = c.rss_bytes / 20 > GATE ? c.rss_bytes / 20 : GATE;
	c.floor_bytes = GATE / 4;
	return c;
}

double ht_case_share(const struct ht_case *c, double bytes)
{
	double share = c->rss_bytes ? bytes / (double)c->rss_bytes : 0;

	return fmin(fmax(share, 0), 1);
}

void ht_case_grade(const struct ht_case *c, struct ht_finding *f, double seconds)
{
	f->confidence = seconds >= FIRM_S ? HT_HIGH : seconds >= SEEN_S ? HT_MEDIUM : HT_LOW;
	if (f->bytes < c->gate_bytes)
		f->confidence = HT_LOW;
	f->severity = HT_INFO;
	if (f->confidence > HT_LOW)
		f->severity = f->share > 0.5 ? HT_CRITICAL : HT_WARN;
}

void ht_finding_weaken(struct ht_finding *f)
{
	if (f->confidence > HT_LOW)
		f->confidence--;
	if (f->confidence == HT_LOW)
		f->severity = HT_INFO;
}
