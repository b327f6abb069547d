/* SPDX-License-Identifier: MIT */
/* Prints the text of `heaptop --help-keys`, for man.py. */
#include "tui/keymap.h"

int main(void)
{
	ht_keymap_print(stdout);
	return 0;
}
