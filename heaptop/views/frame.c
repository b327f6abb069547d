/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"
#include "views/draw.h"

#define DIGITS_FROM 76		      /* columns that all tabs take with their digits */
#define STALE_NS UINT64_C(5000000000) /* ticks come each second; 5 leave room for a busy machine */

int ht_draw_foreign(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text)
{
	char escaped[1024];

	ht_escape(escaped, sizeof(escaped), text, strlen(text));
	return ht_canvas_text(canvas, y, x, cols, role, escaped);
}

char *ht_draw_short(char *figure)
{
	char *zero = strstr(figure, ".0");

	if (zero && (zero[2] < '0' || zero[2] > '9'))
		memmove(zero, zero + 2, strlen(zero + 2) + 1);
	return figure;
}

const char *ht_draw_severity(enum ht_severity severity, enum ht_role *ret_role)
{
	switch (severity) {
	case HT_CRITICAL:
		*ret_role = HT_ROLE_BAD;
		return "!!";
	case HT_WARN:
		*ret_role = HT_ROLE_WARN;
		return "!";
	default:
		*ret_role = HT_ROLE_TEXT;
		return "i";
	}
}

void ht_draw_parts(const struct ht_model *model, struct ht_bar_part *ret)
{
	/* letters where the shades end: the ledger shows the same glyph before each name */
	static const struct ht_bar_part looks[HT_N_PARTS] = {
		[HT_PART_LIVE] = { 0, 0x2588, '|', HT_ROLE_BAR_A },
		[HT_PART_ROUNDING] = { 0, 'r', 'r', HT_ROLE_BAR_B },
		[HT_PART_SPAN_FREE] = { 0, 0x2593, '#', HT_ROLE_BAR_C },
		[HT_PART_THREAD_CACHE] = { 0, 't', 't', HT_ROLE_BAR_B },
		[HT_PART_DIRTY] = { 0, 0x2592, 'd', HT_ROLE_BAR_B },
		[HT_PART_METADATA] = { 0, 'm', 'm', HT_ROLE_CHART },
		[HT_PART_HEAPSPY] = { 0, 'h', 'h', HT_ROLE_CHART },
		[HT_PART_THP_SLACK] = { 0, 'H', 'H', HT_ROLE_BAR_C },
		[HT_PART_STACKS] = { 0, 's', 's', HT_ROLE_CHART },
		[HT_PART_FILE] = { 0, 'f', 'f', HT_ROLE_CHART },
		[HT_PART_SHMEM] = { 0, 'S', 'S', HT_ROLE_CHART },
		[HT_PART_OTHER_ANON] = { 0, 'o', 'o', HT_ROLE_CHART },
		[HT_PART_UNEXPLAINED] = { 0, '?', '?', HT_ROLE_WARN },
	};

	for (int i = 0; i < HT_N_PARTS; i++) {
		ret[i] = looks[i];
		ret[i].value = (double)model->ledger[i].bytes;
	}
}

/* A banner for the title, empty when all is as usual. */
static const char *state_words(const struct ht_screen *screen, char *buf, size_t size, enum ht_role *ret_role)
{
	const struct ht_model *m = screen->model;
	char age[HT_UNIT_ROOM];

	buf[0] = '\0';
	*ret_role = HT_ROLE_BAD;
	if (screen->paused) {
		snprintf(buf, size, "PAUSED");
	} else if (m && m->state == HT_EXITED) {
		snprintf(buf, size, "EXITED: last state");
	} else if (m && m->state == HT_DEAD) {
		snprintf(buf, size, "DEAD: last state");
	} else if (m && m->heartbeat_age_ns != HT_UNKNOWN && m->heartbeat_age_ns > STALE_NS) {
		/* no illness: a process without a helper thread ticks only when it allocates */
		snprintf(buf, size, "quiet for %s", ht_fmt_ns(age, (double)m->heartbeat_age_ns));
		*ret_role = HT_ROLE_TITLE;
	}
	return buf;
}

static void draw_title(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	const struct ht_model *m = screen->model;
	struct ht_rect r = layout->title;
	char state[64], name[80], unit[HT_UNIT_ROOM];
	int x = r.x, words;
	enum ht_role role;

	ht_canvas_fill(canvas, r, ' ', HT_ROLE_TITLE);
	state_words(screen, state, sizeof(state), &role);
	/* a narrow title needs the room for the name of the view */
	if (r.cols < DIGITS_FROM && strchr(state, ':'))
		*strchr(state, ':') = '\0';
	words = (int)strlen(state);
	if (!layout->compact || !m)
		x += ht_canvas_text(canvas, r.y, x, r.cols, HT_ROLE_TITLE, " heaptop ");
	if (m) {
		ht_escape(name, sizeof(name), m->comm, strnlen(m->comm, sizeof(m->comm)));
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE, " pid %d %s",
				     (int)m->pid, name);
	}
	if (layout->compact)
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE, " [%s]",
				     ht_view_get(screen->view)->title);
	if (m && r.x + r.cols - x - words > 14)
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE, "   up %s",
				     ht_fmt_ns(unit, (double)m->uptime_ns));
	if (m && r.x + r.cols - x - words > 18) {
		if (m->sample_interval_bytes)
			x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE,
					     "   sample 1/%s",
					     ht_draw_short(ht_fmt_bytes(unit, (double)m->sample_interval_bytes)));
		else
			x += ht_canvas_text(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE,
					    "   sample off");
	}
	if (m && r.x + r.cols - x - words > 12)
		ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x - words - 2, HT_ROLE_TITLE, "   every %gs",
				screen->interval_s);
	if (words) {
		struct ht_rect banner = { r.y, r.x + r.cols - words - 2, 1, words + 2 };

		ht_canvas_fill(canvas, banner, ' ', role);
		ht_canvas_text(canvas, r.y, banner.x + 1, words, role, state);
	}
}

