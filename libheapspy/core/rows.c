/* SPDX-License-Identifier: MIT */
/*
 * Invariants:
 *   tables[i].base == base + header.tables[i].offset, page aligned
 *   present_bytes <= capacity * row_bytes rounded up to a page
 *   header.tables[i].count <= capacity for all tables but rings
 */
#include "core/rows.h"

#include <sys/resource.h>

#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

/*
 * Rows of each table at full and at least size.  With little address space everything that is a multiple of 256 rows is
 * divided once more (see lay_out).
 */
struct plan {
	uint32_t row_bytes;
	uint32_t full, least;
};

/*
 * Why these: 2^20 spans of 32-256 KiB are 32 GiB and more of heap; 2^20 samples are 512 GiB at the default mean;
 * 4096 threads and 256 arenas are what large services have; 64 Ki sites is what tcmalloc users report as many.
 * Only touched pages cost memory.
 */
static struct plan plan_of(uint32_t id, uint32_t n_classes)
{
	switch (id) {
	case HEAPSPY_T_TOTALS:
		return (struct plan){sizeof(struct heapspy_totals), 1, 1};
	case HEAPSPY_T_CLASSES:
		return (struct plan){sizeof(struct heapspy_class), n_classes, n_classes};
	case HEAPSPY_T_ARENAS:
		return (struct plan){sizeof(struct heapspy_arena), 256, 256};
	case HEAPSPY_T_BINS:
		return (struct plan){sizeof(struct heapspy_bin), 256 * n_classes, 256 * n_classes};
	case HEAPSPY_T_LOCKS:
		return (struct plan){sizeof(struct heapspy_lock), 16 + 256 * (n_classes + 1), 16 + 256 * (n_classes + 1)};
	case HEAPSPY_T_THREADS:
		return (struct plan){sizeof(struct heapspy_thread), 4096, 1024};
	case HEAPSPY_T_THREAD_CLASSES:
		return (struct plan){sizeof(struct heapspy_thread_class), 4096 * n_classes, 1024 * n_classes};
	case HEAPSPY_T_SITES:
		return (struct plan){sizeof(struct heapspy_site), 65536, 2048};
	case HEAPSPY_T_FRAMES:
		return (struct plan){sizeof(uint64_t), 1u << 20, 32768};
	case HEAPSPY_T_SAMPLES:
		return (struct plan){sizeof(struct heapspy_sample), 1u << 20, 16384};
	case HEAPSPY_T_MODULES:
		return (struct plan){sizeof(struct heapspy_module), 1024, 256};
	case HEAPSPY_T_SPANS:
		return (struct plan){sizeof(struct heapspy_span), 1u << 20, 16384};
	case HEAPSPY_T_HISTORY_1S:
		return (struct plan){sizeof(struct heapspy_history), 600, 600};
	case HEAPSPY_T_HISTORY_1M:
		return (struct plan){sizeof(struct heapspy_history), 1440, 1440};
	case HEAPSPY_T_HISTORY_1H:
		return (struct plan){sizeof(struct heapspy_history), 672, 672};
	case HEAPSPY_T_EVENTS:
		return (struct plan){sizeof(struct heapspy_event), 1024, 1024};
	case HEAPSPY_T_MAILBOX:
		return (struct plan){sizeof(struct heapspy_mail), 8, 8};
	case HEAPSPY_T_WAITERS:
		return (struct plan){sizeof(struct heapspy_waiter), 8192, 1024};
	default:
		return (struct plan){0, 0, 0};
	}
}

static size_t header_bytes(void)
{
	return hs_align_up(sizeof(struct heapspy_header), hs_vm_page_bytes());
}

enum layout { LAYOUT_FULL, LAYOUT_LEAST, LAYOUT_TINY };

/* Address space that the process may have; the rows must leave the heap most of it. */
static enum layout first_layout(void)
{
	struct {
		uint64_t soft, hard;
	} limit = {UINT64_MAX, UINT64_MAX};

