/* SPDX-License-Identifier: MIT */
/* The key table: nothing twice in a view, nothing without a name and a letter, nothing that dispatch forgets. */
#include <stdio.h>
#include <string.h>

#include "tui/keymap.h"

static int failures;

static void expect(int ok, const char *what, const char *which)
{
	if (!ok) {
		fprintf(stderr, "%s: %s\n", which, what);
		failures++;
	}
}

static void check_binding(const struct ht_binding *b)
{
	int characters = 0, n = 0;
	char names[64];

	ht_binding_keys(b, names, sizeof(names));
	for (; n < HT_KEYS_MAX && b->keys[n]; n++) {
		characters += b->keys[n] < HT_KEY_F1;
		for (int view = 0; view < HT_N_VIEWS; view++) {
			enum ht_command found = ht_keymap_command(b->keys[n], (enum ht_view_id)view);

			if (b->views & (1u << view))
				expect(found == b->command, "the key means something else in a view of its own", names);
			else
				expect(found != b->command, "the command runs in a view it is not made for", names);
		}
	}
	expect(n > 0, "a command without keys", b->help);
	expect(characters > 0, "a function key stands alone", names);
	expect(b->help && *b->help, "no help", names);
	expect(b->views != 0, "valid nowhere", names);
	expect(strchr(names, '?') == NULL || b->command == HT_CMD_HELP, "a key without a name", names);
}

int main(void)
{
	size_t n;
	const struct ht_binding *table = ht_keymap(&n);
	unsigned seen[HT_N_COMMANDS] = { 0 };

	for (size_t i = 0; i < n; i++) {
		check_binding(&table[i]);
		seen[table[i].command]++;
	}
	for (int c = HT_CMD_NONE + 1; c < HT_N_COMMANDS; c++)
		expect(seen[c] == 1, "a command must have exactly one row", "table");
	for (int view = 0; view < HT_N_VIEWS; view++) {
		expect(ht_keymap_command('q', (enum ht_view_id)view) == HT_CMD_QUIT, "q must work everywhere", "q");
		expect(ht_keymap_command('?', (enum ht_view_id)view) == HT_CMD_HELP, "? must work everywhere", "?");
		expect(ht_keymap_command(HT_KEY_NONE, (enum ht_view_id)view) == HT_CMD_NONE, "no key, no command",
		       "none");
	}
	expect(ht_keymap_command('\n', HT_VIEW_SITES) == HT_CMD_OPEN, "line feed is Enter", "Enter");
	return failures ? 1 : 0;
}
