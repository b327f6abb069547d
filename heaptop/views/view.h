/* SPDX-License-Identifier: MIT */
/*
 * view.h - what a view is, and the state of the screen that views share.
 *
 * A view draws the model on a canvas and answers commands; it knows neither terminal nor target.  So state
 * plus key gives state, state plus size gives a canvas, and tests need nothing else.
 *
 * Layer:   views/ (uses tui/, diag/, model/, sym/, seg/, util/)
 * Memory:  model, findings, symbols and choices belong to the caller; the screen owns its table only
 */
#ifndef HT_VIEWS_VIEW_H
#define HT_VIEWS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diag/findings.h"
#include "model/model.h"
#include "model/table.h"
#include "seg/list.h"
#include "sym/symbolize.h"
#include "tui/canvas.h"
#include "tui/keymap.h"
#include "tui/layout.h"

struct ht_screen;

/*
 * A list with a cursor.  The cursor follows `selected`, the identity of an object, when the order changes;
 * `cursor` is where it was last seen.
 */
struct ht_cursor {
	uint64_t selected;
	bool has_selected;
	bool moved; /* by a person; before that the cursor stays on the first row */
	size_t cursor, top, n_rows;
	int page;	  /* rows shown in the last frame */
	int scroll;	  /* columns scrolled away at the left */
	const char *sort; /* column id, NULL: the view's own */
	bool ascending;
	char filter[64];
};

enum ht_mode { HT_MODE_NORMAL, HT_MODE_FILTER, HT_MODE_SORT, HT_MODE_WSS };

/* A working set measurement, as far as the screen shows it. */
struct ht_wss_state {
	bool running;
	double done_s, total_s;
};

struct ht_view {
	enum ht_view_id id;
	const char *title;
	const char *table; /* name for ht_table_build(), NULL: no table */
	enum ht_layout_kind layout;
	void (*draw)(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout);
	/* What follows the table: about the selected row.  NULL: nothing. */
	void (*detail)(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect rect,
		       const struct ht_row *row);
	int detail_rows;
};

struct ht_screen {
	/* the frame; set with ht_screen_set_frame() */
	const struct ht_model *model; /* NULL: chooser */
	const struct ht_findings *findings;
	struct ht_sym *sym;
	const struct ht_list_entry *choices;
	size_t n_choices;
	/* what the person did */
	enum ht_view_id view;
	enum ht_view_id back[8]; /* where Esc goes, newest last */
	int n_back;
	enum ht_mode mode;
	struct ht_cursor lists[HT_N_VIEWS];
	uint32_t site; /* of HT_VIEW_SITE */
	bool paused;
	double interval_s;
	int zoom; /* steps of the history plot */
	size_t menu;
	size_t chosen; /* index of choices */
	/* what the app says */
	char message[200];
	enum ht_role message_role;
	struct ht_wss_state wss;
	bool can_measure; /* live target */
	/* scales, kept so that charts do not jump */
	double scale_history, scale_rate, scale_spark;
	struct ht_table table;
	bool table_valid;
	enum ht_view_id table_view;
};

const struct ht_view *ht_view_get(enum ht_view_id id);

/* One file each. */
extern const struct ht_view ht_tab_overview, ht_tab_findings, ht_tab_sites, ht_tab_classes, ht_tab_arenas, ht_tab_locks,
	ht_tab_threads, ht_tab_site, ht_tab_help, ht_tab_chooser;

#endif /* HT_VIEWS_VIEW_H */