	(void)hs_syscall4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit);
	return limit.soft < (64u << 20) ? LAYOUT_TINY : limit.soft < (1u << 30) ? LAYOUT_LEAST : LAYOUT_FULL;
}

static size_t lay_out(struct hs_rows *rows, uint32_t n_classes, enum layout layout)
{
	size_t offset = header_bytes();

	for (uint32_t i = 0; i < HS_N_TABLES; i++) {
		struct plan p = plan_of(i + 1, n_classes);
		struct hs_rows_table *t = &rows->tables[i];

		t->row_bytes = p.row_bytes;
		t->capacity = layout == LAYOUT_FULL ? p.full : p.least;
		if (layout == LAYOUT_TINY && p.least >= 256 * 4)
			t->capacity = p.least / 16;
		t->base = (char *)offset; /* relative until the range is known */
		t->present_bytes = 0;
		t->private_pages = false;
		offset += hs_align_up((size_t)t->row_bytes * t->capacity, hs_vm_page_bytes());
	}
	return offset;
}

static void set_pointers(struct hs_rows *rows)
{
	struct hs_rows_table *t = rows->tables;

	rows->header = (struct heapspy_header *)(void *)rows->base;
	rows->totals = (struct heapspy_totals *)(void *)t[HEAPSPY_T_TOTALS - 1].base;
	rows->classes = (struct heapspy_class *)(void *)t[HEAPSPY_T_CLASSES - 1].base;
	rows->arenas = (struct heapspy_arena *)(void *)t[HEAPSPY_T_ARENAS - 1].base;
	rows->bins = (struct heapspy_bin *)(void *)t[HEAPSPY_T_BINS - 1].base;
	rows->locks = (struct heapspy_lock *)(void *)t[HEAPSPY_T_LOCKS - 1].base;
	rows->threads = (struct heapspy_thread *)(void *)t[HEAPSPY_T_THREADS - 1].base;
	rows->thread_classes = (struct heapspy_thread_class *)(void *)t[HEAPSPY_T_THREAD_CLASSES - 1].base;
	rows->sites = (struct heapspy_site *)(void *)t[HEAPSPY_T_SITES - 1].base;
	rows->frames = (uint64_t *)(void *)t[HEAPSPY_T_FRAMES - 1].base;
	rows->samples = (struct heapspy_sample *)(void *)t[HEAPSPY_T_SAMPLES - 1].base;
	rows->modules = (struct heapspy_module *)(void *)t[HEAPSPY_T_MODULES - 1].base;
	rows->spans = (struct heapspy_span *)(void *)t[HEAPSPY_T_SPANS - 1].base;
	rows->history[0] = (struct heapspy_history *)(void *)t[HEAPSPY_T_HISTORY_1S - 1].base;
	rows->history[1] = (struct heapspy_history *)(void *)t[HEAPSPY_T_HISTORY_1M - 1].base;
	rows->history[2] = (struct heapspy_history *)(void *)t[HEAPSPY_T_HISTORY_1H - 1].base;
	rows->events = (struct heapspy_event *)(void *)t[HEAPSPY_T_EVENTS - 1].base;
	rows->mailbox = (struct heapspy_mail *)(void *)t[HEAPSPY_T_MAILBOX - 1].base;
	rows->waiters = (struct heapspy_waiter *)(void *)t[HEAPSPY_T_WAITERS - 1].base;
}

