/* SPDX-License-Identifier: MIT */
/*
 * mem.h - allocation that does not fail, and growing arrays.
 *
 * Layer:   util/
 * Errors:  out of memory ends the program with a message; a viewer may
 */
#ifndef HT_UTIL_MEM_H
#define HT_UTIL_MEM_H

#include <stddef.h>

void *ht_xmalloc(size_t bytes);
/* Zeroed.  Exits when n * bytes overflows. */
void *ht_xcalloc(size_t n, size_t bytes);
void *ht_xrealloc(void *p, size_t n, size_t bytes);
char *ht_xstrdup(const char *s);

/*
 * Room for one more element at the end of an array: grows `*p` when `n` has reached `*room`.
 * Usage: ht_grow((void **)&v, n, &room, sizeof(*v)); v[n++] = ...
 */
void ht_grow(void **p, size_t n, size_t *room, size_t bytes);

#endif /* HT_UTIL_MEM_H */