static void draw_headline(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_findings *f = screen->findings;

	if (!f || f->n == 0) {
		if (r.rows > 0)
			ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_GOOD, "ok  no finding");
		return;
	}
	if (f->n == 1 && r.rows > 1) {
		char text[1024];
		enum ht_role role;

		ht_canvas_text(canvas, r.y, r.x + 1, 2, HT_ROLE_WARN, ht_draw_severity(f->rows[0].severity, &role));
		ht_escape(text, sizeof(text), f->rows[0].text, strlen(f->rows[0].text));
		ht_canvas_paragraph(canvas, (struct ht_rect){ r.y, r.x + 4, r.rows, r.cols - 4 }, role, text);
		ht_canvas_paint(canvas, (struct ht_rect){ r.y, r.x + 1, 1, 2 }, role);
		return;
	}
	for (int i = 0; i < r.rows && (size_t)i < f->n; i++) {
		enum ht_role role;
		const char *mark = ht_draw_severity(f->rows[i].severity, &role);
		int room = r.cols - 1, more = (int)f->n - i - 1;
		char tail[24] = "";

		if (i == r.rows - 1 && more > 0) {
			snprintf(tail, sizeof(tail), " (+%d)", more);
			room -= (int)strlen(tail);
		}
		ht_canvas_text(canvas, r.y + i, r.x + 1, 2, role, mark);
		ht_draw_foreign(canvas, r.y + i, r.x + 4, room - 3, role, f->rows[i].text ? f->rows[i].text : "");
		ht_canvas_text(canvas, r.y + i, r.x + 1 + room, r.cols - 1 - room, HT_ROLE_DIM, tail);
	}
}

struct meter {
	char name[16], value[48];
	enum ht_role role;
};

static size_t gather_meters(const struct ht_screen *screen, struct meter *meters)
{
	const struct ht_model *m = screen->model;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];
	bool rss = m->rss_bytes != HT_UNKNOWN && m->rss_bytes > 0;
	uint64_t lost = m->lost.samples + m->lost.stacks + m->lost.threads + m->lost.spans + m->lost.modules +
			m->lost.locks + m->lost.waiters;
	size_t n = 0;

#define METER(r, label, ...)                                                                                           \
	do {                                                                                                           \
		snprintf(meters[n].name, sizeof(meters[n].name), "%s", label);                                         \
		snprintf(meters[n].value, sizeof(meters[n].value), __VA_ARGS__);                                       \
		meters[n++].role = (r);                                                                                \
	} while (0)

	METER(HT_ROLE_TEXT, "rss", "%s", rss ? ht_fmt_bytes(a, (double)m->rss_bytes) : "-");
	if (rss)
		METER(HT_ROLE_TEXT, "in use", "%s (%.0f%%)", ht_fmt_bytes(a, (double)m->live_bytes),
		      (double)m->live_bytes / (double)m->rss_bytes * 100);
	else
		METER(HT_ROLE_TEXT, "in use", "%s", ht_fmt_bytes(a, (double)m->live_bytes));
	if (screen->wss.running)
		METER(HT_ROLE_WARN, "wss", "measuring %.0f/%.0fs", screen->wss.done_s, screen->wss.total_s);
	else if (m->wss_bytes != HT_UNKNOWN && m->wss_ns)
		METER(HT_ROLE_TEXT, "wss", "%s in %s", ht_fmt_bytes(a, (double)m->wss_bytes),
		      ht_fmt_ns(b, (double)m->wss_ns));
	else
		METER(HT_ROLE_DIM, "wss", screen->can_measure ? "w measures" : "-");
	METER(HT_ROLE_TEXT, "alloc", "%s", isnan(m->alloc_rate) ? "-" : ht_fmt_rate(a, m->alloc_rate));
	METER(HT_ROLE_TEXT, "objects", "%s", ht_fmt_count(a, (double)m->live_objects));
	if (lost)
		METER(HT_ROLE_WARN, "lost", "%s records", ht_fmt_count(a, (double)lost));
	METER(HT_ROLE_TEXT, "peak", "%s",
	      m->peak_rss_bytes == HT_UNKNOWN || !m->peak_rss_bytes ? "-" : ht_fmt_bytes(a, (double)m->peak_rss_bytes));
	if (m->swap_bytes != HT_UNKNOWN && m->swap_bytes)
		METER(HT_ROLE_WARN, "swap", "%s", ht_fmt_bytes(a, (double)m->swap_bytes));
	METER(HT_ROLE_TEXT, "threads", "%zu", m->n_threads);
	METER(HT_ROLE_TEXT, "policy", "%.16s", m->policy);
