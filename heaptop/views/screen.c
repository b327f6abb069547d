/* SPDX-License-Identifier: MIT */
#include "views/screen.h"

#include <stdio.h>
#include <string.h>

#include "model/tableview.h"
#include "views/cursor.h"
#include "views/draw.h"

#define PAGE_LINES 5 /* of the text of a finding */
#define N_LEAST_INTERVAL_S 0.25
#define N_MOST_INTERVAL_S 64.0

static const struct ht_view *const views[HT_N_VIEWS] = {
	[HT_VIEW_OVERVIEW] = &ht_tab_overview, [HT_VIEW_FINDINGS] = &ht_tab_findings, [HT_VIEW_SITES] = &ht_tab_sites,
	[HT_VIEW_CLASSES] = &ht_tab_classes,   [HT_VIEW_ARENAS] = &ht_tab_arenas,     [HT_VIEW_LOCKS] = &ht_tab_locks,
	[HT_VIEW_THREADS] = &ht_tab_threads,   [HT_VIEW_SITE] = &ht_tab_site,	      [HT_VIEW_HELP] = &ht_tab_help,
	[HT_VIEW_CHOOSER] = &ht_tab_chooser,
};

/* Each table starts in its own order, so that the header can mark it. */
static const struct {
	enum ht_view_id view;
	const struct ht_table_view *table;
} orders[] = {
	{ HT_VIEW_SITES, &ht_view_sites }, { HT_VIEW_CLASSES, &ht_view_classes }, { HT_VIEW_ARENAS, &ht_view_arenas },
	{ HT_VIEW_LOCKS, &ht_view_locks }, { HT_VIEW_THREADS, &ht_view_threads },
};

const struct ht_view *ht_view_get(enum ht_view_id id)
{
	return views[id];
}

void ht_screen_init(struct ht_screen *screen)
{
	memset(screen, 0, sizeof(*screen));
	screen->interval_s = 1;
	screen->view = HT_VIEW_CHOOSER;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		screen->lists[orders[i].view].sort = orders[i].table->sort;
		screen->lists[orders[i].view].ascending = orders[i].table->ascending;
	}
}

static void drop_table(struct ht_screen *screen)
{
	if (screen->table_valid)
		ht_table_done(&screen->table);
	screen->table_valid = false;
}

void ht_screen_done(struct ht_screen *screen)
{
	if (screen)
		drop_table(screen);
}

void ht_screen_set_frame(struct ht_screen *screen, const struct ht_model *model, const struct ht_findings *findings,
			 struct ht_sym *sym)
{
	screen->model = model;
	screen->findings = findings;
	screen->sym = sym;
	drop_table(screen);
	if (model && screen->view == HT_VIEW_CHOOSER)
		screen->view = HT_VIEW_OVERVIEW;
}

void ht_screen_set_choices(struct ht_screen *screen, const struct ht_list_entry *choices, size_t n)
{
	screen->choices = choices;
	screen->n_choices = n;
}

static void go(struct ht_screen *screen, enum ht_view_id view)
{
	/* tabs are places, not steps: Esc leads out of a drill-down or of help, not through all tabs seen */
	if (view < HT_N_TABS) {
		screen->n_back = 0;
	} else if (screen->n_back < (int)(sizeof(screen->back) / sizeof(screen->back[0]))) {
		screen->back[screen->n_back++] = screen->view;
	}
	if (view != screen->view)
		screen->lists[HT_VIEW_HELP].top = 0;
	screen->view = view;
	drop_table(screen);
}

static void go_back(struct ht_screen *screen)
{
	if (screen->n_back > 0)
		screen->view = screen->back[--screen->n_back];
	else if (screen->model)
		screen->view = HT_VIEW_OVERVIEW;
	drop_table(screen);
}

bool ht_screen_show(struct ht_screen *screen, const char *name)
{
	/* batch output has the ledger as a table of its own; here it is on the overview */
	if (strcmp(name, "ledger") == 0)
		name = "overview";
	for (int i = 0; i < HT_N_TABS; i++) {
		const char *title = views[i]->title, *n = name;

		while (*title && *n && (*title | 0x20) == (*n | 0x20)) {
			title++;
			n++;
		}
		if (!*title && !*n) {
			go(screen, (enum ht_view_id)i);
			return true;
		}
	}
	return false;
}

