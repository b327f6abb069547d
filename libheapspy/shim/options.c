/* SPDX-License-Identifier: MIT */
#include "shim/options.h"

#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/rawio.h"

extern char **environ; /* <unistd.h> has it under _GNU_SOURCE only */

#define FIELD(name) (uint32_t)offsetof(struct hs_options, name)
#define SWITCH_TEXT "on or off (also 1, 0, true, false)"

static const struct hs_option table[] = {
	{ "policy", HS_OPTION_CHOICE, FIELD(policy), 0, 0, "default", "default",
	  "default (this version has no other policy)", "the allocator's strategy" },
	{ "arenas", HS_OPTION_NUMBER, FIELD(arenas), 0, 256, NULL, "0",
	  "1 to 256, or 0 to choose by the number of cores", "number of arenas" },
	{ "tcache", HS_OPTION_SWITCH, FIELD(tcache), 0, 1, NULL, "on", SWITCH_TEXT, "thread caches" },
	{ "decay_ms", HS_OPTION_NUMBER, FIELD(decay_ms), -1, INT64_C(1000000000000), NULL, "10000",
	  "milliseconds, 0 for at once, -1 for never", "time along which free pages go back to the kernel" },
	{ "thp", HS_OPTION_CHOICE, FIELD(thp), 0, 0, "default always never", "default",
	  "default, always or never", "transparent huge pages" },
	{ "sample", HS_OPTION_SIZE, FIELD(sample), 0, INT64_C(1) << 40, NULL, "512k",
	  "bytes up to 1024g (k, m, g allowed), 0 or off, 1 for every allocation", "mean bytes between samples" },
	{ "helper", HS_OPTION_CHOICE, FIELD(helper), 0, 0, "auto on off", "auto", "auto, on or off",
	  "the thread that ticks and purges" },
	{ "control", HS_OPTION_SWITCH, FIELD(control), 0, 1, NULL, "on", SWITCH_TEXT,
	  "accept the viewer's commands" },
	{ "dir", HS_OPTION_PATH, FIELD(dir), 0, 0, NULL, "/dev/shm", "an absolute path of at most 191 bytes",
	  "where the segment lives" },
	{ "keep", HS_OPTION_SWITCH, FIELD(keep), 0, 1, NULL, "off", SWITCH_TEXT,
	  "keep the segment after a normal exit" },
	{ "stats_print", HS_OPTION_SWITCH, FIELD(stats_print), 0, 1, NULL, "off", SWITCH_TEXT,
	  "print a summary at exit" },
	{ "on_corruption", HS_OPTION_CHOICE, FIELD(on_corruption), 0, 0, "abort warn", "abort", "abort or warn",
	  "what to do about proven corruption" },
	{ "hardening", HS_OPTION_CHOICE, FIELD(hardening), 0, 0, "0", "0", "0 (this version has no other level)",
	  "level of extra checks" },
};

/* A piece of the text, not terminated. */
struct piece {
	const char *text;
	size_t len;
};

static bool equals(struct piece p, const char *word)
{
	return strlen(word) == p.len && memcmp(p.text, word, p.len) == 0;
}

static bool parse_switch(struct piece p, int64_t *ret_value)
{
	if (equals(p, "on") || equals(p, "1") || equals(p, "true"))
		*ret_value = 1;
	else if (equals(p, "off") || equals(p, "0") || equals(p, "false"))
		*ret_value = 0;
	else
		return false;
	return true;
}

/* log2 of what a suffix multiplies with, or -1. */
static int suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return -1;
	}
}

static bool parse_number(struct piece p, const struct hs_option *o, int64_t *ret_value)
{
	int64_t value = 0;
	bool negative = p.len > 1 && p.text[0] == '-';
	size_t i = negative ? 1 : 0;
	size_t digits_end = p.len;

	/* the word that users try for a size whose least value means off */
	if (o->kind == HS_OPTION_SIZE && o->least == 0 && equals(p, "off")) {
		*ret_value = 0;
		return true;
	}
	if (o->kind == HS_OPTION_SIZE && p.len > 1 && suffix_shift(p.text[p.len - 1]) > 0)
		digits_end--;
	if (i == digits_end)
		return false;
	for (; i < digits_end; i++)
		if (p.text[i] < '0' || p.text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, p.text[i] - '0', &value))
			return false;
	if (digits_end < p.len &&
	    __builtin_mul_overflow(value, INT64_C(1) << suffix_shift(p.text[digits_end]), &value))
		return false;
	if (negative)
		value = -value;
	if (value < o->least || value > o->most)
		return false;
	*ret_value = value;
	return true;
}

