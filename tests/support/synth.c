/* SPDX-License-Identifier: MIT */
#include "synth.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define UPTIME_NS (UINT64_C(11520) * SECOND)
#define HEARTBEAT_NS (UINT64_C(90000) * SECOND)
#define HEARTBEAT_REALTIME_NS (UINT64_C(1767369600) * SECOND) /* 2026-01-02 16:00:00 UTC */
#define SPAN_PAGE 8192u

static const uint32_t row_bytes[HEAPSPY_TABLES_MAX + 1] = {
	[HEAPSPY_T_TOTALS] = sizeof(struct heapspy_totals),
	[HEAPSPY_T_CLASSES] = sizeof(struct heapspy_class),
	[HEAPSPY_T_ARENAS] = sizeof(struct heapspy_arena),
	[HEAPSPY_T_BINS] = sizeof(struct heapspy_bin),
	[HEAPSPY_T_LOCKS] = sizeof(struct heapspy_lock),
	[HEAPSPY_T_THREADS] = sizeof(struct heapspy_thread),
	[HEAPSPY_T_THREAD_CLASSES] = sizeof(struct heapspy_thread_class),
	[HEAPSPY_T_SITES] = sizeof(struct heapspy_site),
	[HEAPSPY_T_FRAMES] = sizeof(uint64_t),
	[HEAPSPY_T_SAMPLES] = sizeof(struct heapspy_sample),
	[HEAPSPY_T_MODULES] = sizeof(struct heapspy_module),
	[HEAPSPY_T_SPANS] = sizeof(struct heapspy_span),
	[HEAPSPY_T_HISTORY_1S] = sizeof(struct heapspy_history),
	[HEAPSPY_T_HISTORY_1M] = sizeof(struct heapspy_history),
	[HEAPSPY_T_HISTORY_1H] = sizeof(struct heapspy_history),
	[HEAPSPY_T_EVENTS] = sizeof(struct heapspy_event),
	[HEAPSPY_T_MAILBOX] = sizeof(struct heapspy_mail),
	[HEAPSPY_T_WAITERS] = sizeof(struct heapspy_waiter),
};

uint64_t synth_rand(struct synth *s)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return s->rng;
}

void *synth_row(struct synth *s, uint32_t table)
{
	struct synth_table *t = &s->tables[table];

	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 16;
		t->rows = realloc(t->rows, t->room * t->row_bytes);
		if (!t->rows)
			abort();
	}
	void *row = t->rows + t->n++ * t->row_bytes;
	memset(row, 0, t->row_bytes);
	t->count = t->n;
	return row;
}

void *synth_at(const struct synth *s, uint32_t table, size_t i)
{
	const struct synth_table *t = &s->tables[table];

	if (i >= t->n)
		abort();
	return t->rows + i * t->row_bytes;
}

size_t synth_count(const struct synth *s, uint32_t table)
{
	return s->tables[table].n;
}

static void add_module(struct synth *s, const char *path, uint64_t start, uint64_t bytes, uint8_t id)
{
	struct heapspy_module *m = synth_row(s, HEAPSPY_T_MODULES);

	m->seq = 2;
	m->start = start;
	m->end = start + bytes;
	m->bias = start;
	m->build_id_bytes = 20;
	memset(m->build_id, id, 20);
	snprintf(m->path, sizeof(m->path), "%s", path);
}

