/* SPDX-License-Identifier: MIT */
/*
 * Findings: one line each, and below the selected one in full: what, evidence, what would disprove it, what
 * to do, which sites.
 */
#include <stdio.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"
#include "views/cursor.h"
#include "views/draw.h"

#define WIDE_COLS 56	/* for share and confidence beside the bytes */
#define N_LINES_MAX 200 /* of one paragraph; the clip cuts */

/* A paragraph with its label in front, at `*y`; moves `*y` down. */
static void labelled(struct ht_canvas *canvas, struct ht_rect r, int *y, const char *label, enum ht_role role,
		     const char *text)
{
	struct ht_rect rest = { *y, r.x + 11, N_LINES_MAX, r.cols - 12 };
	char escaped[1024];

	ht_escape(escaped, sizeof(escaped), text, strlen(text));
	ht_canvas_text(canvas, *y, r.x + 1, 10, HT_ROLE_HEADER, label);
	*y += ht_canvas_paragraph(canvas, rest, role, escaped);
}

static int draw_sites(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, int y,
		      const struct ht_finding *f)
{
	for (size_t i = 0; i < f->n_sites; i++) {
		struct ht_sym_frame frames[8];
		const struct ht_site *site = NULL;
		char unit[HT_UNIT_ROOM];

		for (size_t k = 0; k < screen->model->n_sites && !site; k++)
			if (screen->model->sites[k].id == f->sites[i])
				site = &screen->model->sites[k];
		if (!site)
			continue;
		if (i == 0)
			ht_canvas_text(canvas, y, r.x + 1, 10, HT_ROLE_HEADER, "sites");
		/* what this finding blames the site for; waiting for a lock is no matter of bytes */
		if (site->pinned_bytes > 0 && strcmp(f->id, "external-fragmentation") == 0)
			ht_canvas_textf(canvas, y, r.x + 11, 15, HT_ROLE_TEXT, "%7s pinned",
					ht_fmt_bytes(unit, site->pinned_bytes));
		else if (site->live_bytes > 0 && strcmp(f->id, "lock-contention") != 0)
			ht_canvas_textf(canvas, y, r.x + 11, 15, HT_ROLE_TEXT, "%7s live",
					ht_fmt_bytes(unit, site->live_bytes));
		/* the first frame that is not the allocator's own */
		for (uint32_t k = 0; k < site->n_frames; k++) {
			size_t n = screen->sym ? ht_sym_lookup(screen->sym, site->frames[k], false, frames, 8) : 0;

			if (n > 0 && (!ht_sym_is_own(&frames[0]) || k + 1 == site->n_frames)) {
				ht_draw_stack_frame(canvas, y, r.x + 27, r.cols - 28, HT_ROLE_TEXT, &frames[0]);
				break;
			}
		}
		y++;
	}
	return y;
}

/* The text of a finding, `scroll` lines up; returns how many lines it has. */
static int draw_text(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, int scroll,
		     const struct ht_finding *f)
{
	char where[96];
	enum ht_role role;
	int y = r.y - scroll;

	ht_draw_severity(f->severity, &role);
	labelled(canvas, r, &y, "what", role, f->text ? f->text : "");
	if (f->action)
		labelled(canvas, r, &y, "action", HT_ROLE_GOOD, f->action);
	for (size_t i = 0; i < f->n_evidence; i++)
		labelled(canvas, r, &y, i ? "" : "evidence", HT_ROLE_TEXT, f->evidence[i]);
	if (f->disproof)
		labelled(canvas, r, &y, "unless", HT_ROLE_DIM, f->disproof);
	y = draw_sites(screen, canvas, r, y, f);
	snprintf(where, sizeof(where), "heaptop(1), FINDINGS, %s", f->id);
	labelled(canvas, r, &y, "see", HT_ROLE_DIM, where);
	return y - (r.y - scroll);
}

