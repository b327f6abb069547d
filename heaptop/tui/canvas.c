/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* wcwidth */
#endif
#include "tui/canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/*
 * Reads one code point and moves *text on.  Malformed input gives '?' for one byte, so that hostile names
 * can neither hide bytes nor swallow the end of the string.
 */
static uint32_t decode(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	uint32_t ch;
	int n, i;

	if (s[0] < 0x80) {
		(*text)++;
		return s[0];
	}
	if (s[0] >= 0xc2 && s[0] < 0xe0) {
		n = 1;
		ch = s[0] & 0x1f;
	} else if (s[0] >= 0xe0 && s[0] < 0xf0) {
		n = 2;
		ch = s[0] & 0x0f;
	} else if (s[0] >= 0xf0 && s[0] < 0xf5) {
		n = 3;
		ch = s[0] & 0x07;
	} else {
		(*text)++;
		return '?';
	}
	for (i = 1; i <= n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			(*text)++;
			return '?';
		}
		ch = ch << 6 | (s[i] & 0x3f);
	}
	*text += n + 1;
	if ((n == 2 && ch < 0x800) || (n == 3 && ch < 0x10000) || (ch >= 0xd800 && ch < 0xe000) || ch > 0x10ffff)
		return '?';
	return ch;
}

/* Our own glyphs have width 1 whatever the locale of the caller; wcwidth() knows them only in a UTF-8 one. */
static bool is_own_glyph(uint32_t ch)
{
	return ch == 0xb1 || ch == 0xb7 || ch == 0x2026 || (ch >= 0x2190 && ch < 0x2200) ||
	       (ch >= 0x2500 && ch < 0x2600);
}

/* Makes `ch` safe for this canvas and tells its width: 0 (drop it), 1 or 2. */
static int sanitize(const struct ht_canvas *canvas, uint32_t *ch)
{
	int width;

	if (*ch == '\t')
		*ch = ' ';
	if (*ch >= 0x20 && *ch < 0x7f)
		return 1;
	if (canvas->utf8 && *ch >= 0xa0) {
		if (is_own_glyph(*ch))
			return 1;
		/* bidirectional marks and their like would reorder the rest of the line */
		if ((*ch >= 0x200b && *ch <= 0x200f) || (*ch >= 0x202a && *ch <= 0x202e) ||
		    (*ch >= 0x2060 && *ch <= 0x206f))
			return 0;
		width = wcwidth((wchar_t)*ch);
		if (width >= 0)
			return width > 2 ? 2 : width;
	}
	*ch = '?';
	return 1;
}

int ht_canvas_init(struct ht_canvas *canvas, int rows, int cols, bool utf8)
{
	canvas->rows = rows > 0 ? rows : 1;
	canvas->cols = cols > 0 ? cols : 1;
	canvas->utf8 = utf8;
	canvas->cells = calloc((size_t)canvas->rows * (size_t)canvas->cols, sizeof(*canvas->cells));
	if (!canvas->cells)
		return -ENOMEM;
	ht_canvas_erase(canvas);
	return 0;
}

void ht_canvas_done(struct ht_canvas *canvas)
{
	if (!canvas)
		return;
	free(canvas->cells);
	memset(canvas, 0, sizeof(*canvas));
}

void ht_canvas_erase(struct ht_canvas *canvas)
{
	size_t n = (size_t)canvas->rows * (size_t)canvas->cols;

	for (size_t i = 0; i < n; i++)
		canvas->cells[i] = (struct ht_glyph){ ' ', HT_ROLE_TEXT };
	canvas->clip = (struct ht_rect){ 0, 0, canvas->rows, canvas->cols };
}

struct ht_rect ht_canvas_clip(struct ht_canvas *canvas, struct ht_rect rect)
{
	struct ht_rect before = canvas->clip;
	int bottom = rect.y + rect.rows, right = rect.x + rect.cols;