void synth_init(struct synth *s)
{
	memset(s, 0, sizeof(*s));
	s->rng = UINT64_C(0x9e3779b97f4a7c15);
	s->next_base = UINT64_C(0x7f0000000000);
	for (unsigned i = 1; i <= HEAPSPY_TABLES_MAX; i++)
		s->tables[i].row_bytes = row_bytes[i];

	struct heapspy_header *h = &s->header;
	h->magic = HEAPSPY_MAGIC;
	h->major = HEAPSPY_MAJOR;
	h->minor = HEAPSPY_MINOR;
	h->header_bytes = sizeof(*h);
	h->state = HEAPSPY_STATE_LIVE;
	memset(h->boot_id, 0x5a, sizeof(h->boot_id));
	h->pidns_inode = 1;
	h->pid = 4711;
	h->start_ticks = 1234567;
	h->heartbeat_ns = HEARTBEAT_NS;
	h->heartbeat_realtime_ns = HEARTBEAT_REALTIME_NS;
	h->start_ns = HEARTBEAT_NS - UPTIME_NS;
	h->start_realtime_ns = HEARTBEAT_REALTIME_NS - UPTIME_NS;
	h->build_id_bytes = 20;
	memset(h->build_id, 0x11, 20);
	snprintf(h->exe, sizeof(h->exe), "/srv/test/bin/stockd");
	snprintf(h->comm, sizeof(h->comm), "stockd");
	snprintf(h->version, sizeof(h->version), "0.1.0");
	snprintf(h->policy, sizeof(h->policy), "default");
	h->kernel_page_bytes = 4096;
	h->page_bytes = SPAN_PAGE;
	h->sample_interval_bytes = 512 << 10;
	h->decay_ms = 10000;
	h->control = 1;
	h->n_cpus = 4;

	struct heapspy_totals *t = synth_row(s, HEAPSPY_T_TOTALS);
	t->metadata_bytes = 1536 << 10;
	t->profiler_bytes = 640 << 10;
	t->segment_bytes = 1280 << 10;
	t->n_mmaps = 120;

	add_module(s, "/srv/test/bin/stockd", UINT64_C(0x555500000000), 4 << 20, 0x11);
	add_module(s, "/srv/test/lib/libstore.so.3", UINT64_C(0x7fff10000000), 2 << 20, 0x22);
	add_module(s, "/srv/test/lib/libc.so.6", UINT64_C(0x7fff20000000), 2 << 20, 0x33);
}

void synth_done(struct synth *s)
{
	for (unsigned i = 0; i <= HEAPSPY_TABLES_MAX; i++)
		free(s->tables[i].rows);
	memset(s, 0, sizeof(*s));
}

static void add_class(struct synth *s, uint32_t bytes)
{
	struct heapspy_class *c = synth_row(s, HEAPSPY_T_CLASSES);
	uint32_t span = bytes * 16 < 65536 ? 65536 : bytes * 16;

	c->size_bytes = bytes;
	c->span_bytes = (span + SPAN_PAGE - 1) / SPAN_PAGE * SPAN_PAGE;
	c->n_slots = c->span_bytes / bytes;
}

static struct heapspy_lock *add_lock(struct synth *s, uint32_t kind, uint16_t arena, uint16_t klass)
{
	struct heapspy_lock *l = synth_row(s, HEAPSPY_T_LOCKS);

	l->kind = kind;
	l->arena = arena;
	l->klass = klass;
	l->n_acquired = 1000 + synth_rand(s) % 9000;
	return l;
}

void synth_heap(struct synth *s, unsigned n_arenas)
{
	for (uint32_t b = 16; b <= 128; b += 16)
		add_class(s, b);
	for (uint32_t d = 128; d < 32768; d *= 2)
		for (uint32_t q = 1; q <= 4; q++)
			add_class(s, d + d / 4 * q);
	s->header.n_classes = (uint32_t)synth_count(s, HEAPSPY_T_CLASSES);
	s->header.n_arenas = n_arenas;

	add_lock(s, HEAPSPY_LOCK_META, HEAPSPY_NONE16, HEAPSPY_NONE16);
	add_lock(s, HEAPSPY_LOCK_THREADS, HEAPSPY_NONE16, HEAPSPY_NONE16);
	add_lock(s, HEAPSPY_LOCK_SAMPLES, HEAPSPY_NONE16, HEAPSPY_NONE16);
	for (unsigned a = 0; a < n_arenas; a++) {
		struct heapspy_arena *arena = synth_row(s, HEAPSPY_T_ARENAS);

		arena->id = a;
		arena->created_ns = s->header.start_ns + a * SECOND;
		add_lock(s, HEAPSPY_LOCK_ARENA, (uint16_t)a, HEAPSPY_NONE16);
		for (unsigned c = 0; c < s->header.n_classes; c++) {
			synth_row(s, HEAPSPY_T_BINS);
			add_lock(s, HEAPSPY_LOCK_BIN, (uint16_t)a, (uint16_t)c);
		}
	}
}

unsigned synth_class_of(const struct synth *s, uint32_t bytes)
{
	unsigned n = s->header.n_classes, i = 0;

	while (i + 1 < n && ((struct heapspy_class *)synth_at(s, HEAPSPY_T_CLASSES, i))->size_bytes < bytes)
		i++;
	return i;
}

