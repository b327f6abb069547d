/* SPDX-License-Identifier: MIT */
/*
 * term.h - the terminal: opens it, shows canvases, reads keys, puts it back.
 *
 * The only user of curses.  There is one terminal a process, so there is no object: what would be in it is
 * curses' own global state anyway.
 *
 * Layer:   tui/ (uses util/, canvas.h, keymap.h)
 * Signals: INT, TERM and HUP set a flag, ht_term_signal(); TSTP is curses'; SEGV, BUS, FPE, ILL and ABRT
 *          restore the terminal with write(2) and then do what they would have done
 * Errors:  nothing is printed; ht_term_open() explains itself through reterr
 */
#ifndef HT_TUI_TERM_H
#define HT_TUI_TERM_H

#include <stdbool.h>

#include "tui/canvas.h"
#include "util/err.h"

struct ht_term_options {
	bool ascii; /* no glyph above 0x7e, whatever the locale says */
	int color;  /* -1 auto, 0 never, 1 always */
};

/*
 * Takes the terminal.  0; -ENOTTY when stdin or stdout is none; -ENOTSUP when it cannot position the cursor
 * or is unknown (reterr holds the sentence; exit status 2).
 */
int ht_term_open(const struct ht_term_options *options, struct ht_err *reterr);
/* Puts everything back; may be called twice or without open. */
void ht_term_close(void);

/* Whether glyphs above ASCII may be drawn. */
bool ht_term_utf8(void);
void ht_term_size(int *ret_rows, int *ret_cols);
/* Shows the canvas; cells that have not changed are not sent. */
void ht_term_blit(const struct ht_canvas *canvas);
/* Next ht_term_blit() sends every cell. */
void ht_term_redraw(void);

/* Waits until there is input, a signal or `timeout_ms` are over; `fd` >= 0 wakes as well. */
void ht_term_wait(int timeout_ms, int fd);
/* Next key (tui/keymap.h), HT_KEY_NONE when there is none now. */
int ht_term_key(void);
/* INT, TERM or HUP if it came, else 0. */
int ht_term_signal(void);

#endif /* HT_TUI_TERM_H */
