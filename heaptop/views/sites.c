/* SPDX-License-Identifier: MIT */
/*
 * Sites: who holds the memory.  The table names one function; the detail below shows the way to it, and Enter
 * opens the whole stack with its figures.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"
#include "views/cursor.h"
#include "views/draw.h"

#define N_INLINE_MAX 16
#define N_LINES_MAX 512

static const struct ht_site *find_site(const struct ht_model *model, uint64_t id)
{
	/* ids are rows of the segment and mostly in order: try the direct hit first */
	if (id < model->n_sites && model->sites[id].id == id)
		return &model->sites[id];
	for (size_t i = 0; i < model->n_sites; i++)
		if (model->sites[i].id == id)
			return &model->sites[i];
	return NULL;
}

void ht_draw_stack_frame(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role,
			 const struct ht_sym_frame *frame)
{
	char name[512], where[512], place[512];
	int name_cols, where_cols;

	if (frame->function) {
		ht_escape(name, sizeof(name), frame->function, strlen(frame->function));
	} else {
		snprintf(place, sizeof(place), "%s+0x%llx", frame->module ? frame->module : "?",
			 (unsigned long long)frame->offset);
		ht_escape(name, sizeof(name), place, strlen(place));
	}
	if (frame->file) {
		const char *base = strrchr(frame->file, '/');

		snprintf(place, sizeof(place), "%s:%d", base ? base + 1 : frame->file, frame->line);
	} else if (frame->module && frame->function) {
		snprintf(place, sizeof(place), "%s+0x%llx", frame->module, (unsigned long long)frame->offset);
	} else {
		place[0] = '\0';
	}
	ht_escape(where, sizeof(where), place, strlen(place));
	where_cols = ht_canvas_width(canvas, where);
	name_cols = ht_canvas_width(canvas, name);
	/* the place keeps up to a third: a function can be recognised by its start */
	if (name_cols + 2 + where_cols > cols && where_cols > cols / 3)
		where_cols = cols / 3;
	if (name_cols + 2 + where_cols > cols)
		name_cols = cols - 2 - where_cols;
	x += ht_canvas_text(canvas, y, x, name_cols, role, name) + 2;
	ht_canvas_middle(canvas, y, x, where_cols, HT_ROLE_DIM, where);
}

/* One line of a stack: which address it is, and which of its inline frames. */
struct line {
	struct ht_sym_frame frame;
	uint32_t depth;
};

/* All frames of a site with their inline frames, innermost first. */
static size_t expand(const struct ht_screen *screen, const struct ht_site *site, struct line *ret, size_t cap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < site->n_frames && n < cap; i++) {
		struct ht_sym_frame frames[N_INLINE_MAX];
		size_t k = screen->sym ? ht_sym_lookup(screen->sym, site->frames[i], false, frames, N_INLINE_MAX) : 0;

		if (k == 0) {
			memset(&frames[0], 0, sizeof(frames[0]));
			frames[0].offset = site->frames[i];
			k = 1;
		}
		for (size_t j = 0; j < k && n < cap; j++)
			ret[n++] = (struct line){ frames[j], i };
	}
	return n;
}

/* Lines before the first frame of the program; all of them when there is no other. */
static size_t count_own(const struct line *lines, size_t n)
{
	size_t own = 0;

	while (own < n && ht_sym_is_own(&lines[own].frame))
		own++;
	return own < n ? own : 0;
}

static void detail(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, const struct ht_row *row)
{
	const struct ht_site *site = find_site(screen->model, row->identity);
	struct line lines[64];
	size_t n, own;
	int y = r.y;

	if (!site)
		return;
	n = expand(screen, site, lines, 64);
	own = count_own(lines, n);
	for (size_t i = own; i < n && y < r.y + r.rows; i++, y++) {
		if (y == r.y + r.rows - 1 && i + 1 < n) {
			ht_canvas_textf(canvas, y, r.x + 3, r.cols - 3, HT_ROLE_DIM, "and %zu more frames: Enter",
					n - i);
			break;
		}
		ht_canvas_text(canvas, y, r.x + 1, 2, HT_ROLE_DIM, i == own ? "" : canvas->utf8 ? "\xe2\x86\x90" : "<");
		ht_draw_stack_frame(canvas, y, r.x + 3, r.cols - 4, i == own ? HT_ROLE_SORTED : HT_ROLE_TEXT,
				    &lines[i].frame);
	}
}

