/* SPDX-License-Identifier: MIT */
/*
 * text.h - growing strings, and foreign strings made harmless.
 *
 * Whatever comes from the target (names, paths, symbols) may hold terminal escapes or broken UTF-8; it goes
 * through ht_escape() before a person or another program reads it.
 *
 * Layer:   util/
 * Memory:  ht_text_done() frees; ht_text_take() hands the string over
 */
#ifndef HT_UTIL_TEXT_H
#define HT_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct ht_text {
	char *s; /* NUL-terminated once something was added, else NULL */
	size_t n, room;
};

void ht_text_add(struct ht_text *t, const char *s, size_t n);
void ht_text_puts(struct ht_text *t, const char *s);
void ht_text_printf(struct ht_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The string, never NULL; the caller frees it and `t` is empty again. */
char *ht_text_take(struct ht_text *t);
void ht_text_done(struct ht_text *t);

/*
 * Writes `s` (at most `n` bytes, ends at a NUL) into `out` with control characters, invalid UTF-8, C1
 * controls and bidirectional overrides as \n, \t, \xHH; never cuts within a character.  Returns the bytes
 * written without the NUL.
 */
size_t ht_escape(char *out, size_t room, const char *s, size_t n);

/* Length in bytes of the valid UTF-8 character at `s` (at most `n` bytes), 0 when there is none. */
size_t ht_utf8_char(const char *s, size_t n, unsigned *ret_code);

/* Columns that an escaped UTF-8 string takes on a terminal. */
size_t ht_columns(const char *s);

/* Cuts `s` to `columns` by leaving out its middle (a path) or its end; marks the cut with ~ or an ellipsis. */
void ht_cut(char *s, size_t columns, bool middle, bool ascii);

/* True when `part` occurs in `s`, ASCII case ignored. */
bool ht_contains(const char *s, const char *part);

#endif /* HT_UTIL_TEXT_H */