static void draw_selected(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r,
			  const struct ht_finding *f)
{
	struct ht_cursor *list = &screen->lists[HT_VIEW_FINDINGS];
	struct ht_rect before = ht_canvas_clip(canvas, (struct ht_rect){ 0, 0, 0, 0 });
	int lines = draw_text(screen, canvas, r, 0, f), most = lines > r.rows ? lines - r.rows : 0;

	if (list->scroll > most)
		list->scroll = most;
	if (list->scroll < 0)
		list->scroll = 0;
	ht_canvas_clip(canvas, r);
	draw_text(screen, canvas, r, list->scroll, f);
	ht_canvas_clip(canvas, before);
	if (list->scroll < most)
		ht_canvas_right(canvas, r.y - 1, r.x, r.cols - 1, HT_ROLE_KEY, " PgDn: more ");
}

static void draw_none(struct ht_canvas *canvas, struct ht_rect r)
{
	ht_canvas_text(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_GOOD, "No finding.");
	ht_canvas_paragraph(canvas, (struct ht_rect){ r.y + 3, r.x + 1, r.rows - 3, r.cols - 2 }, HT_ROLE_DIM,
			    "Nothing in this process passes the thresholds of heaptop(1), FINDINGS. The ledger of the "
			    "overview (1) says where its memory is; the sites (3) say whose it is.");
}

/* Share, confidence and severity of one line of the list. */
static void draw_certainty(struct ht_canvas *canvas, struct ht_rect line, const struct ht_finding *row)
{
	char share[HT_UNIT_ROOM];

	ht_canvas_right(canvas, line.y, line.x + 37, 5, HT_ROLE_TEXT, ht_fmt_percent(share, row->share));
	ht_canvas_text(canvas, line.y, line.x + 42, 1, HT_ROLE_TEXT, "%");
	ht_canvas_text(canvas, line.y, line.x + 44, 10, HT_ROLE_TEXT, ht_confidence_name(row->confidence));
	ht_canvas_text(canvas, line.y, line.x + 55, line.cols - 55, HT_ROLE_DIM, ht_severity_name(row->severity));
}

static void draw(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	const struct ht_findings *f = screen->findings;
	struct ht_cursor *list = &screen->lists[HT_VIEW_FINDINGS];
	struct ht_rect r = layout->body, below;
	bool wide = r.cols >= WIDE_COLS;
	int page;

	if (!f || f->n == 0) {
		ht_cursor_fit(list, 0, r.rows);
		draw_none(canvas, r);
		return;
	}
	page = r.rows / 3 > (int)f->n ? (int)f->n : r.rows / 3;
	ht_cursor_fit(list, f->n, page);
	ht_canvas_text(canvas, r.y, r.x + 1, r.cols, HT_ROLE_HEADER,
		       wide ? "   FINDING                    BYTES  SHARE  CONFIDENCE"
			    : "   FINDING                    BYTES");
	for (int i = 0; i < page && list->top + (size_t)i < f->n; i++) {
		const struct ht_finding *row = &f->rows[list->top + (size_t)i];
		struct ht_rect line = { r.y + 1 + i, r.x, 1, r.cols };
		enum ht_role role;
		const char *mark = ht_draw_severity(row->severity, &role);
		char unit[HT_UNIT_ROOM];

		ht_canvas_text(canvas, line.y, r.x + 1, 2, role, mark);
		ht_canvas_text(canvas, line.y, r.x + 4, 23, role, row->id);
		ht_canvas_right(canvas, line.y, r.x + 27, 9, HT_ROLE_TEXT,
				row->bytes ? ht_fmt_bytes(unit, (double)row->bytes) : "-");
		if (wide)
			draw_certainty(canvas, line, row);
		if (list->top + (size_t)i == list->cursor)
			ht_canvas_paint(canvas, line, HT_ROLE_SELECTED);
	}
	below = (struct ht_rect){ r.y + 1 + page, r.x, 1, r.cols };
	ht_canvas_fill(canvas, below, canvas->utf8 ? 0x2500 : '-', HT_ROLE_DIM);
	below.y++;
	below.rows = r.rows - page - 2;
	draw_selected(screen, canvas, below, &f->rows[list->cursor]);
}

const struct ht_view ht_tab_findings = {
	.id = HT_VIEW_FINDINGS,
	.title = "Findings",
	.layout = HT_LAYOUT_PAGE,
	.draw = draw,
};
