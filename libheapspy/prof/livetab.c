/* SPDX-License-Identifier: MIT */
/*
 * Invariants of a shard: n <= (mask + 1) / 2; from home(slots[i].ptr) on to i there is no free slot (so a
 * probe ends at the first free one); each row is in one slot of one shard, or in the free stack, or >= xn_rows.
 *
 * Removal moves later members of a cluster back instead of leaving a mark, so tables never need cleaning.
 */
#include "prof/livetab.h"

#include "base/bits.h"
#include "prof/bounded.h"

#define FIRST_SLOTS 16u
#define NO_ROW UINT32_MAX

struct hs_livetab_slot {
	uintptr_t ptr; /* 0: free */
	uint32_t row;
	uint32_t unused;
};

void hs_livetab_init(struct hs_livetab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row)
{
	uint64_t capacity = rows->tables[HEAPSPY_T_SAMPLES - 1].capacity;

	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++) {
		struct hs_livetab_shard *shard = &tab->shards[i];

		hs_lock_init(&shard->lock, HS_RANK_SAMPLES, lock_row);
		shard->slots = NULL;
		shard->mask = 0;
		shard->n = 0;
	}
	hs_lock_init(&tab->grow_lock, HS_RANK_SAMPLES, lock_row);
	for (unsigned i = 0; i < HS_LIVETAB_CHUNKS; i++)
		tab->xchunks[i] = NULL;
	tab->xfree = 0;
	tab->xn_rows = 0;
	tab->capacity = (uint32_t)hs_min(capacity, (size_t)HS_LIVETAB_CHUNK * HS_LIVETAB_CHUNKS);
	tab->rows = rows;
	tab->meta = meta;
}

uint64_t hs_livetab_fork_prepare(struct hs_livetab *tab)
{
	uint64_t prepared = 0;

	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		if (hs_bounded_lock(&tab->shards[i].lock))
			prepared |= UINT64_C(1) << i;
	return prepared;
}

void hs_livetab_fork_parent(struct hs_livetab *tab, uint64_t prepared)
{
	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		if (prepared >> i & 1)
			hs_lock_unlock(&tab->shards[i].lock);
}

/* Locks that prepare did not get are held by the code that a fork in a handler interrupted: it will let go.
   The grow lock's holder touches nothing else, so it is simply free. */
void hs_livetab_fork_child(struct hs_livetab *tab, uint64_t prepared)
{
	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++) {
		if (prepared >> i & 1) {
			hs_lock_rank_pop(HS_RANK_SAMPLES);
			hs_lock_init_child(&tab->shards[i].lock);
		}
	}
	hs_lock_init_child(&tab->grow_lock);
}

/* ---- rows and their records ---- */

static struct hs_live *record_of(struct hs_livetab *tab, uint32_t row)
{
	/* [mo:live-chunk acquire] pairs with need_record(): its pages are zeroed */
	return &hs_load_acquire(&tab->xchunks[row / HS_LIVETAB_CHUNK])[row % HS_LIVETAB_CHUNK];
}

static bool need_record(struct hs_livetab *tab, uint32_t row)
{
	struct hs_live **chunk = &tab->xchunks[row / HS_LIVETAB_CHUNK];

	if (hs_load_relaxed(chunk) != NULL)
		return true;
	if (!hs_bounded_lock(&tab->grow_lock))
		return false;
	if (hs_load_relaxed(chunk) == NULL) {
		struct hs_live *fresh =
			hs_meta_alloc(tab->meta, HS_LIVETAB_CHUNK * sizeof(struct hs_live), HS_CACHE_LINE);

		/* [mo:live-chunk release] */
		hs_store_release(chunk, fresh);
	}
	hs_lock_unlock(&tab->grow_lock);
	return hs_load_relaxed(chunk) != NULL;
}

/* `site` is written as pop_free() of another thread may still read it, to find that its head is outdated. */
static void write_record(struct hs_live *record, const struct hs_live *live)
{
	record->size_bytes = live->size_bytes;
	record->usable_bytes = live->usable_bytes;
	record->interval_bytes = live->interval_bytes;
	record->birth_ns = live->birth_ns;
	hs_store_relaxed(&record->site, live->site);
	record->thread = live->thread;
}

static void push_row(struct hs_livetab *tab, uint32_t row)
{
	struct hs_live *record = record_of(tab, row);
	uint64_t head = hs_load_relaxed(&tab->xfree);

	do {
		/* `site` of a free record is the next in the stack */
		hs_store_relaxed(&record->site, (uint32_t)head);
		/* [mo:live-free release] the link must be visible before the head */
	} while (!hs_cas_release(&tab->xfree, &head, ((head >> 32) + 1) << 32 | (row + 1)));
}