static bool parse_choice(struct piece p, const char *choices, int64_t *ret_value)
{
	for (int64_t i = 0; *choices != '\0'; i++) {
		size_t len = strcspn(choices, " ");

		if (len == p.len && memcmp(choices, p.text, len) == 0) {
			*ret_value = i;
			return true;
		}
		choices += len;
		choices += *choices == ' ';
	}
	return false;
}

static bool parse_path(struct piece p, char *ret_path)
{
	if (p.len == 0 || p.len >= HS_DIR_BYTES || p.text[0] != '/')
		return false;
	memcpy(ret_path, p.text, p.len);
	ret_path[p.len] = '\0';
	return true;
}

static bool set(struct hs_options *options, const struct hs_option *o, struct piece value)
{
	char *field = (char *)options + o->offset;

	switch (o->kind) {
	case HS_OPTION_SWITCH:
		return parse_switch(value, (int64_t *)(void *)field);
	case HS_OPTION_CHOICE:
		return parse_choice(value, o->choices, (int64_t *)(void *)field);
	case HS_OPTION_PATH:
		return parse_path(value, field);
	default:
		return parse_number(value, o, (int64_t *)(void *)field);
	}
}

static void set_default(struct hs_options *options, const struct hs_option *o)
{
	bool ok = set(options, o, (struct piece){o->fallback, strlen(o->fallback)});

	hs_assert(ok);
	(void)ok;
}

/* The user's bytes, cut and with control characters replaced, so that a message stays one line. */
static const char *printable(char *buf, size_t cap, struct piece p)
{
	size_t n = p.len < cap - 1 ? p.len : cap - 1;

	for (size_t i = 0; i < n; i++)
		buf[i] = p.text[i] >= ' ' && p.text[i] <= '~' ? p.text[i] : '?';
	buf[n] = '\0';
	return buf;
}

static void warn_unknown(struct piece pair)
{
	char shown[48], known[256];
	size_t len = 0;

	for (size_t i = 0; i < hs_array_size(table); i++)
		len += hs_format(known + len, sizeof(known) - len, "%s%s", i == 0 ? "" : ", ", table[i].name);
	hs_warn("HEAPSPY_CONF: unknown option '%s'; there are: %s", printable(shown, sizeof(shown), pair), known);
}

static bool parse_pair(struct hs_options *options, struct piece pair)
{
	const char *colon = memchr(pair.text, ':', pair.len);
	struct piece name = {pair.text, colon != NULL ? (size_t)(colon - pair.text) : pair.len};
	struct piece value = {name.text + name.len, 0};
	char shown[64];

	if (colon != NULL) {
		value.text = colon + 1;
		value.len = pair.len - name.len - 1;
	}
	for (size_t i = 0; i < hs_array_size(table); i++) {
		const struct hs_option *o = &table[i];

		if (!equals(name, o->name))
			continue;
		if (set(options, o, value))
			return true;
		set_default(options, o);
		hs_warn("HEAPSPY_CONF: option %s does not accept '%s'; accepted: %s; using %s", o->name,
			printable(shown, sizeof(shown), value), o->accepted, o->fallback);
		return false;
	}
	warn_unknown(name);
	return false;
}

bool hs_options_parse(struct hs_options *options, const char *text)
{
	bool ok = true;

	for (size_t i = 0; i < hs_array_size(table); i++)
		set_default(options, &table[i]);
	while (text != NULL && *text != '\0') {
		struct piece pair = {text, strcspn(text, ",")};

		/* nothing between two commas is no mistake: scripts join lists */
		if (pair.len > 0)
			ok &= parse_pair(options, pair);
		text += pair.len;
		text += *text == ',';
	}
	return ok;
}

const char *hs_options_find_env(char **env)
{
	static const char key[] = "HEAPSPY_CONF=";

	if (getauxval(AT_SECURE) != 0)
		return NULL;
	if (env == NULL)
		env = environ;
	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, key, sizeof(key) - 1) == 0)
			return *env + sizeof(key) - 1;
	return NULL;
}

const struct hs_option *hs_options_table(size_t *ret_n)
{
	*ret_n = hs_array_size(table);
	return table;
}
