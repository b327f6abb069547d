/* SPDX-License-Identifier: MIT */
#include "app.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "diag/findings.h"
#include "model/source.h"
#include "seg/list.h"
#include "tui/keymap.h"
#include "tui/term.h"
#include "views/screen.h"

#define WSS_DEFAULT_S 5.0
#define WSS_STEP_S 0.25 /* how often the progress is drawn */
#define YOUNG_TRIES 20	/* a segment being made is whole within a second */
#define YOUNG_WAIT_NS 50000000L

struct app {
	struct ht_source *source; /* NULL: chooser */
	struct ht_findings findings;
	struct ht_list list;
	struct ht_screen screen;
	struct ht_canvas canvas;
	double next_s;	    /* when to look again, on the monotonic clock */
	double wss_start_s; /* of a running measurement */
	double wss_total_s;
	bool quit;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Hands a model to the screen together with its findings. */
static void show_model(struct app *app, const struct ht_model *model)
{
	struct ht_sym *sym = ht_source_sym(app->source);

	ht_findings_done(&app->findings);
	memset(&app->findings, 0, sizeof(app->findings));
	if (ht_findings_run(&app->findings, model, sym) < 0)
		memset(&app->findings, 0, sizeof(app->findings));
	ht_screen_set_frame(&app->screen, model, &app->findings, sym);
	app->screen.can_measure = model->state == HT_LIVE;
}

static int first_refresh(struct app *app, struct ht_err *reterr)
{
	const struct ht_model *model = NULL;
	struct timespec pause = { 0, YOUNG_WAIT_NS };
	int r;

	for (int i = 0; i < YOUNG_TRIES; i++) {
		r = ht_source_refresh(app->source, &model, reterr);
		if (r != -EAGAIN)
			break;
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		return r;
	show_model(app, model);
	return 0;
}

static int attach(struct app *app, pid_t pid, const char *path, struct ht_err *reterr)
{
	int r = pid > 0 ? ht_source_open_pid(&app->source, pid, reterr)
			: ht_source_open_file(&app->source, path, reterr);

	if (r < 0) {
		app->source = NULL;
		return r;
	}
	r = first_refresh(app, reterr);
	if (r < 0) {
		ht_source_close(app->source);
		app->source = NULL;
	}
	return r;
}

static void scan(struct app *app)
{
	struct ht_err err = { 0 };

	ht_list_done(&app->list);
	memset(&app->list, 0, sizeof(app->list));
	if (ht_list_scan(&app->list, NULL, &err) < 0)
		ht_screen_say(&app->screen, HT_ROLE_WARN, "%s", err.message);
	ht_screen_set_choices(&app->screen, app->list.rows, app->list.n);
}

/* New data, if there can be any. */
static void refresh(struct app *app)
{
	const struct ht_model *model;
	struct ht_err err = { 0 };

	app->next_s = now_s() + app->screen.interval_s;
	if (!app->source) {
		scan(app);
		return;
	}
	/* a dead target changes no more, and its last state stays on the screen */
	if (app->screen.paused || ht_source_model(app->source)->state != HT_LIVE)
		return;
	if (ht_source_refresh(app->source, &model, &err) < 0) {
		ht_screen_say(&app->screen, HT_ROLE_BAD, "%s", err.message);
		/* what the last model pointed to may be gone with the failed one */
		model = ht_source_model(app->source);
	}
	if (model)
		show_model(app, model);
}

static void begin_wss(struct app *app, double seconds)
{
	struct ht_err err = { 0 };

	if (!app->source || app->screen.wss.running)
		return;
	if (ht_source_wss_begin(app->source, &err) < 0) {
		ht_screen_say(&app->screen, HT_ROLE_BAD, "%s%s%s", err.message, err.hint[0] ? "; " : "", err.hint);
		return;
	}
	app->wss_start_s = now_s();
	app->wss_total_s = seconds;
	app->screen.wss = (struct ht_wss_state){ .running = true, .done_s = 0, .total_s = seconds };
}

static void step_wss(struct app *app)
{
	struct ht_err err = { 0 };

	if (!app->screen.wss.running)
		return;
	app->screen.wss.done_s = now_s() - app->wss_start_s;
	if (app->screen.wss.done_s < app->wss_total_s)
		return;
	app->screen.wss.running = false;
	if (ht_source_wss_end(app->source, &err) < 0) {
		ht_screen_say(&app->screen, HT_ROLE_BAD, "%s%s%s", err.message, err.hint[0] ? "; " : "", err.hint);
		return;
	}
	app->screen.paused = false;
	refresh(app);
}

static void attach_chosen(struct app *app)
{
	const struct ht_list_entry *e = &app->list.rows[app->screen.chosen];
	struct ht_err err = { 0 };

	if (attach(app, e->state == HT_LIST_LIVE ? e->pid : 0, e->path, &err) < 0)
		ht_screen_say(&app->screen, HT_ROLE_BAD, "%s", err.message);
}

static void act(struct app *app, enum ht_request request)
{
	switch (request) {
	case HT_REQ_QUIT:
		app->quit = true;
		break;
	case HT_REQ_REDRAW:
		ht_term_redraw();
		break;
	case HT_REQ_REFRESH:
		refresh(app);
		break;
	case HT_REQ_WSS:
		begin_wss(app, WSS_DEFAULT_S);
		break;
	case HT_REQ_WSS_CANCEL:
		/* begin has cleared bits and nothing else: there is nothing to undo */
		app->screen.wss.running = false;
		ht_screen_say(&app->screen, HT_ROLE_DIM, "working set: cancelled");
		break;
	case HT_REQ_ATTACH:
		attach_chosen(app);
		break;
	case HT_REQ_NONE:
		break;
	}
}

static int draw(struct app *app)
{
	int rows, cols;

	ht_term_size(&rows, &cols);
	if (rows != app->canvas.rows || cols != app->canvas.cols) {
		ht_canvas_done(&app->canvas);
		if (ht_canvas_init(&app->canvas, rows, cols, ht_term_utf8()) < 0)
			return -ENOMEM;
	}
	ht_screen_draw(&app->screen, &app->canvas);
	ht_term_blit(&app->canvas);
	return 0;
}

/* Until the person quits (0) or a signal comes (its number). */
static int loop(struct app *app)
{
	while (!app->quit && !ht_term_signal()) {
		double wait_s;
		int key;

		if (draw(app) < 0)
			return 0;
		wait_s = app->next_s - now_s();
		if (app->screen.wss.running)
			wait_s = fmin(wait_s, WSS_STEP_S);
		ht_term_wait(wait_s > 0 ? (int)ceil(wait_s * 1000) : 0, -1);
		while (!app->quit && (key = ht_term_key()) != HT_KEY_NONE)
			act(app, ht_screen_key(&app->screen, key));
		step_wss(app);
		if (now_s() >= app->next_s)
			refresh(app);
	}
	return ht_term_signal();
}

/* View and column are checked before the terminal is taken. */
static int apply_options(struct app *app, const struct ht_app_options *opt, struct ht_err *reterr)
{
	/* a column alone means the table that is sorted most */
	const char *view = opt->view ? opt->view : opt->sort ? "sites" : NULL;

	if (opt->interval_s > 0)
		app->screen.interval_s = opt->interval_s;
	if (!app->source)
		return 0;
	if (view && !ht_screen_show(&app->screen, view)) {
		ht_err_set(reterr, -ENOENT, HT_EXIT_USAGE, "there is no view of that name");
		ht_err_hint(reterr, "overview, findings, sites, classes, arenas, locks, threads");
		return -ENOENT;
	}
	if (opt->sort && !ht_screen_sort(&app->screen, opt->sort))
		return ht_err_set(reterr, -EINVAL, HT_EXIT_USAGE, "this view has no column of that name");
	return 0;
}

int ht_app_run(const struct ht_app_options *opt, struct ht_err *reterr)
{
	struct app app;
	struct ht_term_options term = { .ascii = opt->ascii, .color = opt->color };
	int r = 0, sig = 0;

	memset(&app, 0, sizeof(app));
	ht_screen_init(&app.screen);
	if (opt->pid > 0 || opt->input)
		r = attach(&app, opt->pid, opt->input, reterr);
	else
		scan(&app);
	if (r < 0)
		goto out;
	r = apply_options(&app, opt, reterr);
	if (r < 0)
		goto out;
	r = ht_term_open(&term, reterr);
	if (r < 0)
		goto out;
	app.next_s = now_s() + app.screen.interval_s;
	if (opt->wss_s > 0)
		begin_wss(&app, opt->wss_s);
	sig = loop(&app);
	ht_term_close();
out:
	ht_findings_done(&app.findings);
	ht_screen_done(&app.screen);
	ht_canvas_done(&app.canvas);
	ht_list_done(&app.list);
	ht_source_close(app.source);
	if (sig)
		raise(sig);
	return r;
}
