/* SPDX-License-Identifier: MIT */
#include "views/cursor.h"

static void move(struct ht_cursor *list, long by)
{
	if (by < 0 && list->cursor < (size_t)-by)
		list->cursor = 0;
	else
		list->cursor = (size_t)((long)list->cursor + by);
	if (list->n_rows > 0 && list->cursor >= list->n_rows)
		list->cursor = list->n_rows - 1;
	/* the next ht_cursor_follow() takes the identity of the row it finds there */
	list->has_selected = false;
	list->moved = true;
}

void ht_cursor_command(struct ht_cursor *list, enum ht_command command)
{
	int page = list->page > 1 ? list->page - 1 : 1;

	switch (command) {
	case HT_CMD_UP:
		move(list, -1);
		break;
	case HT_CMD_DOWN:
		move(list, 1);
		break;
	case HT_CMD_PAGE_UP:
		move(list, -page);
		break;
	case HT_CMD_PAGE_DOWN:
		move(list, page);
		break;
	case HT_CMD_FIRST:
		move(list, -(long)list->cursor);
		list->moved = false;
		break;
	case HT_CMD_LAST:
		move(list, (long)list->n_rows);
		break;
	case HT_CMD_LEFT:
		list->scroll -= list->scroll > 0;
		break;
	case HT_CMD_RIGHT:
		list->scroll += list->scroll < 32;
		break;
	default:
		break;
	}
}

void ht_cursor_fit(struct ht_cursor *list, size_t n, int page)
{
	size_t shown = page > 0 ? (size_t)page : 1;

	list->n_rows = n;
	list->page = page;
	if (list->cursor >= n)
		list->cursor = n ? n - 1 : 0;
	if (list->top > list->cursor)
		list->top = list->cursor;
	if (list->cursor >= list->top + shown)
		list->top = list->cursor - shown + 1;
	/* no blank lines at the end while there are rows above */
	if (list->top + shown > n)
		list->top = n > shown ? n - shown : 0;
}

void ht_cursor_follow(struct ht_cursor *list, const struct ht_row *rows, size_t n)
{
	/* nobody has chosen the first row: it is whatever comes first */
	if (list->has_selected && list->moved) {
		for (size_t i = 0; i < n; i++) {
			if (rows[i].identity == list->selected) {
				list->cursor = i;
				return;
			}
		}
	}
	if (list->cursor >= n)
		list->cursor = n ? n - 1 : 0;
	list->has_selected = n > 0;
	if (n > 0)
		list->selected = rows[list->cursor].identity;
}

void ht_cursor_scroll(struct ht_cursor *list, size_t n, int page)
{
	size_t shown = page > 0 ? (size_t)page : 1;

	list->page = page;
	/* the cursor is the first line shown, so moving it scrolls at once */
	list->n_rows = n > shown ? n - shown + 1 : 1;
	if (list->cursor >= list->n_rows)
		list->cursor = list->n_rows - 1;
	list->top = list->cursor;
}