#undef METER
	return n;
}

static void draw_meters(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	struct meter meters[16];
	size_t n = gather_meters(screen, meters);
	int y = r.y, x = r.x + 1;

	/* a meter that does not fit goes to the next line, and after the last line it goes away: never cut */
	for (size_t i = 0; i < n; i++) {
		int name = (int)strlen(meters[i].name), value = (int)strlen(meters[i].value);

		if (x + name + 1 + value > r.x + r.cols) {
			if (y + 1 >= r.y + r.rows)
				continue;
			y++;
			x = r.x + 1;
		}
		ht_canvas_text(canvas, y, x, name, HT_ROLE_DIM, meters[i].name);
		ht_canvas_text(canvas, y, x + name + 1, value, meters[i].role, meters[i].value);
		x += name + value + 4;
	}
}

static void draw_bar(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_model *m = screen->model;
	struct ht_bar_part parts[HT_N_PARTS];
	double total = 0;
	char unit[HT_UNIT_ROOM];
	int width;

	ht_draw_parts(m, parts);
	for (int i = 0; i < HT_N_PARTS; i++)
		total += parts[i].value > 0 ? parts[i].value : 0;
	ht_fmt_bytes(unit, total);
	width = r.cols - 5 - (int)strlen(unit);
	ht_canvas_put(canvas, r.y, r.x + 1, '[', HT_ROLE_DIM);
	ht_chart_stack(canvas, r.y, r.x + 2, width, parts, HT_N_PARTS, total);
	ht_canvas_put(canvas, r.y, r.x + 2 + width, ']', HT_ROLE_DIM);
	ht_canvas_text(canvas, r.y, r.x + 4 + width, r.cols, HT_ROLE_TEXT, unit);
}

static void draw_spark(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	double values[1024], max;
	char unit[HT_UNIT_ROOM], span[HT_UNIT_ROOM];
	uint64_t step;
	int x = r.x + 1, cols;

	if (screen->model->n_history == 0) {
		ht_canvas_text(canvas, r.y, x, r.cols - 1, HT_ROLE_DIM, "no history yet");
		return;
	}
	cols = r.cols - 30 < 1024 ? r.cols - 30 : 1024;
	if (cols < 8)
		return;
	step = ht_draw_step(ht_draw_history_span(screen->model), (size_t)cols);
	max = ht_draw_series(screen->model, HT_SERIES_RSS, step, (size_t)cols, values);
	screen->scale_spark = ht_chart_scale(screen->scale_spark, max);
	ht_canvas_textf(canvas, r.y, x, 29, HT_ROLE_DIM, "rss for %s, max %s", ht_fmt_ns(span, (double)step * cols),
			ht_fmt_bytes(unit, max));
	ht_chart_spark(canvas, r.y, r.x + 29, cols, values, (size_t)cols, screen->scale_spark, HT_ROLE_CHART);
}

static void draw_tabs(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	int x = r.x, active = (int)screen->view;

	if (screen->view == HT_VIEW_SITE)
		active = screen->n_back ? (int)screen->back[screen->n_back - 1] : HT_VIEW_SITES;
	for (int i = 0; i < HT_N_TABS && x < r.x + r.cols; i++) {
		char label[32];
		const char *title = ht_view_get((enum ht_view_id)i)->title;
		char digit[4] = "";
		bool on = i == active;

		/* the key of the view, where there is room for it */
		if (r.cols >= DIGITS_FROM)
			snprintf(digit, sizeof(digit), "%d ", i + 1);

		if (i == HT_VIEW_FINDINGS && screen->findings)
			snprintf(label, sizeof(label), "%s%s(%zu)", digit, title, screen->findings->n);
		else
			snprintf(label, sizeof(label), "%s%s", digit, title);
		x++;
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, on ? HT_ROLE_SELECTED : HT_ROLE_DIM,
				     on ? "[%s]" : "%s", label);
	}
}

void ht_draw_frame(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	draw_title(screen, canvas, layout);
	if (layout->tabs.rows)
		draw_tabs(screen, canvas, layout->tabs);
	if (!screen->model)
		return;
	if (layout->headline.rows)
		draw_headline(screen, canvas, layout->headline);
	if (layout->meters.rows)
		draw_meters(screen, canvas, layout->meters);
	if (layout->bar.rows)
		draw_bar(screen, canvas, layout->bar);
	if (layout->chart.rows)
		draw_spark(screen, canvas, layout->chart);
}