	if (rect.y < 0)
		rect.y = 0;
	if (rect.x < 0)
		rect.x = 0;
	if (bottom > canvas->rows)
		bottom = canvas->rows;
	if (right > canvas->cols)
		right = canvas->cols;
	rect.rows = bottom > rect.y ? bottom - rect.y : 0;
	rect.cols = right > rect.x ? right - rect.x : 0;
	canvas->clip = rect;
	return before;
}

static struct ht_glyph *clipped(struct ht_canvas *canvas, int y, int x)
{
	const struct ht_rect *c = &canvas->clip;

	if (y < c->y || y >= c->y + c->rows || x < c->x || x >= c->x + c->cols)
		return NULL;
	return &canvas->cells[(size_t)y * (size_t)canvas->cols + (size_t)x];
}

const struct ht_glyph *ht_canvas_at(const struct ht_canvas *canvas, int y, int x)
{
	if (y < 0 || y >= canvas->rows || x < 0 || x >= canvas->cols)
		return NULL;
	return &canvas->cells[(size_t)y * (size_t)canvas->cols + (size_t)x];
}

void ht_canvas_put(struct ht_canvas *canvas, int y, int x, uint32_t ch, enum ht_role role)
{
	struct ht_glyph *cell = clipped(canvas, y, x);

	if (!cell)
		return;
	if (sanitize(canvas, &ch) != 1)
		ch = '?';
	*cell = (struct ht_glyph){ ch, (uint8_t)role };
}

static void put_wide(struct ht_canvas *canvas, int y, int x, uint32_t ch, enum ht_role role)
{
	struct ht_glyph *left = clipped(canvas, y, x), *right = clipped(canvas, y, x + 1);

	if (!left || !right) {
		if (left)
			*left = (struct ht_glyph){ ' ', (uint8_t)role };
		return;
	}
	*left = (struct ht_glyph){ ch, (uint8_t)role };
	*right = (struct ht_glyph){ 0, (uint8_t)role };
}

int ht_canvas_width(const struct ht_canvas *canvas, const char *text)
{
	int width = 0;

	while (*text) {
		uint32_t ch = decode(&text);

		width += sanitize(canvas, &ch);
	}
	return width;
}

const char *ht_canvas_pick(const struct ht_canvas *canvas, const char *wide, const char *narrow)
{
	return canvas->utf8 ? wide : narrow;
}

int ht_canvas_text(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text)
{
	int used = 0, room = cols;
	bool cut = false;

	if (cols <= 0)
		return 0;
	if (ht_canvas_width(canvas, text) > cols) {
		cut = true;
		room = cols - 1;
	}
	while (*text) {
		uint32_t ch = decode(&text);
		int width = sanitize(canvas, &ch);

		if (used + width > room)
			break;
		if (width == 1)
			ht_canvas_put(canvas, y, x + used, ch, role);
		else if (width == 2)
			put_wide(canvas, y, x + used, ch, role);
		used += width;
	}
	if (cut)
		ht_canvas_put(canvas, y, x + used++, canvas->utf8 ? 0x2026 : '~', role);
	return used;
}

int ht_canvas_textf(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return ht_canvas_text(canvas, y, x, cols, role, text);
}

void ht_canvas_right(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text)
{
	int width = ht_canvas_width(canvas, text);

	if (width > cols)
		width = cols;
	ht_canvas_text(canvas, y, x + cols - width, width, role, text);
}

int ht_canvas_middle(struct ht_canvas *canvas, int y, int x, int cols, enum ht_role role, const char *text)
{
	int width = ht_canvas_width(canvas, text), head, used;
	int tail;

	if (width <= cols || cols < 5)
		return ht_canvas_text(canvas, y, x, cols, role, text);
	/* the end of a path says more than its start */
	head = (cols - 1) / 3;
	tail = cols - 1 - head;
	used = ht_canvas_text(canvas, y, x, head + 1, role, text);
	while (*text && ht_canvas_width(canvas, text) > tail)
		decode(&text);
	return used + ht_canvas_text(canvas, y, x + used, tail, role, text);
}

