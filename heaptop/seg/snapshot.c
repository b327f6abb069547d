/* SPDX-License-Identifier: MIT */
#include "seg/snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "util/file.h"
#include "util/mem.h"

/* More than any library writes; keeps a forged file from making us allocate without end. */
#define SEGMENT_MOST (UINT64_C(4) << 30)
#define TABLE_MOST (UINT64_C(512) << 20)
#define ROW_MOST 65536u
#define SEQ_TRIES 8

enum { RING = 1, SEQ = 2 };

static const struct table_kind {
	uint32_t id, row_bytes, flags;
	size_t rows_at, n_at; /* in struct ht_snap */
} kinds[] = {
#define KIND(ID, TYPE, FIELD, FLAGS)                                                                                   \
	{                                                                                                              \
		HEAPSPY_T_##ID, sizeof(TYPE), FLAGS, offsetof(struct ht_snap, FIELD),                                  \
			offsetof(struct ht_snap, n_##FIELD)                                                            \
	}
	KIND(TOTALS, struct heapspy_totals, totals, 0),
	KIND(CLASSES, struct heapspy_class, classes, 0),
	KIND(ARENAS, struct heapspy_arena, arenas, 0),
	KIND(BINS, struct heapspy_bin, bins, 0),
	KIND(LOCKS, struct heapspy_lock, locks, 0),
	/* samples before sites before frames: what a row refers to is at least as new as the row */
	KIND(SAMPLES, struct heapspy_sample, samples, 0),
	KIND(WAITERS, struct heapspy_waiter, waiters, 0),
	KIND(SITES, struct heapspy_site, sites, 0),
	KIND(FRAMES, uint64_t, frames, 0),
	KIND(MODULES, struct heapspy_module, modules, SEQ),
	/* one right after the other: gathered frees move from rings to spans */
	KIND(THREADS, struct heapspy_thread, threads, 0),
	KIND(SPANS, struct heapspy_span, spans, 0),
	KIND(HISTORY_1S, struct heapspy_history, history_1s, RING | SEQ),
	KIND(HISTORY_1M, struct heapspy_history, history_1m, RING | SEQ),
	KIND(HISTORY_1H, struct heapspy_history, history_1h, RING | SEQ),
	KIND(EVENTS, struct heapspy_event, events, RING | SEQ),
#undef KIND
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int damaged(struct ht_err *reterr, const char *what, const char *why)
{
	ht_err_set(reterr, -EBADMSG, HT_EXIT_DAMAGED, "%s: segment is damaged: %s", what, why);
	return -EBADMSG;
}

static const char *check_directory(const struct heapspy_header *h)
{
	uint32_t seen = 0;

	if (h->n_tables > HEAPSPY_TABLES_MAX)
		return "too many tables";
	for (uint32_t i = 0; i < h->n_tables; i++) {
		const struct heapspy_table *t = &h->tables[i];

		if (t->id == 0 || t->id > HEAPSPY_T_WAITERS)
			continue;
		if (seen & 1u << t->id)
			return "a table is there twice";
		seen |= 1u << t->id;
		if (t->row_bytes < 8 || t->row_bytes > ROW_MOST)
			return "a table's rows have an impossible size";
		if (t->offset < h->header_bytes || t->offset > h->segment_bytes)
			return "a table lies outside the file";
		if (t->capacity > (h->segment_bytes - t->offset) / t->row_bytes)
			return "a table is longer than the file";
	}
	if (!(seen & 1u << HEAPSPY_T_CLASSES) || !(seen & 1u << HEAPSPY_T_SPANS))
		return "the span map is missing";
	return NULL;
}

int ht_snap_header(struct heapspy_header *ret, struct ht_segment_at at, const char *what, struct ht_err *reterr)
{
	struct heapspy_header h;
	struct stat st;

	if (fstat(at.fd, &st) < 0)
		return ht_err_set(reterr, -errno, HT_EXIT_TARGET, "%s: cannot read segment: %s", what, strerror(errno));
	memset(&h, 0, sizeof(h));
	int64_t n = ht_pread_full(at.fd, &h, sizeof(h), at.base);
	if (n < 0)
		return ht_err_set(reterr, (int)n, HT_EXIT_TARGET, "%s: cannot read segment: %s", what,
				  strerror((int)-n));
	if ((size_t)n >= sizeof(h.magic) && h.magic == 0) {
		ht_err_set(reterr, -EAGAIN, HT_EXIT_TARGET, "%s: segment is still being made", what);
		ht_err_hint(reterr, "try again");
		return -EAGAIN;
	}
	if ((size_t)n < 16 || h.magic != HEAPSPY_MAGIC) {
		ht_err_set(reterr, -EBADMSG, HT_EXIT_DAMAGED, "%s: not a heapspy segment", what);
		return -EBADMSG;
	}
	if (h.major != HEAPSPY_MAJOR) {
		ht_err_set(reterr, -EPROTO, HT_EXIT_DAMAGED, "%s: segment has format %u.%u, this heaptop reads %u.x",
			   what, h.major, h.minor, HEAPSPY_MAJOR);
		ht_err_hint(reterr, "use the heaptop that came with that libheapspy.so");
		return -EPROTO;
	}
	if ((size_t)n < sizeof(h) || h.header_bytes < sizeof(h))
		return damaged(reterr, what, "the header is cut");
	if (h.segment_bytes > SEGMENT_MOST)
		return damaged(reterr, what, "its size is impossible");
	if (at.base == 0 && (uint64_t)st.st_size < h.segment_bytes)
		return damaged(reterr, what, "the file is shorter than it says");
	if (h.state == HEAPSPY_STATE_INIT) {
		ht_err_set(reterr, -EAGAIN, HT_EXIT_TARGET, "%s: segment is still being made", what);
		ht_err_hint(reterr, "try again");
		return -EAGAIN;
	}
	const char *why = check_directory(&h);
	if (why)
		return damaged(reterr, what, why);
	*ret = h;
	return 0;
}

/* Reads `n` rows of the file from row `first` into rows of our own size. */
static size_t read_rows(struct ht_segment_at at, const struct heapspy_table *t, const struct table_kind *kind,
			uint64_t first, unsigned char *out, size_t n)
{
	size_t copy = t->row_bytes < kind->row_bytes ? t->row_bytes : kind->row_bytes;
	uint64_t from = at.base + t->offset + first * t->row_bytes;
	int64_t got;

	if (t->row_bytes == kind->row_bytes) {
		got = ht_pread_full(at.fd, out, n * t->row_bytes, from);
		return got < 0 ? 0 : (size_t)got / t->row_bytes;
	}
	unsigned char *raw = ht_xmalloc(n * t->row_bytes);
	got = ht_pread_full(at.fd, raw, n * t->row_bytes, from);
	size_t rows = got < 0 ? 0 : (size_t)got / t->row_bytes;
	for (size_t i = 0; i < rows; i++) {
		memset(out + i * kind->row_bytes, 0, kind->row_bytes);
		memcpy(out + i * kind->row_bytes, raw + i * t->row_bytes, copy);
	}
	free(raw);
	return rows;
}

static uint64_t seq_of(const void *row)
{
	uint64_t seq;

	memcpy(&seq, row, sizeof(seq));
	return seq;
}

/*
 * A row is whole when its sequence word is even and the same before and after.  The table is read once; then
 * the words are read again.  A row that changed is read alone, as often as it takes a patient reader.
 */
static size_t settle_rows(struct ht_segment_at at, const struct heapspy_table *t, const struct table_kind *kind,
			  unsigned char *rows, size_t n, bool *torn)
{
	unsigned char *again = ht_xmalloc(n * kind->row_bytes);
	size_t got = read_rows(at, t, kind, 0, again, n), n_torn = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char *row = rows + i * kind->row_bytes;
		unsigned char *second = again + i * kind->row_bytes;
		int tries = 0;

		torn[i] = i >= got;
		while (!torn[i] && (seq_of(row) & 1 || seq_of(row) != seq_of(second))) {
			if (++tries > SEQ_TRIES || read_rows(at, t, kind, i, row, 1) != 1 ||
			    read_rows(at, t, kind, i, second, 1) != 1)
				torn[i] = true;
		}
		/* 0: never written */
		if (!torn[i] && seq_of(row) == 0)
			torn[i] = true;
		n_torn += torn[i];
	}
	free(again);
	return n_torn;
}

/* Puts a ring into time order and leaves the torn rows out; returns how many remain. */
static size_t order_rows(unsigned char *rows, size_t n, size_t first, size_t row_bytes, const bool *torn)
{
	unsigned char *out = ht_xmalloc(n * row_bytes);
	size_t kept = 0;

	for (size_t k = 0; k < n; k++) {
		size_t i = (first + k) % n;

		if (torn && torn[i])
			continue;
		memcpy(out + kept++ * row_bytes, rows + i * row_bytes, row_bytes);
	}
	memcpy(rows, out, kept * row_bytes);
	free(out);
	return kept;
}

static const struct heapspy_table *find_table(const struct heapspy_header *h, uint32_t id)
{
	for (uint32_t i = 0; i < h->n_tables && i < HEAPSPY_TABLES_MAX; i++)
		if (h->tables[i].id == id)
			return &h->tables[i];
	return NULL;
}

static size_t copy_table(const struct heapspy_header *h, struct ht_segment_at at, const struct table_kind *kind,
			 unsigned char **ret_rows, size_t *n_torn)
{
	const struct heapspy_table *t = find_table(h, kind->id);
	struct heapspy_table now;
	size_t first = 0;

	/*
	 * [mo:table-count acquire] the count came with the header, by an earlier system call than the rows it covers.
	 * [mo:sample-row acquire] rows are copied upwards, and a sample's first word is the one that publishes it.
	 * [mo:span-row acquire] a span's is not: one that is made anew while we copy may come out mixed for this
	 * frame.  model/ leaves out what does not fit together; figures are exact when the program is quiet.
	 */
	*ret_rows = NULL;
	if (!t)
		return 0;
	uint64_t n = t->count < t->capacity ? t->count : t->capacity;
	if (n > TABLE_MOST / kind->row_bytes)
		n = TABLE_MOST / kind->row_bytes;
	if (n > TABLE_MOST / t->row_bytes)
		n = TABLE_MOST / t->row_bytes;
	if (n == 0)
		return 0;
	now = *t;
	if (kind->flags & RING && t->count > t->capacity)
		first = (size_t)(t->count % n);
	unsigned char *rows = ht_xcalloc(n, kind->row_bytes);
	n = read_rows(at, &now, kind, 0, rows, n);
	if (kind->flags & SEQ && n) {
		bool *torn = ht_xcalloc(n, sizeof(*torn));

		*n_torn += settle_rows(at, &now, kind, rows, n, torn);
		n = order_rows(rows, n, first % n, kind->row_bytes, torn);
		free(torn);
	}
	*ret_rows = rows;
	return n;
}

int ht_snap_table(const struct heapspy_header *header, struct ht_segment_at at, uint32_t id, void **ret_rows,
		  size_t *ret_n)
{
	size_t torn = 0;

	for (size_t k = 0; k < N_KINDS; k++)
		if (kinds[k].id == id) {
			unsigned char *rows;

			*ret_n = copy_table(header, at, &kinds[k], &rows, &torn);
			*ret_rows = rows;
			return 0;
		}
	return -ENOENT;
}

int ht_snap_take(struct ht_snap *ret, struct ht_segment_at at, const char *what, struct ht_err *reterr)
{
	struct ht_snap snap;
	int r;

	memset(&snap, 0, sizeof(snap));
	r = ht_snap_header(&snap.header, at, what, reterr);
	if (r < 0)
		return r;
	snap.taken_ns = clock_ns(CLOCK_MONOTONIC);
	snap.taken_realtime_ns = clock_ns(CLOCK_REALTIME);
	for (size_t k = 0; k < N_KINDS; k++) {
		unsigned char *rows;
		size_t n = copy_table(&snap.header, at, &kinds[k], &rows, &snap.n_torn);

		memcpy((char *)&snap + kinds[k].rows_at, &rows, sizeof(rows));
		memcpy((char *)&snap + kinds[k].n_at, &n, sizeof(n));
	}
	*ret = snap;
	return 0;
}

void ht_snap_done(struct ht_snap *snap)
{
	if (!snap)
		return;
	for (size_t k = 0; k < N_KINDS; k++) {
		void *rows;

		memcpy(&rows, (char *)snap + kinds[k].rows_at, sizeof(rows));
		free(rows);
	}
	memset(snap, 0, sizeof(*snap));
}
