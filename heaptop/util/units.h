/* SPDX-License-Identifier: MIT */
/*
 * units.h - figures for people.
 *
 * Layer:   util/
 * Memory:  the caller's buffer of HT_UNIT_ROOM bytes; every function returns it
 */
#ifndef HT_UTIL_UNITS_H
#define HT_UTIL_UNITS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define HT_UNIT_ROOM 32

/* 0, 512, 1.5K, 512.0M, 1.24G: powers of 1024, at most 6 characters (7 with a sign). */
char *ht_fmt_bytes(char buf[HT_UNIT_ROOM], double bytes);
/* 999, 1.2K, 8.1M: powers of 1000. */
char *ht_fmt_count(char buf[HT_UNIT_ROOM], double n);
/* Two units at most: 3h12m, 45s, 1.5ms, 120ns. */
char *ht_fmt_ns(char buf[HT_UNIT_ROOM], double ns);
/* ht_fmt_bytes() and "/s". */
char *ht_fmt_rate(char buf[HT_UNIT_ROOM], double bytes_per_s);
/* 41.2 (no sign). */
char *ht_fmt_percent(char buf[HT_UNIT_ROOM], double ratio);
/* 2026-01-02 16:00:00, in UTC when `utc`. */
char *ht_fmt_time(char buf[HT_UNIT_ROOM], uint64_t realtime_ns, bool utc);

/* Reads 512, 64k, 1.5m, 2g.  False when there is something else in it. */
bool ht_parse_bytes(const char *s, uint64_t *ret);
/* Reads seconds, a decimal fraction of at least `least`. */
bool ht_parse_seconds(const char *s, double least, double *ret);
bool ht_parse_u64(const char *s, uint64_t most, uint64_t *ret);

#endif /* HT_UTIL_UNITS_H */