bool hs_rows_init(struct hs_rows *rows, uint32_t n_classes)
{
	struct heapspy_header *h;

	rows->base = NULL;
	for (unsigned layout = first_layout(); rows->base == NULL && layout <= LAYOUT_TINY; layout++) {
		rows->bytes = lay_out(rows, n_classes, layout);
		rows->base = hs_vm_map(rows->bytes, 4096);
	}
	if (rows->base == NULL)
		return false;
	hs_vm_name(rows->base, rows->bytes, "heapspy-seg");
	rows->shared = false;
	for (uint32_t i = 0; i < HS_N_TABLES; i++)
		rows->tables[i].base = rows->base + (uintptr_t)rows->tables[i].base;
	set_pointers(rows);
	h = rows->header;
	h->major = HEAPSPY_MAJOR;
	h->minor = HEAPSPY_MINOR;
	h->header_bytes = sizeof(*h);
	h->n_tables = HS_N_TABLES;
	h->segment_bytes = rows->bytes;
	h->state = HEAPSPY_STATE_INIT;
	h->n_classes = n_classes;
	for (uint32_t i = 0; i < HS_N_TABLES; i++) {
		h->tables[i].id = i + 1;
		h->tables[i].row_bytes = rows->tables[i].row_bytes;
		h->tables[i].offset = (uint64_t)(rows->tables[i].base - rows->base);
		h->tables[i].capacity = rows->tables[i].capacity;
	}
	hs_lock_init(&rows->lock, HS_RANK_META, NULL);
	return hs_rows_need(rows, HEAPSPY_T_TOTALS, 0);
}

void hs_rows_done(struct hs_rows *rows)
{
	if (rows == NULL || rows->base == NULL)
		return;
	hs_vm_unmap(rows->base, rows->bytes);
	rows->base = NULL;
}

/* Pages are made present 16 KiB at a time: small processes stay small, large ones call seldom. */
#define STEP_BYTES ((size_t)16 << 10)

static void grow_locked(struct hs_rows *rows, struct hs_rows_table *t, size_t need)
{
	size_t page = hs_vm_page_bytes();
	size_t limit = hs_align_up((size_t)t->row_bytes * t->capacity, page);
	size_t target = hs_min(hs_align_up(need, hs_max(need > STEP_BYTES ? STEP_BYTES : page, page)), limit);
	char *from = t->base + t->present_bytes;
	size_t bytes = target - t->present_bytes;

	if (rows->shared && !t->private_pages && !hs_vm_touch(from, bytes)) {
		/* no room in the file system: the rest of this table stays ours alone */
		if (hs_vm_overlay(from, limit - t->present_bytes))
			t->private_pages = true;
		rows->header->tables[t - rows->tables].capacity = t->present_bytes / t->row_bytes;
		/* an overlay can only fail for lack of VMAs; then the pages may fault, and so the row is refused */
		if (!t->private_pages)
			return;
	}
	hs_store_relaxed(&t->present_bytes, target);
}

bool hs_rows_present(struct hs_rows *rows, uint32_t table_id, uint64_t index)
{
	struct hs_rows_table *t = &rows->tables[table_id - 1];
	size_t need = (size_t)(index + 1) * t->row_bytes;

	if (index >= t->capacity)
		return false;
	if (need > hs_load_relaxed(&t->present_bytes)) {
		hs_lock_lock(&rows->lock);
		if (need > t->present_bytes)
			grow_locked(rows, t, need);
		hs_lock_unlock(&rows->lock);
	}
	return need <= hs_load_relaxed(&t->present_bytes);
}

void hs_rows_publish(struct hs_rows *rows, uint32_t table_id, uint64_t count)
{
	/* [mo:table-count release] the rows must be visible before the count that covers them */
	hs_store_release(&rows->header->tables[table_id - 1].count, count);
}

bool hs_rows_need(struct hs_rows *rows, uint32_t table_id, uint64_t index)
{
	uint64_t *count = &rows->header->tables[table_id - 1].count;
	uint64_t seen;

	if (!hs_rows_present(rows, table_id, index))
		return false;
	seen = hs_load_relaxed(count);
	/* [mo:table-count release] as in hs_rows_publish(); several threads may raise it */
	while (seen < index + 1 && !hs_cas_release(count, &seen, index + 1))
		;
	return true;
}

uint64_t hs_rows_present_bytes(const struct hs_rows *rows)
{
	uint64_t sum = header_bytes();

	for (uint32_t i = 0; i < HS_N_TABLES; i++)
		sum += hs_load_relaxed(&rows->tables[i].present_bytes);
	return sum;
}
