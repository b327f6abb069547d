/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _XOPEN_SOURCE_EXTENDED 1 /* wide-character curses */
#include "tui/term.h"

/* before <term.h>, which makes macros of plain words like columns */
#include "util/text.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "tui/keymap.h"

static struct {
	bool open, utf8, ended;
	SCREEN *screen;
	struct termios saved;
	attr_t attrs[HT_N_ROLES];
	short pairs[HT_N_ROLES];
	sigset_t wait_mask; /* what ppoll() waits with: our signals unblocked */
	struct sigaction old_int, old_term, old_hup;
} term;

static volatile sig_atomic_t caught;
/* What the crash handler writes: it must not call into curses. */
static char restore[128];
static volatile sig_atomic_t restore_bytes;

static void on_signal(int sig)
{
	caught = sig;
}

/* Restores with write(2) and tcsetattr(3) only, both async-signal-safe; SA_RESETHAND does the rest. */
static void on_crash(int sig)
{
	int saved_errno = errno;

	if (write(STDOUT_FILENO, restore, (size_t)restore_bytes) < 0)
		saved_errno = errno;
	tcsetattr(STDIN_FILENO, TCSANOW, &term.saved);
	errno = saved_errno;
	raise(sig);
}

/* Capability `name` of the terminal, "" if it has none. */
static const char *capability(const char *name)
{
	const char *text = tigetstr(name);

	return text && text != (const char *)-1 ? text : "";
}

static void catch_signals(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t ours;

	/*
	 * INT, TERM, HUP and WINCH are blocked except inside ppoll(): a signal between looking at the flag and
	 * going to sleep would otherwise wait for the next key.
	 */
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGWINCH);
	sigprocmask(SIG_BLOCK, &ours, &term.wait_mask);
	sigdelset(&term.wait_mask, SIGINT);
	sigdelset(&term.wait_mask, SIGTERM);
	sigdelset(&term.wait_mask, SIGHUP);
	sigdelset(&term.wait_mask, SIGWINCH);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, &term.old_int);
	sigaction(SIGTERM, &action, &term.old_term);
	sigaction(SIGHUP, &action, &term.old_hup);
	action.sa_handler = on_crash;
	action.sa_flags = SA_RESETHAND | SA_NODEFER;
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
}

static void prepare_restore(void)
{
	int n = snprintf(restore, sizeof(restore), "%s%s%s", capability("sgr0"), capability("cnorm"),
			 capability("rmcup"));

	restore_bytes = n > 0 && (size_t)n < sizeof(restore) ? n : 0;
}

static void release_signals(void)
{
	sigaction(SIGINT, &term.old_int, NULL);
	sigaction(SIGTERM, &term.old_term, NULL);
	sigaction(SIGHUP, &term.old_hup, NULL);
	sigprocmask(SIG_SETMASK, &term.wait_mask, NULL);
}

static void set_role(enum ht_role role, short foreground, attr_t attrs)
{
	short pair = 0;

	if (foreground >= 0) {
		pair = (short)(foreground + 1);
		init_pair(pair, foreground, -1);
	}
	term.pairs[role] = pair;
	term.attrs[role] = attrs;
}

/* The default background stays: on a light terminal everything remains readable. */
static void map_colors(void)
{
	set_role(HT_ROLE_TEXT, -1, A_NORMAL);
	set_role(HT_ROLE_DIM, -1, A_DIM);
	set_role(HT_ROLE_TITLE, -1, A_REVERSE | A_BOLD);
	set_role(HT_ROLE_HEADER, COLOR_CYAN, A_BOLD);
	set_role(HT_ROLE_SORTED, COLOR_GREEN, A_BOLD);
	set_role(HT_ROLE_SELECTED, -1, A_REVERSE);
	set_role(HT_ROLE_KEY, COLOR_CYAN, A_REVERSE);
	set_role(HT_ROLE_GOOD, COLOR_GREEN, A_NORMAL);
	set_role(HT_ROLE_WARN, COLOR_YELLOW, A_BOLD);
	set_role(HT_ROLE_BAD, COLOR_RED, A_BOLD);
	set_role(HT_ROLE_BAR_A, COLOR_GREEN, A_NORMAL);
	set_role(HT_ROLE_BAR_B, COLOR_YELLOW, A_NORMAL);
	set_role(HT_ROLE_BAR_C, COLOR_MAGENTA, A_NORMAL);
	set_role(HT_ROLE_CHART, COLOR_CYAN, A_NORMAL);
}