void ht_screen_say(struct ht_screen *screen, enum ht_role role, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(screen->message, sizeof(screen->message), format, args);
	va_end(args);
	screen->message_role = role;
}

static size_t sort_column(const struct ht_screen *screen, const struct ht_column **ret_columns, size_t *ret_n)
{
	const struct ht_cursor *list = &screen->lists[screen->view];
	const char *name = views[screen->view]->table;
	size_t at = 0;

	*ret_n = 0;
	*ret_columns = name ? ht_table_columns(name, ret_n) : NULL;
	for (size_t i = 0; list->sort && i < *ret_n; i++)
		if (strcmp((*ret_columns)[i].id, list->sort) == 0)
			at = i;
	return at;
}

bool ht_screen_sort(struct ht_screen *screen, const char *column)
{
	const struct ht_column *columns;
	size_t n;

	sort_column(screen, &columns, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(columns[i].id, column) == 0) {
			screen->lists[screen->view].sort = columns[i].id;
			drop_table(screen);
			return true;
		}
	}
	return false;
}

static void move_sort(struct ht_screen *screen, int by)
{
	const struct ht_column *columns;
	size_t n, at = sort_column(screen, &columns, &n);

	if (n == 0)
		return;
	if (screen->lists[screen->view].sort)
		at = (at + n + (size_t)by) % n;
	screen->lists[screen->view].sort = columns[at].id;
	drop_table(screen);
}

static void open_selected(struct ht_screen *screen)
{
	struct ht_cursor *list = &screen->lists[screen->view];

	if (screen->view == HT_VIEW_OVERVIEW) {
		go(screen, HT_VIEW_FINDINGS);
	} else if (screen->view == HT_VIEW_SITES && list->has_selected) {
		screen->site = (uint32_t)list->selected;
		memset(&screen->lists[HT_VIEW_SITE], 0, sizeof(screen->lists[HT_VIEW_SITE]));
		go(screen, HT_VIEW_SITE);
	} else if (screen->view == HT_VIEW_FINDINGS && screen->findings && list->cursor < screen->findings->n) {
		const struct ht_finding *finding = &screen->findings->rows[list->cursor];

		if (finding->n_sites > 0) {
			screen->site = finding->sites[0];
			memset(&screen->lists[HT_VIEW_SITE], 0, sizeof(screen->lists[HT_VIEW_SITE]));
			go(screen, HT_VIEW_SITE);
		} else {
			ht_screen_say(screen, HT_ROLE_DIM, "this finding names no site");
		}
	}
}

static enum ht_request choose(struct ht_screen *screen)
{
	size_t at = screen->lists[HT_VIEW_CHOOSER].cursor;

	if (at >= screen->n_choices)
		return HT_REQ_NONE;
	if (screen->choices[at].state == HT_LIST_DENIED) {
		ht_screen_say(screen, HT_ROLE_WARN, "pid %d belongs to another user: run heaptop as that user or root",
			      (int)screen->choices[at].pid);
		return HT_REQ_NONE;
	}
	if (screen->choices[at].state == HT_LIST_DAMAGED) {
		ht_screen_say(screen, HT_ROLE_WARN, "this segment is damaged; heaptop prune removes it");
		return HT_REQ_NONE;
	}
	screen->chosen = at;
	return HT_REQ_ATTACH;
}

static void ask_wss(struct ht_screen *screen)
{
	if (!screen->can_measure)
		ht_screen_say(screen, HT_ROLE_WARN, "the working set can be measured on a live process only");
	else
		screen->mode = HT_MODE_WSS;
}

static enum ht_request change_interval(struct ht_screen *screen, double factor)
{
	double interval = screen->interval_s * factor;

	if (interval >= N_LEAST_INTERVAL_S && interval <= N_MOST_INTERVAL_S)
		screen->interval_s = interval;
	return HT_REQ_REFRESH;
}

static enum ht_request quit_or_close(struct ht_screen *screen)
{
	if (screen->view != HT_VIEW_HELP)
		return HT_REQ_QUIT;
	go_back(screen);
	return HT_REQ_NONE;
}

