/* SPDX-License-Identifier: MIT */
/*
 * keymap.h - the one table of keys.
 *
 * Dispatch, help screen, bottom bar, `heaptop --help-keys` and the test against heaptop(1) all read it, so
 * they cannot disagree.  A function key never stands alone: many terminals have none.
 *
 * Layer:   tui/
 */
#ifndef HT_TUI_KEYMAP_H
#define HT_TUI_KEYMAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ht_view_id {
	HT_VIEW_OVERVIEW,
	HT_VIEW_FINDINGS,
	HT_VIEW_SITES,
	HT_VIEW_CLASSES,
	HT_VIEW_ARENAS,
	HT_VIEW_LOCKS,
	HT_VIEW_THREADS,
	HT_N_TABS,		  /* the ones above have a tab and a digit */
	HT_VIEW_SITE = HT_N_TABS, /* one site: its stack */
	HT_VIEW_HELP,
	HT_VIEW_CHOOSER,
	HT_N_VIEWS
};

/* Keys that are no character; characters are their code point. */
enum {
	HT_KEY_NONE = 0,
	HT_KEY_TAB = '\t',
	HT_KEY_ENTER = '\r',
	HT_KEY_ESC = 27,
	HT_KEY_CTRL_L = 12,
	HT_KEY_FIRST = 0x110000, /* above all code points */
	HT_KEY_BACKTAB = HT_KEY_FIRST,
	HT_KEY_BACKSPACE,
	HT_KEY_UP,
	HT_KEY_DOWN,
	HT_KEY_LEFT,
	HT_KEY_RIGHT,
	HT_KEY_PAGE_UP,
	HT_KEY_PAGE_DOWN,
	HT_KEY_HOME,
	HT_KEY_END,
	HT_KEY_RESIZE,
	HT_KEY_UNKNOWN, /* swallowed */
	HT_KEY_F1 = HT_KEY_FIRST + 0x100,
	HT_KEY_F4 = HT_KEY_F1 + 3,
	HT_KEY_F6 = HT_KEY_F1 + 5,
	HT_KEY_F10 = HT_KEY_F1 + 9,
};

enum ht_command {
	HT_CMD_NONE,
	HT_CMD_HELP,
	HT_CMD_QUIT,
	HT_CMD_BACK,
	HT_CMD_UP,
	HT_CMD_DOWN,
	HT_CMD_PAGE_UP,
	HT_CMD_PAGE_DOWN,
	HT_CMD_FIRST,
	HT_CMD_LAST,
	HT_CMD_LEFT,
	HT_CMD_RIGHT,
	HT_CMD_OPEN,
	HT_CMD_NEXT_VIEW,
	HT_CMD_PREV_VIEW,
	HT_CMD_VIEW_1,
	HT_CMD_VIEW_2,
	HT_CMD_VIEW_3,
	HT_CMD_VIEW_4,
	HT_CMD_VIEW_5,
	HT_CMD_VIEW_6,
	HT_CMD_VIEW_7,
	HT_CMD_FILTER,
	HT_CMD_SORT_MENU,
	HT_CMD_SORT_LEFT,
	HT_CMD_SORT_RIGHT,
	HT_CMD_INVERT,
	HT_CMD_PAUSE,
	HT_CMD_FASTER,
	HT_CMD_SLOWER,
	HT_CMD_WSS,
	HT_CMD_ZOOM_IN,
	HT_CMD_ZOOM_OUT,
	HT_CMD_REDRAW,
	HT_N_COMMANDS
};

#define HT_KEYS_MAX 4

struct ht_binding {
	enum ht_command command;
	int keys[HT_KEYS_MAX]; /* the first one is shown in the bottom bar; 0 ends the list */
	const char *label;     /* short, for the bottom bar; NULL: not shown there */
	const char *help;
	uint32_t views; /* bit per enum ht_view_id */
};

/* The table, in the order of the help screen. */
const struct ht_binding *ht_keymap(size_t *ret_n);
/* What `key` does in `view`; HT_CMD_NONE if nothing. */
enum ht_command ht_keymap_command(int key, enum ht_view_id view);
/* Name of a key as it is printed: "F1", "Ctrl-L", "PgUp", "q".  `buf` needs 16 bytes; returns buf. */
const char *ht_key_name(int key, char *buf, size_t size);
/* All names of a binding, "F1, h, ?"; returns buf. */
const char *ht_binding_keys(const struct ht_binding *binding, char *buf, size_t size);
/* The text of `heaptop --help-keys`. */
void ht_keymap_print(FILE *out);

#endif /* HT_TUI_KEYMAP_H */
