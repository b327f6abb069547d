/* SPDX-License-Identifier: MIT */
#include "model/label.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "sym/symbolize.h"
#include "util/mem.h"
#include "util/text.h"

/* Inline frames of one address; deeper nests lose their outermost ones. */
#define INLINE_MOST 16

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void ht_frame_text(char *out, size_t room, const struct ht_sym_frame *f, bool with_line)
{
	if (f->function && with_line && f->file && f->line > 0)
		snprintf(out, room, "%s %s:%d", f->function, base_name(f->file), f->line);
	else if (f->function)
		snprintf(out, room, "%s", f->function);
	else if (f->module)
		snprintf(out, room, "%s+0x%" PRIx64, f->module, f->offset);
	else
		snprintf(out, room, "0x%" PRIx64, f->offset);
}

size_t ht_site_frames(const struct ht_site *site, struct ht_sym *sym, bool fold, struct ht_sym_frame **ret)
{
	struct ht_sym_frame *rows = NULL;
	size_t n = 0, room = 0, own = 0;

	for (uint32_t i = 0; i < site->n_frames; i++) {
		struct ht_sym_frame found[INLINE_MOST] = { { 0 } };
		size_t k = 1;

		if (sym)
			k = ht_sym_lookup(sym, site->frames[i], /* exact */ false, found, INLINE_MOST);
		else
			found[0].offset = site->frames[i];
		for (size_t j = 0; j < k; j++) {
			ht_grow((void **)&rows, n, &room, sizeof(*rows));
			rows[n++] = found[j];
		}
	}
	while (fold && own < n && ht_sym_is_own(&rows[own]))
		own++;
	/* a stack of nothing but allocator frames says more than an empty one */
	if (own && own < n) {
		n -= own;
		memmove(rows, rows + own, n * sizeof(*rows));
	}
	*ret = rows;
	return n;
}

char *ht_site_label(const struct ht_site *site, struct ht_sym *sym, unsigned callers)
{
	struct ht_sym_frame *frames;
	struct ht_text t = { 0 };
	struct ht_site near = *site;

	/* a label needs the first few frames only: the allocator's, the site and its callers */
	if (near.n_frames > callers + 8)
		near.n_frames = callers + 8;
	size_t n = ht_site_frames(&near, sym, /* fold */ true, &frames);
	for (size_t i = 0; i < n && i <= callers; i++) {
		char text[512];

		ht_frame_text(text, sizeof(text), &frames[i], /* with_line */ i == 0);
		ht_text_puts(&t, i ? " < " : "");
		ht_text_puts(&t, text);
	}
	if (!n)
		ht_text_puts(&t, "(no stack)");
	free(frames);
	return ht_text_take(&t);
}
