/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that calls malloc while its own thread is inside a slow path cannot have the locks and the
 * lists that were interrupted.  It is served from here: a bump store that is never given back.  POSIX forbids
 * such handlers, programs have them; 256 KiB serve thousands of them.
 *
 *	| header: usable size | block ... | header | block ...
 */
#include "shim/process.h"

#include "base/bits.h"

#define STORE_BYTES ((size_t)256 << 10)

static char store[STORE_BYTES] __attribute__((aligned(4096)));
static size_t xnext;

void *hs_emergency_alloc(size_t bytes, size_t align)
{
	size_t start = hs_load_relaxed(&xnext), block, end;

	if (bytes > STORE_BYTES || align > 4096)
		return NULL;
	align = hs_max(align, HS_SLOT_ALIGN);
	do {
		block = hs_align_up(start + HS_SLOT_ALIGN, align);
		end = block + hs_align_up(hs_max(bytes, 1), HS_SLOT_ALIGN);
		if (end > STORE_BYTES)
			return NULL;
	} while (!hs_cas_relaxed(&xnext, &start, end));
	*(size_t *)(void *)(store + block - sizeof(size_t)) = end - block;
	return store + block; /* zero: never used before */
}

bool hs_emergency_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)store < STORE_BYTES;
}

size_t hs_emergency_usable(const void *p)
{
	return *(const size_t *)(const void *)((const char *)p - sizeof(size_t));
}
