/* SPDX-License-Identifier: MIT */
/*
 * malloc.c - the exported C family.  Fast paths only; everything else is in slow.c.
 *
 * errno, zero sizes and overflow follow glibc: ENOMEM on each refusal, EINVAL for alignments from
 * aligned_alloc and memalign, posix_memalign returns its error and leaves errno alone, realloc(p, 0) frees.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pagemap.h"
#include "shim/family.h"
#include "shim/process.h"

__thread struct hs_tls hs_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Requests that do not find their span in `direct`. */
static HS_NOINLINE void *malloc_above_direct(size_t bytes)
{
	struct hs_tls *tls = &hs_tls;

	if (hs_likely(bytes <= HS_SMALL_MAX) && hs_likely(!hs_spend(&tls->countdown, (int64_t)bytes))) {
		/* the helper empties `direct` before it takes the tcache, but not what is found otherwise */
		bool mine = hs_likely(tls->token != HS_TOKEN_SEIZED);
		void *p = mine ? hs_tcache_pop(tls->own, hs_sizeclass_of(bytes)) : NULL;

		return hs_likely(p != NULL) ? p : hs_alloc_next(bytes);
	}
	return hs_alloc_slow(bytes, HS_SLOT_ALIGN, false);
}

HS_EXPORT void *malloc(size_t bytes)
{
	struct hs_tls *tls = &hs_tls;
	void *p;

	if (hs_unlikely(bytes > HS_DIRECT_MAX))
		return malloc_above_direct(bytes);
	if (hs_unlikely(hs_spend(&tls->countdown, (int64_t)bytes)))
		return hs_alloc_slow(bytes, HS_SLOT_ALIGN, false);
	p = hs_span_pop(tls->direct[(bytes + HS_SLOT_ALIGN - 1) / HS_SLOT_ALIGN]);
	return hs_likely(p != NULL) ? p : hs_alloc_next(bytes);
}

HS_EXPORT void free(void *p)
{
	struct hs_span *s = hs_front_get(p);

	if (hs_unlikely(!hs_span_push(s, hs_tls.token, p)))
		hs_free_slow(p);
	else if (hs_unlikely(hs_peek(&s->row->used) == 0))
		hs_free_emptied(s);
}

HS_EXPORT void *calloc(size_t n, size_t size)
{
	size_t bytes = hs_mul_sat(n, size);

	/* glibc's loader callocs the vector of thread-local blocks just before it makes a thread */
	if (hs_unlikely(size == 16) && hs_unlikely(!hs_load_relaxed(&hs_process.xmade_threads)))
		hs_calloc_hint(__builtin_return_address(0));
	if (hs_likely(bytes <= HS_SMALL_MAX)) {
		void *p = malloc(bytes);

		return hs_likely(p != NULL) ? memset(p, 0, bytes) : NULL;
	}
	return hs_alloc_slow(bytes, HS_SLOT_ALIGN, true);
}

HS_EXPORT void *realloc(void *p, size_t bytes)
{
	struct hs_span *s;

	if (p == NULL)
		return malloc(bytes);
	if (bytes == 0) {
		free(p);
		return NULL;
	}
	s = hs_pagemap_get(p);
	if (hs_likely(s != NULL) && s->state == HS_SPAN_SMALL && bytes <= s->slot_bytes &&
	    bytes > s->slot_bytes / 2 && hs_span_is_slot(s, p))
		return p;
	return hs_realloc_slow(p, s, bytes);
}

HS_EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes = hs_mul_sat(n, size);

	if (bytes == SIZE_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

HS_EXPORT void cfree(void *p)
{
	free(p);
}

HS_EXPORT void free_sized(void *p, size_t bytes)
{
	(void)bytes;
	free(p);
}

HS_EXPORT void free_aligned_sized(void *p, size_t align, size_t bytes)
{
	(void)align;
	(void)bytes;
	free(p);
}

void *hs_alloc_aligned(size_t align, size_t bytes)
{
	struct hs_tls *tls = &hs_tls;
	void *p;

	if (align <= HS_SLOT_ALIGN)
		return malloc(bytes);
	if (bytes <= HS_SMALL_MAX && hs_likely(!hs_spend(&tls->countdown, (int64_t)bytes))) {
		unsigned klass = hs_sizeclass_of_aligned(bytes, align);

		p = klass != HS_N_CLASSES && tls->token != HS_TOKEN_SEIZED ? hs_tcache_pop(tls->own, klass) : NULL;
		if (hs_likely(p != NULL))
			return p;
	}
	return hs_alloc_slow(bytes, align, false);
}

HS_EXPORT int posix_memalign(void **ret, size_t align, size_t bytes)
{
	int saved = errno;
	void *p;

	if (!hs_is_pow2(align) || align % sizeof(void *) != 0)
		return EINVAL;
	p = hs_alloc_aligned(align, bytes);
	errno = saved;
	if (p == NULL)
		return ENOMEM;
	*ret = p;
	return 0;
}

/* As glibc, an alignment that is no power of two is raised to the next one. */
HS_EXPORT void *memalign(size_t align, size_t bytes)
{
	if (align > (SIZE_MAX >> 1) + 1) {
		errno = EINVAL;
		return NULL;
	}
	if (align > 1 && !hs_is_pow2(align))
		align = (size_t)1 << (hs_log2(align) + 1);
	return hs_alloc_aligned(align, bytes);
}

HS_EXPORT void *aligned_alloc(size_t align, size_t bytes)
{
	return memalign(align, bytes);
}

HS_EXPORT void *valloc(size_t bytes)
{
	return hs_alloc_aligned(hs_kernel_page_bytes(), bytes);
}

HS_EXPORT void *pvalloc(size_t bytes)
{
	size_t page = hs_kernel_page_bytes();
	size_t rounded = hs_align_up(bytes, page);

	if (rounded < bytes) {
		errno = ENOMEM;
		return NULL;
	}
	return hs_alloc_aligned(page, rounded);
}

HS_EXPORT size_t malloc_usable_size(void *p)
{
	return p == NULL ? 0 : hs_usable(p);
}