static uint32_t pop_free(struct hs_livetab *tab)
{
	/* [mo:live-free acquire] pairs with push_row() */
	uint64_t head = hs_load_acquire(&tab->xfree);

	while ((uint32_t)head != 0) {
		uint32_t row = (uint32_t)head - 1;
		uint32_t next = hs_load_relaxed(&record_of(tab, row)->site);

		/* the tag makes a head that came back in between another value */
		if (hs_cas_acquire(&tab->xfree, &head, ((head >> 32) + 1) << 32 | next)) /* [mo:live-free acquire] */
			return row;
	}
	return NO_ROW;
}

static uint32_t pop_row(struct hs_livetab *tab)
{
	uint32_t row = pop_free(tab);
	uint32_t n = hs_load_relaxed(&tab->xn_rows);

	if (row != NO_ROW)
		return row;
	do {
		if (n >= tab->capacity || !need_record(tab, n) ||
		    !hs_rows_present(tab->rows, HEAPSPY_T_SAMPLES, n))
			return NO_ROW;
	} while (!hs_cas_relaxed(&tab->xn_rows, &n, n + 1));
	return n;
}

/* ---- shards ---- */

static uint64_t hash_of(uintptr_t ptr)
{
	uint64_t h = (uint64_t)ptr * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 29;
}

/* Low bits choose the shard, high ones the slot. */
static struct hs_livetab_shard *shard_of(struct hs_livetab *tab, uint64_t hash)
{
	return &tab->shards[hash % HS_LIVETAB_SHARDS];
}

static uint32_t home(const struct hs_livetab_shard *shard, uintptr_t ptr)
{
	return (uint32_t)(hash_of(ptr) >> 32) & shard->mask;
}

/* The slot of `ptr`, or the free one where the probe for it ends. */
static uint32_t probe_locked(const struct hs_livetab_shard *shard, uintptr_t ptr)
{
	uint32_t i = home(shard, ptr);

	while (shard->slots[i].ptr != 0 && shard->slots[i].ptr != ptr)
		i = (i + 1) & shard->mask;
	return i;
}

static bool grow_locked(struct hs_livetab *tab, struct hs_livetab_shard *shard)
{
	struct hs_livetab_slot *old = shard->slots;
	uint32_t n_old = old == NULL ? 0 : shard->mask + 1;
	uint32_t n_new = old == NULL ? FIRST_SLOTS : n_old * 2;
	struct hs_livetab_slot *slots = hs_meta_alloc(tab->meta, n_new * sizeof(*slots), HS_CACHE_LINE);

	if (slots == NULL)
		return false;
	shard->slots = slots;
	shard->mask = n_new - 1;
	for (uint32_t i = 0; i < n_old; i++)
		if (old[i].ptr != 0)
			slots[probe_locked(shard, old[i].ptr)] = old[i];
	return true;
}

static void unlink_locked(struct hs_livetab_shard *shard, uint32_t hole)
{
	uint32_t i = hole;

	for (;;) {
		i = (i + 1) & shard->mask;
		if (shard->slots[i].ptr == 0)
			break;
		/* may move back only if the hole is not before its home: distances counted from its home */
		if (((i - home(shard, shard->slots[i].ptr)) & shard->mask) >= ((i - hole) & shard->mask)) {
			shard->slots[hole] = shard->slots[i];
			hole = i;
		}
	}
	shard->slots[hole].ptr = 0;
	shard->n--;
}

/* ---- the published row ---- */

static void publish(struct hs_livetab *tab, uint32_t row, uintptr_t ptr, const struct hs_live *live,
		    const struct hs_live_place *place)
{
	struct heapspy_sample *s = &tab->rows->samples[row];

	hs_store_relaxed(&s->size_bytes, live->size_bytes);
	hs_store_relaxed(&s->usable_bytes, live->usable_bytes);
	hs_store_relaxed(&s->interval_bytes, live->interval_bytes);
	hs_store_relaxed(&s->birth_ns, live->birth_ns);
	hs_store_relaxed(&s->site, live->site);
	hs_store_relaxed(&s->span, place->span);
	hs_store_relaxed(&s->thread, live->thread);
	hs_store_relaxed(&s->tid, place->tid);
	(void)hs_rows_need(tab->rows, HEAPSPY_T_SAMPLES, row);
	hs_store_release(&s->address, (uint64_t)ptr); /* [mo:sample-row release] last: the row is whole */
}

static void retract(struct hs_livetab *tab, uint32_t row)
{
	hs_store_relaxed(&tab->rows->samples[row].address, UINT64_C(0));
	/* a reader must not see the next sample's words under this one's address */
	hs_fence_release(); /* [mo:sample-row release] */
}