static void figure(struct ht_canvas *canvas, int y, int *x, int right, const char *name, double value, double se,
		   char *(*format)(char *, double))
{
	char unit[HT_UNIT_ROOM], error[HT_UNIT_ROOM], text[96];

	if (se > 0)
		snprintf(text, sizeof(text), "%s %s%s", format(unit, value), canvas->utf8 ? "\xc2\xb1" : "~",
			 format(error, se));
	else
		snprintf(text, sizeof(text), "%s", format(unit, value));
	if (*x + (int)strlen(name) + 2 + (int)strlen(text) > right)
		return;
	*x += ht_canvas_textf(canvas, y, *x, right - *x, HT_ROLE_DIM, "%s ", name);
	*x += ht_canvas_textf(canvas, y, *x, right - *x, HT_ROLE_TEXT, "%s   ", text);
}

/* Three lines of figures of one site. */
static void draw_figures(struct ht_canvas *canvas, struct ht_rect r, const struct ht_site *site)
{
	int x = r.x + 1, right = r.x + r.cols;

	figure(canvas, r.y, &x, right, "live", site->live_bytes, site->live_bytes_se, ht_fmt_bytes);
	figure(canvas, r.y, &x, right, "objects", site->live_objects, site->live_objects_se, ht_fmt_count);
	figure(canvas, r.y, &x, right, "pinned", site->pinned_bytes, site->pinned_bytes_se, ht_fmt_bytes);
	x = r.x + 1;
	figure(canvas, r.y + 1, &x, right, "allocated", site->allocated_bytes, site->allocated_bytes_se, ht_fmt_bytes);
	figure(canvas, r.y + 1, &x, right, "freed", site->freed_bytes, 0, ht_fmt_bytes);
	figure(canvas, r.y + 1, &x, right, "median age", (double)site->median_age_ns, 0, ht_fmt_ns);
	figure(canvas, r.y + 1, &x, right, "oldest", (double)site->oldest_ns, 0, ht_fmt_ns);
	x = r.x + 1;
	figure(canvas, r.y + 2, &x, right, "samples live", (double)site->live_samples, 0, ht_fmt_count);
	figure(canvas, r.y + 2, &x, right, "of", (double)site->n_alloc_samples, 0, ht_fmt_count);
	figure(canvas, r.y + 2, &x, right, "short-lived", (double)site->n_temporary, 0, ht_fmt_count);
	figure(canvas, r.y + 2, &x, right, "freed elsewhere", (double)site->n_remote, 0, ht_fmt_count);
}

static void draw_site(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	static struct line lines[N_LINES_MAX];
	const struct ht_site *site = find_site(screen->model, screen->site);
	struct ht_cursor *list = &screen->lists[HT_VIEW_SITE];
	struct ht_rect r = layout->body;
	size_t n, own, shown;

	if (!site) {
		ht_canvas_text(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_DIM, "this site has no records any more");
		return;
	}
	n = expand(screen, site, lines, N_LINES_MAX);
	own = count_own(lines, n);
	draw_figures(canvas, r, site);
	ht_canvas_textf(canvas, r.y + 3, r.x + 1, r.cols - 1, HT_ROLE_HEADER, "STACK of site %u%s", site->id,
			site->truncated ? ", cut before its root" : "");
	if (site->live_samples < 10)
		ht_canvas_right(canvas, r.y + 3, r.x, r.cols - 1, HT_ROLE_WARN,
				"fewer than 10 live samples: rough figures");
	r.y += 4;
	r.rows -= 4;
	shown = n - own + (own > 0);
	ht_cursor_scroll(list, shown, r.rows);
	for (int i = 0; i < r.rows && list->top + (size_t)i < shown; i++) {
		size_t at = list->top + (size_t)i;
		const struct line *line;

		if (own > 0 && at == 0) {
			ht_canvas_textf(canvas, r.y, r.x + 5, r.cols - 5, HT_ROLE_DIM, "(%zu frames of the allocator)",
					own);
			continue;
		}
		line = &lines[at - (own > 0) + own];
		if (line->frame.inlined)
			ht_canvas_text(canvas, r.y + i, r.x + 1, 3, HT_ROLE_DIM, "inl");
		else
			ht_canvas_textf(canvas, r.y + i, r.x + 1, 3, HT_ROLE_DIM, "%3u", line->depth);
		ht_draw_stack_frame(canvas, r.y + i, r.x + 5, r.cols - 6,
				    at == (own > 0) ? HT_ROLE_SORTED : HT_ROLE_TEXT, &line->frame);
	}
}

const struct ht_view ht_tab_sites = {
	.id = HT_VIEW_SITES,
	.title = "Sites",
	.table = "sites",
	.layout = HT_LAYOUT_TABLE,
	.draw = ht_draw_table,
	.detail = detail,
	.detail_rows = 4,
};

const struct ht_view ht_tab_site = {
	.id = HT_VIEW_SITE,
	.title = "Site",
	.layout = HT_LAYOUT_PAGE,
	.draw = draw_site,
};
