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
		unsigned klass = hs_sizeclass_of(bytes);
		void *p = hs_likely(hs_tls_has_cache(tls)) ? hs_tcache_pop(tls->own, klass) : NULL;

		if (hs_likely(p != NULL) || hs_likely((p = hs_alloc_next(tls, klass, 0)) != NULL))
			return p;
	}
	return hs_alloc_slow(bytes, HS_SLOT_ALIGN, false);
}

/* malloc of `bytes`, taken off the countdown already, when `direct` had no slot. */
static HS_NOINLINE void *malloc_next(size_t bytes)
{
	void *p = hs_alloc_next(&hs_tls, hs_sizeclass_of(bytes), 0);

	return hs_likely(p != NULL) ? p : hs_alloc_slow(bytes, HS_SLOT_ALIGN, false);
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
	return hs_likely(p != NULL) ? p : malloc_next(bytes);
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
	struct hs_tls *tls = &hs_tls;
	void *p;

	/* glibc's loader callocs the vector of thread-local blocks just before it makes a thread */
	if (hs_unlikely(size == 16) && hs_unlikely(!hs_load_relaxed(&hs_process.xmade_threads)))
		hs_calloc_hint(__builtin_return_address(0));
	if (hs_likely(bytes <= HS_DIRECT_MAX)) {
		p = malloc(bytes);
		return hs_likely(p != NULL) ? memset(p, 0, bytes) : NULL;
	}
	if (bytes <= HS_SMALL_MAX && hs_likely(!hs_spend(&tls->countdown, (int64_t)bytes))) {
		unsigned klass = hs_sizeclass_of(bytes);

		p = hs_likely(hs_tls_has_cache(tls)) ? hs_tcache_pop(tls->own, klass) : NULL;
		if (hs_likely(p != NULL))
			return memset(p, 0, bytes);
		p = hs_alloc_next(tls, klass, bytes);
		if (hs_likely(p != NULL))
			return p;
	}
	return hs_alloc_slow(bytes, HS_SLOT_ALIGN, true);
}

/* From slot to slot without a slow path, if all that is needed is at hand; else NULL, and nothing has changed. */
HS_INLINE void *resize_small(struct hs_tls *tls, struct hs_span *s, void *p, size_t bytes)
{
	struct hs_tcache *t = tls->own;
	size_t n = hs_min(bytes, s->slot_bytes);
	char *q;

	if (hs_unlikely(!hs_span_is_slot(s, p) || hs_slot_looks_free(p, s)))
		return NULL;
	/* it stays while the slot is at least half used: a shrink that saves little is not worth a copy */
	if (bytes <= s->slot_bytes && bytes > s->slot_bytes / 2)
		return p;
	if (bytes > HS_SMALL_MAX || tls->countdown <= (int64_t)bytes || !hs_tls_has_cache(tls))
		return NULL;
	if (bytes > s->slot_bytes && hs_grow_wanted(&t->grow, p, bytes))
		return NULL;
	q = hs_tcache_pop(t, hs_sizeclass_of(bytes));
	if (hs_unlikely(q == NULL))
		return NULL;
	tls->countdown -= (int64_t)bytes;
	hs_grow_note(&t->grow, q);
	if (n <= 128)
		for (size_t i = 0; i < n; i += HS_SLOT_ALIGN)
			memcpy(q + i, (const char *)p + i, HS_SLOT_ALIGN); /* both are as long as a multiple of that */
	else
		memcpy(q, p, n);
	free(p);
	return q;
}

HS_INLINE void *grow_in_place(struct hs_tls *tls, struct hs_span *s, void *p, size_t bytes)
{
	size_t old = s->slot_bytes;

	if (bytes < old || tls->countdown <= (int64_t)(bytes - old) || !hs_tls_has_cache(tls) ||
	    !hs_grow_fits(tls->own, s, p, bytes) || hs_load_relaxed(&s->xn_samples) != 0)
		return NULL;
	/* see realloc_grown() in slow.c */
	tls->countdown -= (int64_t)(bytes - old);
	tls->mark += (int64_t)old;
	hs_grow_set(s, bytes);
	return p;
}

HS_EXPORT void *realloc(void *p, size_t bytes)
{
	struct hs_tls *tls = &hs_tls;
	struct hs_span *s;

	if (p == NULL)
		return malloc(bytes);
	if (bytes == 0) {
		free(p);
		return NULL;
	}
	s = hs_pagemap_get(p);
	if (hs_likely(s != NULL)) {
		void *q = s->state == HS_SPAN_SMALL ? resize_small(tls, s, p, bytes) : grow_in_place(tls, s, p, bytes);

		if (hs_likely(q != NULL))
			return q;
	}
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
	size_t rounded = hs_align_up(bytes, align);
	void *p;

	if (align <= HS_SLOT_ALIGN)
		return malloc(bytes);
	if (bytes <= HS_SMALL_MAX && hs_likely(!hs_spend(&tls->countdown, (int64_t)bytes)) &&
	    rounded <= HS_SMALL_MAX && align <= HS_PAGE_BYTES && hs_likely(hs_tls_has_cache(tls))) {
		unsigned klass = hs_sizeclass_of(rounded);

		/* nearly always a class whose slots are multiples of the alignment; the loop is for the others */
		if (hs_unlikely(bytes == 0 || (hs_sizeclasses[klass].slot_bytes & (align - 1)) != 0))
			klass = hs_sizeclass_of_aligned(bytes, align);
		p = klass != HS_N_CLASSES ? hs_tcache_pop(tls->own, klass) : NULL;
		if (hs_unlikely(p == NULL) && klass != HS_N_CLASSES)
			p = hs_alloc_next(tls, klass, 0);
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