/* ---- the interface ---- */

/* Takes over `row`; gives back the row that it frees, NO_ROW for none. */
static uint32_t insert_locked(struct hs_livetab *tab, struct hs_livetab_shard *shard, uintptr_t ptr, uint32_t row,
			      const struct hs_live *live, struct hs_live *ret_stale)
{
	uint32_t i, freed = NO_ROW;

	if (shard->slots == NULL || shard->n + 1 > (shard->mask + 1) / 2) {
		/* without memory the table may fill up further, but never wholly: probes must end */
		if (!grow_locked(tab, shard) && (shard->slots == NULL || shard->n + 1 > shard->mask))
			return row;
	}
	i = probe_locked(shard, ptr);
	if (shard->slots[i].ptr == ptr) {
		freed = shard->slots[i].row;
		*ret_stale = *record_of(tab, freed);
		retract(tab, freed);
	} else {
		shard->n++;
	}
	shard->slots[i].ptr = ptr;
	shard->slots[i].row = row;
	write_record(record_of(tab, row), live);
	return freed;
}

bool hs_livetab_insert(struct hs_livetab *tab, uintptr_t ptr, const struct hs_live *live,
		       const struct hs_live_place *place, uint32_t *ret_row, struct hs_live *ret_stale)
{
	struct hs_livetab_shard *shard = shard_of(tab, hash_of(ptr));
	uint32_t row = pop_row(tab), freed = row;

	ret_stale->birth_ns = 0;
	if (row != NO_ROW && hs_bounded_lock(&shard->lock)) {
		freed = insert_locked(tab, shard, ptr, row, live, ret_stale);
		if (freed != row)
			publish(tab, row, ptr, live, place);
		hs_lock_unlock(&shard->lock);
	}
	if (freed != NO_ROW)
		push_row(tab, freed);
	if (row == NO_ROW || freed == row) {
		hs_add_relaxed(&tab->rows->header->lost_samples, 1);
		return false;
	}
	*ret_row = row;
	return true;
}

bool hs_livetab_remove(struct hs_livetab *tab, uintptr_t ptr, struct hs_live *ret_live)
{
	struct hs_livetab_shard *shard = shard_of(tab, hash_of(ptr));
	uint32_t row = NO_ROW;

	if (!hs_bounded_lock(&shard->lock)) {
		hs_add_relaxed(&tab->rows->header->lost_samples, 1);
		return false;
	}
	if (shard->slots != NULL) {
		uint32_t i = probe_locked(shard, ptr);

		if (shard->slots[i].ptr == ptr) {
			row = shard->slots[i].row;
			*ret_live = *record_of(tab, row);
			retract(tab, row);
			unlink_locked(shard, i);
		}
	}
	hs_lock_unlock(&shard->lock);
	if (row == NO_ROW)
		return false;
	push_row(tab, row);
	return true;
}

bool hs_livetab_find(struct hs_livetab *tab, uintptr_t ptr, struct hs_live *ret_live)
{
	struct hs_livetab_shard *shard = shard_of(tab, hash_of(ptr));
	bool found = false;

	if (!hs_bounded_lock(&shard->lock))
		return false;
	if (shard->slots != NULL) {
		uint32_t i = probe_locked(shard, ptr);

		found = shard->slots[i].ptr == ptr;
		if (found)
			*ret_live = *record_of(tab, shard->slots[i].row);
	}
	hs_lock_unlock(&shard->lock);
	return found;
}

uint64_t hs_livetab_count(struct hs_livetab *tab)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		n += hs_load_relaxed(&tab->shards[i].n);
	return n;
}

static void check_shard(struct hs_livetab *tab, const struct hs_livetab_shard *shard)
{
	uint32_t n = 0;

	for (uint32_t i = 0; shard->slots != NULL && i <= shard->mask; i++) {
		if (shard->slots[i].ptr == 0)
			continue;
		n++;
		hs_verify(shard->slots[i].row < tab->xn_rows);
		hs_verify(probe_locked(shard, shard->slots[i].ptr) == i);
		hs_verify(shard_of(tab, hash_of(shard->slots[i].ptr)) == shard);
	}
	hs_verify(n == shard->n && (shard->slots == NULL || n <= shard->mask));
}

void hs_livetab_check(struct hs_livetab *tab)
{
	uint64_t n_free = 0;

	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		check_shard(tab, &tab->shards[i]);
	for (uint32_t at = (uint32_t)tab->xfree; at != 0; at = record_of(tab, at - 1)->site)
		n_free++;
	hs_verify(n_free + hs_livetab_count(tab) == tab->xn_rows);
}