static void back(struct ht_screen *screen)
{
	struct ht_cursor *list = &screen->lists[screen->view];

	if (list->filter[0] && screen->view < HT_N_TABS) {
		list->filter[0] = '\0';
		drop_table(screen);
	} else {
		go_back(screen);
	}
}

/* Commands that lead to another view; false: it is none of them. */
static bool run_go(struct ht_screen *screen, enum ht_command command)
{
	int tab = (int)screen->view < HT_N_TABS ? (int)screen->view : HT_VIEW_SITES;

	if (command >= HT_CMD_VIEW_1 && command <= HT_CMD_VIEW_7)
		go(screen, (enum ht_view_id)(command - HT_CMD_VIEW_1));
	else if (command == HT_CMD_NEXT_VIEW)
		go(screen, (enum ht_view_id)((tab + 1) % HT_N_TABS));
	else if (command == HT_CMD_PREV_VIEW)
		go(screen, (enum ht_view_id)((tab + HT_N_TABS - 1) % HT_N_TABS));
	else if (command == HT_CMD_HELP && screen->view == HT_VIEW_HELP)
		go_back(screen);
	else if (command == HT_CMD_HELP)
		go(screen, HT_VIEW_HELP);
	else
		return false;
	return true;
}

/* Commands about order and filter of a table; false: it is none of them. */
static bool run_order(struct ht_screen *screen, enum ht_command command)
{
	struct ht_cursor *list = &screen->lists[screen->view];
	const struct ht_column *columns;
	size_t n;

	if (command == HT_CMD_SORT_LEFT) {
		move_sort(screen, -1);
	} else if (command == HT_CMD_SORT_RIGHT) {
		move_sort(screen, 1);
	} else if (command == HT_CMD_INVERT) {
		list->ascending = !list->ascending;
		drop_table(screen);
	} else if (command == HT_CMD_FILTER) {
		screen->mode = HT_MODE_FILTER;
	} else if (command == HT_CMD_SORT_MENU) {
		screen->menu = sort_column(screen, &columns, &n);
		screen->mode = HT_MODE_SORT;
	} else {
		return false;
	}
	return true;
}

static void move_cursor(struct ht_screen *screen, enum ht_command command)
{
	struct ht_cursor *list = &screen->lists[screen->view];
	bool page = command == HT_CMD_PAGE_UP || command == HT_CMD_PAGE_DOWN;

	if (screen->view != HT_VIEW_FINDINGS) {
		ht_cursor_command(list, command);
		return;
	}
	/* the list of findings is short, the text of one is long: pages turn the text */
	if (page) {
		list->scroll += command == HT_CMD_PAGE_UP ? -PAGE_LINES : PAGE_LINES;
	} else {
		list->scroll = 0;
		ht_cursor_command(list, command);
	}
}

static enum ht_request run(struct ht_screen *screen, enum ht_command command)
{
	ht_draw_table_sync(screen);
	if (run_go(screen, command) || run_order(screen, command))
		return HT_REQ_NONE;
	switch (command) {
	case HT_CMD_QUIT:
		return quit_or_close(screen);
	case HT_CMD_BACK:
		if (screen->wss.running)
			return HT_REQ_WSS_CANCEL;
		back(screen);
		break;
	case HT_CMD_OPEN:
		if (screen->view == HT_VIEW_CHOOSER)
			return choose(screen);
		open_selected(screen);
		break;
	case HT_CMD_PAUSE:
		screen->paused = !screen->paused;
		return screen->paused ? HT_REQ_NONE : HT_REQ_REFRESH;
	case HT_CMD_FASTER:
		return change_interval(screen, 0.5);
	case HT_CMD_SLOWER:
		return change_interval(screen, 2);
	case HT_CMD_WSS:
		ask_wss(screen);
		break;
	case HT_CMD_ZOOM_IN:
		screen->zoom -= screen->zoom > -20;
		break;
	case HT_CMD_ZOOM_OUT:
		screen->zoom += screen->zoom < 0;
		break;
	case HT_CMD_REDRAW:
		return HT_REQ_REDRAW;
	default:
		move_cursor(screen, command);
	}
	return HT_REQ_NONE;
}

static bool is_back(int key)
{
	return key == HT_KEY_BACKSPACE || key == 127 || key == 8;
}