int ht_canvas_paragraph(struct ht_canvas *canvas, struct ht_rect rect, enum ht_role role, const char *text)
{
	char line[512];
	int lines = 0;

	if (rect.cols < 1)
		return 0;
	while (*text) {
		const char *end = text, *fit = NULL;
		int width = 0;

		while (*text == ' ')
			text++;
		for (end = text; *end;) {
			const char *next = end;
			uint32_t ch = decode(&next);
			bool blank = ch == ' ' || ch == '\n';

			if (blank)
				fit = end;
			width += sanitize(canvas, &ch);
			if (width > rect.cols || next - text >= (ptrdiff_t)sizeof(line) || (blank && *end == '\n'))
				break;
			end = next;
		}
		if (*end && fit && fit > text)
			end = fit;
		if (end == text && *end)
			end++;
		memcpy(line, text, (size_t)(end - text));
		line[end - text] = '\0';
		if (lines < rect.rows)
			ht_canvas_text(canvas, rect.y + lines, rect.x, rect.cols, role, line);
		lines++;
		text = *end == '\n' ? end + 1 : end;
		while (*text == ' ')
			text++;
	}
	return lines;
}

void ht_canvas_fill(struct ht_canvas *canvas, struct ht_rect rect, uint32_t ch, enum ht_role role)
{
	for (int y = rect.y; y < rect.y + rect.rows; y++)
		for (int x = rect.x; x < rect.x + rect.cols; x++)
			ht_canvas_put(canvas, y, x, ch, role);
}

void ht_canvas_paint(struct ht_canvas *canvas, struct ht_rect rect, enum ht_role role)
{
	for (int y = rect.y; y < rect.y + rect.rows; y++) {
		for (int x = rect.x; x < rect.x + rect.cols; x++) {
			struct ht_glyph *cell = clipped(canvas, y, x);

			if (cell)
				cell->role = (uint8_t)role;
		}
	}
}

char ht_role_letter(enum ht_role role)
{
	static const char letters[HT_N_ROLES + 1] = "tdTHsSKgwbABCc";

	return role < HT_N_ROLES ? letters[role] : '?';
}

static void dump_char(uint32_t ch, FILE *out)
{
	if (ch < 0x80) {
		fputc((int)ch, out);
	} else if (ch < 0x800) {
		fputc((int)(0xc0 | ch >> 6), out);
		fputc((int)(0x80 | (ch & 0x3f)), out);
	} else if (ch < 0x10000) {
		fputc((int)(0xe0 | ch >> 12), out);
		fputc((int)(0x80 | (ch >> 6 & 0x3f)), out);
		fputc((int)(0x80 | (ch & 0x3f)), out);
	} else {
		fputc((int)(0xf0 | ch >> 18), out);
		fputc((int)(0x80 | (ch >> 12 & 0x3f)), out);
		fputc((int)(0x80 | (ch >> 6 & 0x3f)), out);
		fputc((int)(0x80 | (ch & 0x3f)), out);
	}
}

void ht_canvas_dump(const struct ht_canvas *canvas, FILE *out)
{
	for (int plane = 0; plane < 2; plane++) {
		for (int y = 0; y < canvas->rows; y++) {
			const struct ht_glyph *row = &canvas->cells[(size_t)y * (size_t)canvas->cols];
			int end = canvas->cols;

			/* plain text is a blank in the role plane: what is coloured stands out */
			while (end > 0 && (plane ? row[end - 1].role == HT_ROLE_TEXT : row[end - 1].ch == ' '))
				end--;
			for (int x = 0; x < end; x++) {
				if (plane)
					fputc(row[x].role == HT_ROLE_TEXT ? ' ' : ht_role_letter(row[x].role), out);
				else if (row[x].ch)
					dump_char(row[x].ch, out);
			}
			fputc('\n', out);
		}
		if (!plane)
			fputs("--\n", out);
	}
}