static void map_mono(void)
{
	for (int i = 0; i < HT_N_ROLES; i++)
		set_role((enum ht_role)i, -1, A_NORMAL);
	set_role(HT_ROLE_DIM, -1, *capability("dim") ? A_DIM : A_NORMAL);
	set_role(HT_ROLE_TITLE, -1, A_REVERSE);
	set_role(HT_ROLE_SELECTED, -1, A_REVERSE);
	set_role(HT_ROLE_KEY, -1, A_REVERSE);
	set_role(HT_ROLE_HEADER, -1, A_BOLD);
	set_role(HT_ROLE_SORTED, -1, A_BOLD);
	set_role(HT_ROLE_WARN, -1, A_BOLD);
	set_role(HT_ROLE_BAD, -1, A_BOLD | A_REVERSE);
}

/* A terminal without reverse video: standout is whatever it has to mark something. */
static void map_plain(void)
{
	map_mono();
	term.attrs[HT_ROLE_TITLE] = term.attrs[HT_ROLE_SELECTED] = term.attrs[HT_ROLE_KEY] = A_STANDOUT;
	term.attrs[HT_ROLE_BAD] = A_STANDOUT;
}

static void map_roles(int color)
{
	const char *no_color = getenv("NO_COLOR");
	bool wanted = color == 1 || (color < 0 && !(no_color && *no_color));

	if (wanted && has_colors() && tigetnum("colors") >= 8) {
		start_color();
		use_default_colors();
		map_colors();
	} else if (*capability("rev") || *capability("smso")) {
		map_mono();
	} else {
		map_plain();
	}
}

static bool locale_utf8(const struct ht_term_options *options, const char *name)
{
	/* the Linux console says UTF-8, but its font lacks most of the blocks */
	return !options->ascii && strcmp(name, "linux") != 0 && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int ht_term_open(const struct ht_term_options *options, struct ht_err *reterr)
{
	const char *name = getenv("TERM");
	char shown[64];
	int status = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return ht_err_set(reterr, -ENOTTY, HT_EXIT_USAGE,
				  "standard input and output must be a terminal; use --batch");
	if (!name || !*name)
		return ht_err_set(reterr, -ENOTSUP, HT_EXIT_USAGE, "TERM is not set; use --batch");
	ht_escape(shown, sizeof(shown), name, strlen(name));
	if (setupterm(name, STDOUT_FILENO, &status) != OK)
		return ht_err_set(reterr, -ENOTSUP, HT_EXIT_USAGE, "terminal '%s' is unknown here; use --batch", shown);
	if (!*capability("cup"))
		return ht_err_set(reterr, -ENOTSUP, HT_EXIT_USAGE,
				  "terminal '%s' cannot position the cursor; use --batch", shown);
	/* newterm() looks it up again for itself */
	del_curterm(cur_term);
	if (tcgetattr(STDIN_FILENO, &term.saved) < 0)
		return ht_err_set(reterr, -errno, HT_EXIT_USAGE, "cannot read the terminal's settings");
	/* before newterm(), which would put its own handlers, ones that call exit(), on signals that have none */
	catch_signals();
	term.screen = newterm(name, stdout, stdin);
	if (!term.screen) {
		release_signals();
		return ht_err_set(reterr, -ENOTSUP, HT_EXIT_USAGE, "cannot use terminal '%s'; use --batch", shown);
	}
	set_term(term.screen);
	term.utf8 = locale_utf8(options, name);
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	map_roles(options->color);
	prepare_restore();
	term.open = true;
	return 0;
}

void ht_term_close(void)
{
	if (!term.open)
		return;
	term.open = false;
	curs_set(1);
	endwin();
	delscreen(term.screen);
	term.screen = NULL;
	release_signals();
}

bool ht_term_utf8(void)
{
	return term.utf8;
}

void ht_term_size(int *ret_rows, int *ret_cols)
{
	struct winsize size;

	/* asked anew each time: a size that curses has not heard of yet would cut the next frame */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
		if (size.ws_row != LINES || size.ws_col != COLS)
			resizeterm(size.ws_row, size.ws_col);
	}
	*ret_rows = LINES;
	*ret_cols = COLS;
}

