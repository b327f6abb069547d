/* SPDX-License-Identifier: MIT */
/*
 * options.h - HEAPSPY_CONF="key:value,key:value".
 *
 * One table says of each option what it is called, where it is kept, what it is by default and what it
 * accepts.  Defaults go through the same parser as the user's text.
 *
 * Layer:   shim/
 * Memory:  none: values are copied into the struct, because programs overwrite their environment
 *          (setproctitle)
 * Errors:  an unknown or malformed option gives one warning line; it keeps its default, the rest is parsed
 */
#ifndef HS_SHIM_OPTIONS_H
#define HS_SHIM_OPTIONS_H

#include "base/cc.h"

#define HS_DIR_BYTES 192 /* of the longest `dir`, terminator included */

/* Values equal those in <heapspy/segment.h> where it has them (thp, helper). */
#define HS_POLICY_DEFAULT 0
#define HS_THP_DEFAULT 0
#define HS_THP_ALWAYS 1
#define HS_THP_NEVER 2
#define HS_HELPER_AUTO 0
#define HS_HELPER_ON 1
#define HS_HELPER_OFF 2
#define HS_CORRUPTION_ABORT 0
#define HS_CORRUPTION_WARN 1

/* Switches hold 0 or 1. */
struct hs_options {
	int64_t policy; /* HS_POLICY_* */
	int64_t arenas; /* 1..256; 0 by cores */
	int64_t tcache; /* switch */
	int64_t decay_ms; /* -1 never, 0 at once */
	int64_t thp;	/* HS_THP_* */
	int64_t sample; /* mean bytes between samples; 0 off, 1 every allocation */
	int64_t helper; /* HS_HELPER_* */
	int64_t control; /* switch */
	int64_t keep;	/* switch */
	int64_t stats_print; /* switch */
	int64_t on_corruption; /* HS_CORRUPTION_* */
	int64_t hardening;
	char dir[HS_DIR_BYTES]; /* absolute, NUL-terminated */
};

enum hs_option_kind { HS_OPTION_SWITCH, HS_OPTION_NUMBER, HS_OPTION_SIZE, HS_OPTION_CHOICE, HS_OPTION_PATH };

struct hs_option {
	const char *name;
	enum hs_option_kind kind;
	uint32_t offset;       /* of the field in struct hs_options */
	int64_t least, most;   /* NUMBER, SIZE */
	const char *choices;   /* CHOICE: words separated by blanks, the first is value 0 */
	const char *fallback;  /* default, as the user would write it */
	const char *accepted;  /* for the warning and the manual */
	const char *help;
};

/*
 * Sets all defaults, then what `text` says; NULL is no text.  Returns false when something in it was not
 * accepted and warned about; the struct is complete in any case.  A later pair wins over an earlier one.
 */
bool hs_options_parse(struct hs_options *options, const char *text);

/*
 * Value of HEAPSPY_CONF in `env`, or in the process's environment when that is NULL.  NULL when it is not set and
 * always in a set-user-id program (AT_SECURE).  Does not call getenv().
 */
const char *hs_options_find_env(char **env);

/* The table, for the test that compares it with the manual. */
const struct hs_option *hs_options_table(size_t *ret_n);

#endif /* HS_SHIM_OPTIONS_H */
