/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "diag/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "sym/symbolize.h"
#include "util/mem.h"

#define FRAMES_MAX 16 /* inline frames at one address; more do not help a sentence */

char *ht_word_bytes(char buf[HT_WORD_ROOM], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;
	double n = fabs(bytes);

	while (n >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		n /= 1024;
		unit++;
	}
	/* three figures; a whole number of bytes has no fraction */
	snprintf(buf, HT_WORD_ROOM, "%s%.*f %s", bytes < 0 ? "-" : "",
		 unit == 0 || n >= 99.95 ? 0
		 : n < 9.995		 ? 2
					 : 1,
		 n, units[unit]);
	return buf;
}

char *ht_word_sampled(char buf[HT_WORD_ROOM], double bytes, double se)
{
	char a[HT_WORD_ROOM], b[HT_WORD_ROOM];

	if (isfinite(se) && se > 0)
		snprintf(buf, HT_WORD_ROOM, "%.20s +- %.20s", ht_word_bytes(a, bytes), ht_word_bytes(b, se));
	else
		ht_word_bytes(buf, bytes);
	return buf;
}

char *ht_word_rate(char buf[HT_WORD_ROOM], double bytes_per_s)
{
	ht_word_bytes(buf, bytes_per_s);
	strcat(buf, "/s");
	return buf;
}

char *ht_word_share(char buf[HT_WORD_ROOM], double share)
{
	double percent = share * 100;

	snprintf(buf, HT_WORD_ROOM, "%.*f %%", percent != 0 && fabs(percent) < 9.95 ? 1 : 0, percent);
	return buf;
}

char *ht_word_slope(char buf[HT_WORD_ROOM], double bytes_per_s, double bytes)
{
	char rate[HT_WORD_ROOM];

	buf[0] = '\0';
	/* a doubling in less than a day is worth a word */
	if (isfinite(bytes_per_s) && fabs(bytes_per_s) * 86400 > bytes)
		snprintf(buf, HT_WORD_ROOM, ", %s %.24s", bytes_per_s > 0 ? "rising" : "falling",
			 ht_word_rate(rate, fabs(bytes_per_s)));
	return buf;
}

static const struct ht_site *find_site(const struct ht_case *c, uint32_t id)
{
	for (size_t i = 0; i < c->model->n_sites; i++)
		if (c->model->sites[i].id == id)
			return &c->model->sites[i];
	return NULL;
}

/* The first `n` frames outside the allocator, innermost first. */
static size_t program_frames(const struct ht_case *c, uint32_t id, struct ht_sym_frame *ret, size_t n)
{
	const struct ht_site *site = find_site(c, id);
	struct ht_sym_frame frames[FRAMES_MAX];
	size_t found = 0;

	for (uint32_t i = 0; site && i < site->n_frames && found < n; i++) {
		size_t n_frames = 1;

		if (c->sym)
			n_frames = ht_sym_lookup(c->sym, site->frames[i], false, frames, FRAMES_MAX);
		else
			frames[0] = (struct ht_sym_frame){ .offset = site->frames[i] };
		for (size_t k = 0; k < n_frames && found < n; k++)
			if (!ht_sym_is_own(&frames[k]))
				ret[found++] = frames[k];
	}
	return found;
}

static void name_of_frame(char *buf, size_t room, const struct ht_sym_frame *f)
{
	const char *slash = f->file ? strrchr(f->file, '/') : NULL;

	if (f->function && f->file && f->line)
		snprintf(buf, room, "%.80s (%.40s:%d)", f->function, slash ? slash + 1 : f->file, f->line);
	else if (f->function)
		snprintf(buf, room, "%.80s", f->function);
	else if (f->module)
		snprintf(buf, room, "%.60s+0x%" PRIx64, f->module, f->offset);
	else
		snprintf(buf, room, "0x%" PRIx64, f->offset);
}

char *ht_word_site(char buf[HT_NAME_ROOM], const struct ht_case *c, uint32_t id)
{
	struct ht_sym_frame frames[2];
	size_t n = program_frames(c, id, frames, 2), at;

	if (n == 0) {
		snprintf(buf, HT_NAME_ROOM, "site %" PRIu32, id);
		return buf;
	}
	name_of_frame(buf, HT_NAME_ROOM, &frames[0]);
	at = strlen(buf);
	/* without its caller, a wrapper (zmalloc, xmalloc) says nothing */
	if (n > 1 && at + 16 < HT_NAME_ROOM) {
		memcpy(buf + at, ", called by ", 13);
		name_of_frame(buf + at + 12, HT_NAME_ROOM - at - 12, &frames[1]);
	}
	return buf;
}

const char *ht_site_function(const struct ht_case *c, uint32_t id)
{
	struct ht_sym_frame frame;

	return program_frames(c, id, &frame, 1) ? frame.function : NULL;
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *format, va_list args)
{
	char *text;

	return vasprintf(&text, format, args) < 0 ? ht_xstrdup("") : text;
}

void ht_say_text(struct ht_finding *f, const char *format, ...)
{
	va_list args;

	free(f->text);
	va_start(args, format);
	f->text = format_text(format, args);
	va_end(args);
}

void ht_say_evidence(struct ht_finding *f, const char *format, ...)
{
	va_list args;

	f->evidence = ht_xrealloc(f->evidence, f->n_evidence + 1, sizeof(*f->evidence));
	va_start(args, format);
	f->evidence[f->n_evidence++] = format_text(format, args);
	va_end(args);
}

void ht_say_disproof(struct ht_finding *f, const char *format, ...)
{
	va_list args;

	free(f->disproof);
	va_start(args, format);
	f->disproof = format_text(format, args);
	va_end(args);
}

void ht_say_action(struct ht_finding *f, const char *format, ...)
{
	va_list args;

	free(f->action);
	va_start(args, format);
	f->action = format_text(format, args);
	va_end(args);
}

void ht_say_site(struct ht_finding *f, uint32_t site)
{
	f->sites = ht_xrealloc(f->sites, f->n_sites + 1, sizeof(*f->sites));
	f->sites[f->n_sites++] = site;
}
