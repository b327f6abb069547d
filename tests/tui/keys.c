/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int keys_next(const char **script)
{
	char word[32], name[16];
	size_t n = 0;

	while (**script == ' ' || **script == '\n' || **script == '\t')
		(*script)++;
	while (**script && **script != ' ' && **script != '\n' && **script != '\t' && n + 1 < sizeof(word))
		word[n++] = *(*script)++;
	word[n] = '\0';
	if (n == 0)
		return HT_KEY_NONE;
	if (n == 1)
		return word[0];
	for (int key = 1; key < HT_KEY_F1 + 12; key++) {
		if (key == 128)
			key = HT_KEY_FIRST;
		if (strcmp(ht_key_name(key, name, sizeof(name)), word) == 0)
			return key;
	}
	fprintf(stderr, "key script: '%s' is no key\n", word);
	exit(2);
}

bool keys_feed(struct ht_screen *screen, const char *script)
{
	int key;

	while ((key = keys_next(&script)) != HT_KEY_NONE) {
		switch (ht_screen_key(screen, key)) {
		case HT_REQ_QUIT:
			return false;
		case HT_REQ_WSS:
			screen->wss = (struct ht_wss_state){ true, 2, 5 };
			break;
		case HT_REQ_WSS_CANCEL:
			screen->wss.running = false;
			break;
		default:
			break;
		}
	}
	return true;
}
