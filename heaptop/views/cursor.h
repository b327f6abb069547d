/* SPDX-License-Identifier: MIT */
/*
 * cursor.h - moving a cursor through a list whose rows come and go.
 *
 * Layer:   views/
 */
#ifndef HT_VIEWS_CURSOR_H
#define HT_VIEWS_CURSOR_H

#include "views/view.h"

/* Up, down, pages, ends, columns; other commands do nothing. */
void ht_cursor_command(struct ht_cursor *list, enum ht_command command);
/* Fits cursor and top to `n` rows of which `page` are shown: cursor < n and top <= cursor < top + page. */
void ht_cursor_fit(struct ht_cursor *list, size_t n, int page);
/* Puts the cursor on the row with the selected identity, or selects what is under the cursor. */
void ht_cursor_follow(struct ht_cursor *list, const struct ht_row *rows, size_t n);
/* A text of `n` lines that scrolls without a cursor: moves `top`. */
void ht_cursor_scroll(struct ht_cursor *list, size_t n, int page);

#endif /* HT_VIEWS_CURSOR_H */
