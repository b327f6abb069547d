/* SPDX-License-Identifier: MIT */
/*
 * keys.h - key scripts: "j j Enter / z i p Esc".
 *
 * Words are names of ht_key_name(); any other single character is itself.
 */
#ifndef TESTS_TUI_KEYS_H
#define TESTS_TUI_KEYS_H

#include "views/screen.h"

/* Reads one word of the script and moves it on; HT_KEY_NONE at the end. */
int keys_next(const char **script);
/* Feeds a whole script; pause, working set and quit are answered as the app would.  False: quit was asked. */
bool keys_feed(struct ht_screen *screen, const char *script);

#endif /* TESTS_TUI_KEYS_H */
