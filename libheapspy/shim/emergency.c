/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that calls malloc while its own thread is inside a slow path cannot have the locks and the
 * lists that were interrupted.  It is served from here: 64 blocks of 16 KiB and a word of bits.  POSIX forbids such
 * handlers, programs have them; what they take they mostly give back.
 */
#include "base/bits.h"
#include "shim/process.h"

#define BLOCK_BYTES ((size_t)16 << 10)
#define N_BLOCKS 64u

static char store[N_BLOCKS][BLOCK_BYTES] __attribute__((aligned(16384)));
static uint64_t xtaken; /* bit b: store[b] is in use */

void *hs_emergency_alloc(size_t bytes, size_t align)
{
	uint64_t taken = hs_load_relaxed(&xtaken);
	unsigned b;

	if (bytes > BLOCK_BYTES || align > BLOCK_BYTES)
		return NULL;
	do {
		if (taken == UINT64_MAX)
			return NULL;
		b = (unsigned)__builtin_ctzll(~taken);
		/* [mo:emergency acquire] the last user's writes come before ours */
	} while (!hs_cas_acquire(&xtaken, &taken, taken | (uint64_t)1 << b));
	return store[b];
}

bool hs_emergency_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)store < sizeof(store);
}

void hs_emergency_free(void *p)
{
	uint64_t taken = hs_load_relaxed(&xtaken), bit = (uint64_t)1 << ((size_t)((char *)p - store[0]) / BLOCK_BYTES);

	/* [mo:emergency release] */
	while (!hs_cas_release(&xtaken, &taken, taken & ~bit))
		;
}

size_t hs_emergency_usable(const void *p)
{
	(void)p;
	return BLOCK_BYTES;
}
