/* SPDX-License-Identifier: MIT */
#include "tui/keymap.h"

#include <stdbool.h>
#include <string.h>

#define BIT(view) (UINT32_C(1) << (view))
#define TABLES                                                                                                         \
	(BIT(HT_VIEW_SITES) | BIT(HT_VIEW_CLASSES) | BIT(HT_VIEW_ARENAS) | BIT(HT_VIEW_LOCKS) | BIT(HT_VIEW_THREADS))
#define TABS (TABLES | BIT(HT_VIEW_OVERVIEW) | BIT(HT_VIEW_FINDINGS))
#define TARGET (TABS | BIT(HT_VIEW_SITE))
#define LISTS (TABLES | BIT(HT_VIEW_FINDINGS) | BIT(HT_VIEW_SITE) | BIT(HT_VIEW_HELP) | BIT(HT_VIEW_CHOOSER))
#define ALL (BIT(HT_N_VIEWS) - 1)
#define OPENS (BIT(HT_VIEW_OVERVIEW) | BIT(HT_VIEW_FINDINGS) | BIT(HT_VIEW_SITES) | BIT(HT_VIEW_CHOOSER))

static const struct ht_binding table[] = {
	{ HT_CMD_HELP, { HT_KEY_F1, 'h', '?' }, "Help", "show the keys; again: back", ALL },
	{ HT_CMD_OPEN, { HT_KEY_ENTER, 's' }, "Open", "open the selected finding, site or process", OPENS },
	{ HT_CMD_BACK, { HT_KEY_ESC, HT_KEY_BACKSPACE }, "Back", "back; cancel a prompt; clear the filter", ALL },
	{ HT_CMD_NEXT_VIEW, { HT_KEY_TAB }, "View", "next view", TARGET },
	{ HT_CMD_PREV_VIEW, { HT_KEY_BACKTAB }, NULL, "previous view", TARGET },
	{ HT_CMD_VIEW_1, { '1' }, NULL, "overview: ledger, rates, history", TARGET },
	{ HT_CMD_VIEW_2, { '2' }, NULL, "findings: what is wrong, evidence, action", TARGET },
	{ HT_CMD_VIEW_3, { '3' }, NULL, "sites: call stacks by live and pinned bytes", TARGET },
	{ HT_CMD_VIEW_4, { '4' }, NULL, "size classes", TARGET },
	{ HT_CMD_VIEW_5, { '5' }, NULL, "arenas", TARGET },
	{ HT_CMD_VIEW_6, { '6' }, NULL, "locks", TARGET },
	{ HT_CMD_VIEW_7, { '7' }, NULL, "threads and their caches", TARGET },
	{ HT_CMD_FILTER, { HT_KEY_F4, '/' }, "Filter", "keep rows that contain a text; Esc clears", TABLES },
	{ HT_CMD_SORT_MENU, { HT_KEY_F6, 'o' }, "Sort", "choose the column to sort by", TABLES },
	{ HT_CMD_SORT_LEFT, { '<' }, NULL, "sort by the column at the left", TABLES },
	{ HT_CMD_SORT_RIGHT, { '>' }, NULL, "sort by the column at the right", TABLES },
	{ HT_CMD_INVERT, { 'I' }, NULL, "invert the order", TABLES },
	{ HT_CMD_WSS, { 'w' }, "WorkSet", "measure the working set; says its cost and asks first", TARGET },
	{ HT_CMD_PAUSE, { 'p', ' ' }, "Pause", "pause or go on; the target is never stopped", TARGET },
	{ HT_CMD_UP, { HT_KEY_UP, 'k' }, NULL, "up", LISTS },
	{ HT_CMD_DOWN, { HT_KEY_DOWN, 'j' }, NULL, "down", LISTS },
	{ HT_CMD_PAGE_UP, { HT_KEY_PAGE_UP }, NULL, "a page up", LISTS },
	{ HT_CMD_PAGE_DOWN, { HT_KEY_PAGE_DOWN }, NULL, "a page down", LISTS },
	{ HT_CMD_FIRST, { HT_KEY_HOME, 'g' }, NULL, "to the start", LISTS },
	{ HT_CMD_LAST, { HT_KEY_END, 'G' }, NULL, "to the end", LISTS },
	{ HT_CMD_LEFT, { HT_KEY_LEFT }, NULL, "scroll the columns to the left", TABLES },
	{ HT_CMD_RIGHT, { HT_KEY_RIGHT }, NULL, "scroll the columns to the right", TABLES },
	{ HT_CMD_FASTER, { '[' }, NULL, "refresh twice as often", TARGET },
	{ HT_CMD_SLOWER, { ']' }, NULL, "refresh half as often", TARGET },
	{ HT_CMD_ZOOM_IN, { '+' }, NULL, "history plot: half the time", BIT(HT_VIEW_OVERVIEW) },
	{ HT_CMD_ZOOM_OUT, { '-' }, NULL, "history plot: twice the time", BIT(HT_VIEW_OVERVIEW) },
	{ HT_CMD_REDRAW, { HT_KEY_CTRL_L }, NULL, "draw the screen anew", ALL },
	{ HT_CMD_QUIT, { 'q', HT_KEY_F10 }, "Quit", "quit; in a pop-up or in help: close it", ALL },
};

