/* SPDX-License-Identifier: MIT */
#include "model/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "model/build.h"
#include "util/file.h"
#include "util/mem.h"

/* <linux/fs.h> of Debian 12 does not know it yet (kernel 6.7). */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask,
		category_anyof_mask, return_mask;
};
struct scan_region {
	uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_REGIONS 4096
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_CHUNK 8192 /* entries */

/* A piece of address space in memory; all pieces of the spans, by address. */
struct piece {
	uint64_t start, end;
};

struct pieces {
	struct piece *rows;
	size_t n, room;
};

/* Spans by address, without those that make no sense. */
struct order {
	uint64_t start, end;
	uint32_t row;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void add_piece(struct pieces *p, uint64_t start, uint64_t end)
{
	if (p->n && p->rows[p->n - 1].end == start) {
		p->rows[p->n - 1].end = end;
		return;
	}
	ht_grow((void **)&p->rows, p->n, &p->room, sizeof(*p->rows));
	p->rows[p->n++] = (struct piece){ start, end };
}

static int scan_range(int fd, uint64_t start, uint64_t end, struct scan_region *regions, struct pieces *out)
{
	while (start < end) {
		struct scan_arg arg = {
			.size = sizeof(arg),
			.start = start,
			.end = end,
			.vec = (uint64_t)(uintptr_t)regions,
			.vec_len = SCAN_REGIONS,
			.category_mask = SCAN_PRESENT,
			.return_mask = SCAN_PRESENT,
		};
		int n = ioctl(fd, SCAN_IOCTL, &arg);

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		for (int i = 0; i < n; i++)
			add_piece(out, regions[i].start, regions[i].end);
		if (arg.walk_end <= start)
			break;
		start = arg.walk_end;
	}
	return 0;
}

static int read_range(int fd, uint64_t start, uint64_t end, uint64_t page, uint64_t *entries, struct pieces *out)
{
	while (start < end) {
		uint64_t n = (end - start) / page;

		if (n > PAGEMAP_CHUNK)
			n = PAGEMAP_CHUNK;
		int64_t got = ht_pread_full(fd, entries, n * 8, start / page * 8);
		if (got < 0)
			return (int)got;
		n = (uint64_t)got / 8;
		if (n == 0)
			break;
		for (uint64_t i = 0; i < n; i++)
			if (entries[i] & PAGEMAP_PRESENT)
				add_piece(out, start + i * page, start + (i + 1) * page);
		start += n * page;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static struct order *order_spans(const struct ht_snap *snap, const struct ht_span_fact *facts, uint64_t page,
				 size_t *ret_n)
{
	struct order *o = ht_xcalloc(snap->n_spans, sizeof(*o));
	size_t n = 0;

	for (size_t i = 0; i < snap->n_spans; i++) {
		const struct heapspy_span *s = &snap->spans[i];

		if (!facts[i].ok || s->base % page || s->bytes % page)
			continue;
		o[n++] = (struct order){ s->base, s->base + s->bytes, (uint32_t)i };
	}
	if (n)
		qsort(o, n, sizeof(*o), by_start);
	*ret_n = n;
	return o;
}

/* Resident pieces of all spans; neighbours are asked for together. */
static int find_pieces(pid_t pid, const struct order *o, size_t n, uint64_t page, struct pieces *out,
		       const char **ret_how)
{
	struct scan_region *regions = ht_xcalloc(SCAN_REGIONS, sizeof(*regions));
	uint64_t *entries = ht_xcalloc(PAGEMAP_CHUNK, sizeof(*entries));
	const char *how = "PAGEMAP_SCAN";
	char path[64];
	int r = 0, fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < n;) {
		uint64_t start = o[i].start, end = o[i].end;

		for (i++; i < n && o[i].start <= end; i++)
			if (o[i].end > end)
				end = o[i].end;
		if (how[0] == 'P') {
			r = scan_range(fd, start, end, regions, out);
			if (r == 0)
				continue;
			/* an old kernel: once and for all the long way */
			how = "pagemap";
			out->n = 0;
			i = 0;
			r = 0;
			continue;
		}
		r = read_range(fd, start, end, page, entries, out);
	}
	if (fd >= 0)
		close(fd);
	free(regions);
	free(entries);
	*ret_how = how;
	return r;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What of one span is counted but not there, and the reverse. */
static void judge_span(struct ht_resident *r, const struct heapspy_span *s, const struct ht_span_fact *f,
		       uint64_t resident)
{
	uint64_t live = f->live * s->slot_bytes, idle = f->free * s->slot_bytes - f->hole_bytes;

	r->spans += resident;
	if (resident >= live + idle) {
		r->excess += resident - live - idle;
		return;
	}
	/* a free slot that nobody touched since the span was made is likelier than an unused live one */
	uint64_t missing = live + idle - resident, of_free = less(missing, idle);

	if (f->cached)
		r->cache_untouched += of_free;
	else
		r->free_untouched += of_free;
	r->live_untouched += missing - of_free;
}

static void judge_spans(struct ht_resident *r, const struct ht_snap *snap, const struct ht_span_fact *facts,
			const struct order *o, size_t n, const struct pieces *p)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t resident = 0;

		while (k < p->n && p->rows[k].end <= o[i].start)
			k++;
		for (size_t j = k; j < p->n && p->rows[j].start < o[i].end; j++) {
			uint64_t from = p->rows[j].start > o[i].start ? p->rows[j].start : o[i].start;

			resident += less(p->rows[j].end, o[i].end) - from;
		}
		judge_span(r, &snap->spans[o[i].row], &facts[o[i].row], resident);
	}
}

/* Part of a mapping that is the stack of a thread the library knows. */
static bool is_stack(const struct ht_vma *v, const struct ht_snap *snap)
{
	for (size_t i = 0; i < snap->n_threads; i++) {
		const struct heapspy_thread *t = &snap->threads[i];
		uint64_t low = t->stack_low > v->start ? t->stack_low : v->start;
		uint64_t high = less(t->stack_high, v->end);

		/* most of the mapping: neighbours may have been joined to it by the kernel */
		if (t->state == HEAPSPY_THREAD_LIVE && high > low && (high - low) * 2 > v->end - v->start)
			return true;
	}
	return false;
}

/* Resident bytes of spans within one mapping: a span lies in one mapping or in neighbours joined. */
static uint64_t spans_within(const struct ht_vma *v, const struct order *o, size_t n, size_t *at)
{
	uint64_t bytes = 0;

	while (*at < n && o[*at].end <= v->start)
		++*at;
	for (size_t i = *at; i < n && o[i].start < v->end; i++)
		bytes += less(o[i].end, v->end) - (o[i].start > v->start ? o[i].start : v->start);
	return bytes;
}

static void judge_mappings(struct ht_resident *r, const struct ht_snap *snap, const struct ht_smaps *smaps,
			   const struct order *o, size_t n)
{
	size_t at = 0;
	uint64_t heap = 0;

	r->n_maps = smaps->n;
	for (size_t i = 0; i < smaps->n; i++) {
		const struct ht_vma *v = &smaps->rows[i];
		bool holds_spans = spans_within(v, o, n, &at) > 0;

		r->anon += v->anon;
		r->lazy += v->lazy;
		if (v->kind == HT_VMA_SEGMENT) {
			r->segment += v->rss;
		} else if (v->kind == HT_VMA_STACK) {
			r->stacks += v->rss;
		} else if (holds_spans || v->kind == HT_VMA_OURS) {
			heap += v->anon;
			r->huge += v->huge;
		} else if (v->kind == HT_VMA_ANON) {
			if (is_stack(v, snap))
				r->stacks += v->rss;
			else
				r->plain_rest += v->anon;
		} else {
			r->other_anon += v->anon;
		}
	}
	r->heap_rest = heap > r->spans ? heap - r->spans : 0;
}

int ht_resident_measure(pid_t pid, const struct ht_snap *snap, const struct ht_span_fact *facts,
			struct ht_resident *ret)
{
	struct ht_resident r = { .taken_ns = now_ns() };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct pieces pieces = { 0 };
	struct ht_smaps smaps = { 0 };
	size_t n;
	struct order *o = order_spans(snap, facts, page, &n);
	int e = find_pieces(pid, o, n, page, &pieces, &r.how);

	if (e == 0)
		judge_spans(&r, snap, facts, o, n, &pieces);
	else
		r.how = NULL;
	if (e == 0)
		e = ht_smaps_read(pid, &smaps);
	if (e == 0) {
		judge_mappings(&r, snap, &smaps, o, n);
		r.cost_ns = now_ns() - r.taken_ns;
		*ret = r;
	}
	ht_smaps_done(&smaps);
	free(pieces.rows);
	free(o);
	return e;
}
