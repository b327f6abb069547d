/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that calls malloc while its own thread is inside a slow path cannot have the locks and the
 * lists that were interrupted.  It is served from here: a bump store whose newest block can be taken back, which
 * is what a handler's malloc and free are.  POSIX forbids such handlers, programs have them.
 *
 *	xnext ->  | start, end | block ... | start, end | block ... |  next block
 */
#include "base/bits.h"
#include "shim/process.h"

#define STORE_BYTES ((size_t)1 << 20)

struct header {
	uint32_t start, end; /* offsets in the store: of what the block took, alignment included */
};

static char store[STORE_BYTES] __attribute__((aligned(4096)));
static uint32_t xnext;

static struct header *header_of(const void *p)
{
	return (struct header *)(void *)((char *)(uintptr_t)p - sizeof(struct header));
}

void *hs_emergency_alloc(size_t bytes, size_t align)
{
	uint32_t start = hs_load_relaxed(&xnext);
	size_t block, end;

	if (bytes > STORE_BYTES || align > 4096)
		return NULL;
	align = hs_max(align, HS_SLOT_ALIGN);
	do {
		block = hs_align_up(start + sizeof(struct header), align);
		end = block + hs_align_up(hs_max(bytes, 1), HS_SLOT_ALIGN);
		if (end > STORE_BYTES)
			return NULL;
	} while (!hs_cas_relaxed(&xnext, &start, (uint32_t)end));
	*header_of(store + block) = (struct header){start, (uint32_t)end};
	return store + block;
}

void hs_emergency_free(void *p)
{
	struct header h = *header_of(p);

	(void)hs_cas_relaxed(&xnext, &h.end, h.start);
}

bool hs_emergency_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)store < STORE_BYTES;
}

size_t hs_emergency_usable(const void *p)
{
	return (size_t)(store + header_of(p)->end - (const char *)p);
}