void synth_threads(struct synth *s, const char *name, unsigned n)
{
	if (!synth_count(s, HEAPSPY_T_THREADS))
		synth_row(s, HEAPSPY_T_THREADS);
	for (unsigned i = 0; i < n; i++) {
		unsigned row = (unsigned)synth_count(s, HEAPSPY_T_THREADS);
		struct heapspy_thread *t = synth_row(s, HEAPSPY_T_THREADS);

		t->state = HEAPSPY_THREAD_LIVE;
		t->tid = s->header.pid + row - 1;
		t->arena = s->header.n_arenas ? (row - 1) % s->header.n_arenas : 0;
		snprintf(t->name, sizeof(t->name), i ? "%.10s-%u" : "%.15s", name, i);
		t->start_ns = s->header.start_ns + row * SECOND;
		t->active_ns = s->header.heartbeat_ns - row * SECOND / 8;
		t->allocated_bytes = UINT64_C(700) << 20;
		t->n_slow = 4000 + 10 * row;
		t->stack_high = UINT64_C(0x7ffe00000000) + row * (16 << 20);
		t->stack_low = t->stack_high - (8 << 20);
		if (synth_count(s, HEAPSPY_T_ARENAS) > t->arena)
			((struct heapspy_arena *)synth_at(s, HEAPSPY_T_ARENAS, t->arena))->n_threads++;
	}
}

uint32_t synth_sites(struct synth *s, unsigned n, unsigned depth)
{
	uint32_t first = (uint32_t)synth_count(s, HEAPSPY_T_SITES);

	for (unsigned i = 0; i < n; i++) {
		uint64_t at = synth_count(s, HEAPSPY_T_FRAMES);

		for (unsigned f = 0; f < depth; f++) {
			uint64_t *pc = synth_row(s, HEAPSPY_T_FRAMES);
			/* roots are shared, leaves differ, as in real programs */
			uint64_t where = f + 4 >= depth ? (depth - f) * 0x1000 : synth_rand(s) % 0x180000;

			*pc = (f == 1 ? UINT64_C(0x7fff10000000) : UINT64_C(0x555500000000)) + 0x1000 + where;
		}
		struct heapspy_site *site = synth_row(s, HEAPSPY_T_SITES);
		site->hash = synth_rand(s);
		site->frame = at;
		site->n_frames = depth;
		site->first_ns = s->header.start_ns + SECOND;
		site->last_ns = s->header.heartbeat_ns - SECOND;
	}
	return first;
}

static void add_sample(struct synth *s, uint32_t span_row, uint32_t slot, uint32_t site_row, uint64_t requested,
		       uint64_t age_ns)
{
	struct heapspy_span *span = synth_at(s, HEAPSPY_T_SPANS, span_row);
	struct heapspy_site *site = synth_at(s, HEAPSPY_T_SITES, site_row);
	struct heapspy_sample *x = synth_row(s, HEAPSPY_T_SAMPLES);
	double p = 1 - exp(-(double)requested / (double)s->header.sample_interval_bytes);

	x->address = span->base + slot * span->slot_bytes;
	x->size_bytes = requested;
	x->usable_bytes = span->slot_bytes;
	x->interval_bytes = s->header.sample_interval_bytes;
	x->birth_ns = s->header.heartbeat_ns - age_ns;
	x->site = site_row;
	x->span = span_row;
	x->thread = synth_count(s, HEAPSPY_T_THREADS) > 1 ? 1 : 0;
	x->tid = s->header.pid;
	span->n_samples++;
	/* three allocations for each that is still alive */
	for (int i = 0; i < 3; i++) {
		site->n_alloc_samples++;
		site->alloc_bytes += (uint64_t)((double)requested / p);
		site->alloc_objects_k += (uint64_t)(1024 / p);
		site->alloc_var += (uint64_t)((double)requested * (double)requested * (1 - p) / (p * p) / 1048576.0);
		if (i == 0)
			continue;
		site->n_free_samples++;
		site->freed_bytes += (uint64_t)((double)requested / p);
		site->freed_objects_k += (uint64_t)(1024 / p);
		site->lifetimes[12 + i]++;
	}
}