const struct ht_binding *ht_keymap(size_t *ret_n)
{
	*ret_n = sizeof(table) / sizeof(table[0]);
	return table;
}

enum ht_command ht_keymap_command(int key, enum ht_view_id view)
{
	if (key == '\n')
		key = HT_KEY_ENTER;
	if (key == 127 || key == 8)
		key = HT_KEY_BACKSPACE;
	if (key == HT_KEY_NONE)
		return HT_CMD_NONE;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!(table[i].views & BIT(view)))
			continue;
		for (int k = 0; k < HT_KEYS_MAX && table[i].keys[k]; k++)
			if (table[i].keys[k] == key)
				return table[i].command;
	}
	return HT_CMD_NONE;
}

const char *ht_key_name(int key, char *buf, size_t size)
{
	static const struct {
		int key;
		const char *name;
	} names[] = {
		{ HT_KEY_TAB, "Tab" },	     { HT_KEY_ENTER, "Enter" },	      { HT_KEY_ESC, "Esc" },
		{ HT_KEY_CTRL_L, "Ctrl-L" }, { HT_KEY_BACKTAB, "Shift-Tab" }, { HT_KEY_BACKSPACE, "Backspace" },
		{ HT_KEY_UP, "Up" },	     { HT_KEY_DOWN, "Down" },	      { HT_KEY_LEFT, "Left" },
		{ HT_KEY_RIGHT, "Right" },   { HT_KEY_PAGE_UP, "PgUp" },      { HT_KEY_PAGE_DOWN, "PgDn" },
		{ HT_KEY_HOME, "Home" },     { HT_KEY_END, "End" },	      { ' ', "Space" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].key == key) {
			snprintf(buf, size, "%s", names[i].name);
			return buf;
		}
	}
	if (key >= HT_KEY_F1 && key < HT_KEY_F1 + 12)
		snprintf(buf, size, "F%d", key - HT_KEY_F1 + 1);
	else
		snprintf(buf, size, "%c", key > 32 && key < 127 ? key : '?');
	return buf;
}

const char *ht_binding_keys(const struct ht_binding *binding, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int k = 0; k < HT_KEYS_MAX && binding->keys[k]; k++) {
		char name[16];
		int n = snprintf(buf + used, size - used, "%s%s", k ? ", " : "",
				 ht_key_name(binding->keys[k], name, sizeof(name)));

		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	return buf;
}

void ht_keymap_print(FILE *out)
{
	char keys[64];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		fprintf(out, "%-18s %s\n", ht_binding_keys(&table[i], keys, sizeof(keys)), table[i].help);
}
