/* SPDX-License-Identifier: MIT */
/*
 * top.h - the few largest rows of a table.
 *
 * Layer:   diag/
 */
#ifndef HT_DIAG_TOP_H
#define HT_DIAG_TOP_H

#include <stddef.h>

#define HT_TOP 3 /* rows that evidence lists: the fourth has never convinced anybody */

typedef double ht_key_fn(const void *row);

/* Pointers to the rows with the largest keys, largest first; rows whose key is not above 0 do not count. */
size_t ht_top(const void *rows, size_t n, size_t row_bytes, ht_key_fn *key, const void *ret[HT_TOP]);

#endif /* HT_DIAG_TOP_H */