uint32_t synth_span(struct synth *s, const struct synth_span *d)
{
	const struct heapspy_class *c = synth_at(s, HEAPSPY_T_CLASSES, d->klass);
	struct heapspy_arena *arena = synth_at(s, HEAPSPY_T_ARENAS, d->arena);
	uint32_t row = (uint32_t)synth_count(s, HEAPSPY_T_SPANS);
	struct heapspy_span *span = synth_row(s, HEAPSPY_T_SPANS);

	span->base = s->next_base;
	s->next_base += c->span_bytes;
	span->bytes = c->span_bytes;
	span->slot_bytes = c->size_bytes;
	span->n_slots = span->extended = c->n_slots;
	span->used = (uint32_t)(d->fill * c->n_slots + 0.5);
	span->xpending = d->xpending;
	span->owner = d->owner;
	span->state = HEAPSPY_SPAN_SMALL;
	span->klass = (uint16_t)d->klass;
	span->arena = (uint16_t)d->arena;
	span->made_ns = s->header.heartbeat_ns - d->oldest_ns;
	arena->mapped_bytes += span->bytes;
	arena->spans_bytes += span->bytes;
	arena->peak_spans_bytes = arena->spans_bytes + arena->spans_bytes / 20;
	arena->n_spans_made++;
	if (!d->owner && span->used < span->n_slots) {
		struct heapspy_bin *bin =
			synth_at(s, HEAPSPY_T_BINS, (size_t)d->arena * s->header.n_classes + d->klass);
		bin->n_nonfull++;
		bin->n_checkouts += 2;
		bin->n_returns++;
	}

	uint32_t used = span->used;
	uint64_t requested = c->size_bytes - c->size_bytes / 16;
	double p = 1 - exp(-(double)requested / (double)s->header.sample_interval_bytes);
	if (used)
		span->used |= d->owner ? HEAPSPY_USED_BIAS : 0;
	s->sample_debt += used * p;
	for (uint32_t slot = 0; d->n_sites && s->sample_debt >= 1 && slot < used; slot++, s->sample_debt -= 1) {
		uint64_t r = synth_rand(s), width = d->oldest_ns - d->youngest_ns;
		/* squared: few sites carry most of the bytes */
		double u = (double)(r % 10000) / 10000;
		uint32_t site = d->site + (uint32_t)(u * u * d->n_sites);

		add_sample(s, row, slot, site, requested, d->youngest_ns + (width ? synth_rand(s) % width : 0));
	}
	return row;
}

uint32_t synth_large(struct synth *s, unsigned arena_row, uint64_t bytes, uint64_t requested, uint32_t site)
{
	struct heapspy_arena *arena = synth_at(s, HEAPSPY_T_ARENAS, arena_row);
	uint32_t row = (uint32_t)synth_count(s, HEAPSPY_T_SPANS);
	struct heapspy_span *span = synth_row(s, HEAPSPY_T_SPANS);
	bool huge = bytes >= 32 << 20;

	span->base = s->next_base;
	s->next_base += bytes;
	span->bytes = span->slot_bytes = bytes;
	span->n_slots = span->extended = span->used = 1;
	span->state = huge ? HEAPSPY_SPAN_HUGE : HEAPSPY_SPAN_LARGE;
	span->klass = HEAPSPY_NONE16;
	span->arena = (uint16_t)arena_row;
	span->made_ns = s->header.heartbeat_ns - UPTIME_NS / 2;
	if (huge) {
		arena->huge_bytes += bytes;
	} else {
		arena->mapped_bytes += bytes;
		arena->spans_bytes += bytes;
		arena->peak_spans_bytes = arena->spans_bytes + arena->spans_bytes / 20;
	}
	arena->n_spans_made++;
	if (synth_count(s, HEAPSPY_T_SITES) > site)
		add_sample(s, row, 0, site, requested, UPTIME_NS / 2);
	return row;
}

int synth_write(const struct synth *s, const char *path)
{
	struct heapspy_header h = s->header;
	uint64_t offset = 4096;
	int fd = -1, r = 0;

	for (uint32_t id = 1; id <= HEAPSPY_TABLES_MAX && row_bytes[id]; id++) {
		const struct synth_table *t = &s->tables[id];
		struct heapspy_table *dir = &h.tables[h.n_tables++];

		dir->id = id;
		dir->row_bytes = (uint32_t)t->row_bytes;
		dir->offset = offset;
		dir->capacity = t->n;
		dir->count = t->count;
		offset += (t->n * t->row_bytes + 4095) / 4096 * 4096;
	}
	h.segment_bytes = offset;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)offset) < 0 || pwrite(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		r = -EIO;
	for (uint32_t i = 0; r == 0 && i < h.n_tables; i++) {
		const struct synth_table *t = &s->tables[h.tables[i].id];
		size_t bytes = t->n * t->row_bytes;

		if (bytes && pwrite(fd, t->rows, bytes, (off_t)h.tables[i].offset) != (ssize_t)bytes)
			r = -EIO;
	}
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}
