/* SPDX-License-Identifier: MIT */
/*
 * Invariant: next <= end, both in one chunk, and [next, end) was never handed out.
 */
#include "core/meta.h"

#include "base/bits.h"
#include "os/vm.h"

#define CHUNK_FIRST ((size_t)256 << 10)
#define CHUNK_LIMIT ((size_t)4 << 20)

void hs_meta_init(struct hs_meta *meta, struct heapspy_lock *row, uint64_t *counter)
{
	hs_lock_init(&meta->lock, HS_RANK_META, row);
	meta->next = meta->end = NULL;
	meta->chunk_bytes = CHUNK_FIRST;
	meta->counter = counter;
}

static bool refill_locked(struct hs_meta *meta, size_t bytes)
{
	size_t chunk = hs_max(meta->chunk_bytes, hs_align_up(bytes, hs_vm_page_bytes()));
	char *p = hs_vm_map(chunk, 4096);

	if (p == NULL) {
		chunk = hs_align_up(bytes, hs_vm_page_bytes());
		p = hs_vm_map(chunk, 4096);
		if (p == NULL)
			return false;
	}
	hs_vm_name(p, chunk, "heapspy-meta");
	meta->next = p;
	meta->end = p + chunk;
	meta->chunk_bytes = hs_min(meta->chunk_bytes * 2, CHUNK_LIMIT);
	return true;
}

void *hs_meta_alloc(struct hs_meta *meta, size_t bytes, size_t align)
{
	char *p = NULL;

	hs_assert(hs_is_pow2(align) && align <= 4096);
	hs_lock_lock(&meta->lock);
	for (int attempt = 0; attempt < 2; attempt++) {
		char *start = (char *)hs_align_up((uintptr_t)meta->next, align);

		if (meta->next != NULL && start <= meta->end && (size_t)(meta->end - start) >= bytes) {
			p = start;
			hs_bump(meta->counter, (uint64_t)(p + bytes - meta->next));
			meta->next = p + bytes;
			break;
		}
		if (attempt == 1 || !refill_locked(meta, bytes + align))
			break;
	}
	hs_lock_unlock(&meta->lock);
	return p;
}