static void edit_filter(struct ht_screen *screen, int key)
{
	struct ht_cursor *list = &screen->lists[screen->view];
	size_t n = strlen(list->filter);

	if (key == HT_KEY_ESC) {
		list->filter[0] = '\0';
		screen->mode = HT_MODE_NORMAL;
	} else if (key == HT_KEY_ENTER || key == '\n') {
		screen->mode = HT_MODE_NORMAL;
	} else if (is_back(key)) {
		/* a character may be several bytes */
		while (n > 0 && ((unsigned char)list->filter[n - 1] & 0xc0) == 0x80)
			n--;
		list->filter[n ? n - 1 : 0] = '\0';
	} else if (key >= ' ' && key < 127 && n + 1 < sizeof(list->filter)) {
		list->filter[n] = (char)key;
		list->filter[n + 1] = '\0';
	} else if (key == HT_KEY_UP || key == HT_KEY_DOWN) {
		ht_cursor_command(list, key == HT_KEY_UP ? HT_CMD_UP : HT_CMD_DOWN);
		return;
	}
	drop_table(screen);
}

static void sort_menu(struct ht_screen *screen, int key)
{
	const struct ht_column *columns;
	size_t n;

	sort_column(screen, &columns, &n);
	if (key == HT_KEY_UP || key == 'k') {
		screen->menu -= screen->menu > 0;
	} else if (key == HT_KEY_DOWN || key == 'j') {
		screen->menu += screen->menu + 1 < n;
	} else if (key == HT_KEY_ENTER || key == '\n') {
		if (screen->menu < n)
			screen->lists[screen->view].sort = columns[screen->menu].id;
		screen->mode = HT_MODE_NORMAL;
		drop_table(screen);
	} else if (key == HT_KEY_ESC || key == 'q' || key == HT_KEY_F10 || key == HT_KEY_F6) {
		screen->mode = HT_MODE_NORMAL;
	}
}

static enum ht_request confirm_wss(struct ht_screen *screen, int key)
{
	if (key == 'y' || key == 'Y' || key == HT_KEY_ENTER || key == '\n') {
		screen->mode = HT_MODE_NORMAL;
		return HT_REQ_WSS;
	}
	if (key != HT_KEY_RESIZE && key != HT_KEY_UNKNOWN)
		screen->mode = HT_MODE_NORMAL;
	return HT_REQ_NONE;
}

enum ht_request ht_screen_key(struct ht_screen *screen, int key)
{
	if (key == HT_KEY_NONE || key == HT_KEY_RESIZE || key == HT_KEY_UNKNOWN)
		return HT_REQ_NONE;
	if (key == HT_KEY_CTRL_L)
		return HT_REQ_REDRAW;
	screen->message[0] = '\0';
	switch (screen->mode) {
	case HT_MODE_FILTER:
		edit_filter(screen, key);
		return HT_REQ_NONE;
	case HT_MODE_SORT:
		sort_menu(screen, key);
		return HT_REQ_NONE;
	case HT_MODE_WSS:
		return confirm_wss(screen, key);
	case HT_MODE_NORMAL:
		break;
	}
	return run(screen, ht_keymap_command(key, screen->view));
}

static void draw_too_small(struct ht_canvas *canvas)
{
	ht_canvas_textf(canvas, 0, 0, canvas->cols, HT_ROLE_WARN, "Terminal too small: %dx%d", canvas->cols,
			canvas->rows);
	ht_canvas_textf(canvas, 1, 0, canvas->cols, HT_ROLE_TEXT, "heaptop needs %dx%d", ht_layout_min_cols(),
			ht_layout_min_rows());
}

void ht_screen_draw(struct ht_screen *screen, struct ht_canvas *canvas)
{
	const struct ht_view *view = views[screen->view];
	struct ht_layout layout;

	ht_canvas_erase(canvas);
	ht_layout_compute(&layout, view->layout, canvas->rows, canvas->cols);
	if (layout.too_small) {
		draw_too_small(canvas);
		return;
	}
	ht_draw_frame(screen, canvas, &layout);
	if (screen->model || view->id >= HT_N_TABS)
		view->draw(screen, canvas, &layout);
	ht_draw_bottom(screen, canvas, &layout);
	ht_draw_popup(screen, canvas, &layout);
}