void ht_term_blit(const struct ht_canvas *canvas)
{
	int rows = canvas->rows < LINES ? canvas->rows : LINES, cols = canvas->cols < COLS ? canvas->cols : COLS;

	/* curses keeps what the terminal shows and sends only the differences */
	for (int y = 0; y < rows; y++) {
		for (int x = 0; x < cols; x++) {
			const struct ht_glyph *glyph = ht_canvas_at(canvas, y, x);
			wchar_t text[2] = { (wchar_t)glyph->ch, 0 };
			cchar_t cell;

			if (!glyph->ch)
				continue;
			setcchar(&cell, text, term.attrs[glyph->role], term.pairs[glyph->role], NULL);
			mvadd_wch(y, x, &cell);
		}
	}
	refresh();
}

void ht_term_redraw(void)
{
	clearok(stdscr, TRUE);
}

void ht_term_wait(int timeout_ms, int fd)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	if (ppoll(fds, fd >= 0 ? 2 : 1, &timeout, &term.wait_mask) > 0 && (fds[0].revents & (POLLHUP | POLLERR)))
		term.ended = true;
}

/*
 * Swallows the rest of an escape sequence that terminfo does not know: ESC [ ... final byte, ESC O x, or ESC x.
 * Otherwise F6 under TERM=vt100 would act as five keys.
 */
static int after_escape(void)
{
	int c = getch();

	if (c == ERR)
		return HT_KEY_ESC;
	/* two keys in quick succession: Esc, then Esc again or a key that terminfo knows */
	if (c == 27 || c > 0xff) {
		ungetch(c);
		return HT_KEY_ESC;
	}
	if (c == '[' || c == 'O') {
		do {
			c = getch();
		} while (c != ERR && (c < 0x40 || c > 0x7e));
	}
	return HT_KEY_UNKNOWN;
}

int ht_term_key(void)
{
	static const struct {
		int curses, key;
	} keys[] = {
		{ KEY_UP, HT_KEY_UP },	       { KEY_DOWN, HT_KEY_DOWN },
		{ KEY_LEFT, HT_KEY_LEFT },     { KEY_RIGHT, HT_KEY_RIGHT },
		{ KEY_PPAGE, HT_KEY_PAGE_UP }, { KEY_NPAGE, HT_KEY_PAGE_DOWN },
		{ KEY_HOME, HT_KEY_HOME },     { KEY_END, HT_KEY_END },
		{ KEY_BTAB, HT_KEY_BACKTAB },  { KEY_BACKSPACE, HT_KEY_BACKSPACE },
		{ KEY_ENTER, HT_KEY_ENTER },   { KEY_RESIZE, HT_KEY_RESIZE },
	};
	wint_t wide = 0;
	int kind = get_wch(&wide), c = (int)wide;

	if (kind == ERR)
		return HT_KEY_NONE;
	if (kind == KEY_CODE_YES) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (keys[i].curses == c)
				return keys[i].key;
		if (c >= KEY_F(1) && c <= KEY_F(12))
			return HT_KEY_F1 + (c - KEY_F(1));
		return HT_KEY_UNKNOWN;
	}
	if (c == 27)
		return after_escape();
	if (c == '\n')
		return HT_KEY_ENTER;
	if (c == 8 || c == 127)
		return HT_KEY_BACKSPACE;
	return c;
}

int ht_term_signal(void)
{
	/* a terminal that is gone sends no key ever again: as good as a hang-up */
	if (!caught && term.ended)
		return SIGHUP;
	return caught;
}
