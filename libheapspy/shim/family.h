/* SPDX-License-Identifier: MIT */
/*
 * family.h - the exported functions that no system header of every glibc declares, and their helpers.
 *
 * Layer:   shim/
 */
#ifndef HS_SHIM_FAMILY_H
#define HS_SHIM_FAMILY_H

#include <malloc.h>

#include "base/cc.h"

void cfree(void *p);
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t align, size_t bytes);

/* A block aligned to a power of two, of any size. */
void *hs_alloc_aligned(size_t align, size_t bytes);

size_t hs_kernel_page_bytes(void);

/* A calloc of 16-byte elements by `caller`: if that is the loader, a thread is about to be made. */
void hs_calloc_hint(const void *caller);

#endif /* HS_SHIM_FAMILY_H */
