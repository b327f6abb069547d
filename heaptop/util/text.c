/* SPDX-License-Identifier: MIT */
#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

#include "util/mem.h"

void ht_text_add(struct ht_text *t, const char *s, size_t n)
{
	if (t->n + n + 1 > t->room) {
		t->room = (t->n + n + 1) * 2;
		t->s = ht_xrealloc(t->s, t->room, 1);
	}
	memcpy(t->s + t->n, s, n);
	t->n += n;
	t->s[t->n] = '\0';
}

void ht_text_puts(struct ht_text *t, const char *s)
{
	ht_text_add(t, s, strlen(s));
}

void ht_text_printf(struct ht_text *t, const char *format, ...)
{
	char stack[256];
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(stack, sizeof(stack), format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(stack)) {
		ht_text_add(t, stack, (size_t)n);
		return;
	}
	char *heap = ht_xmalloc((size_t)n + 1);
	va_start(ap, format);
	vsnprintf(heap, (size_t)n + 1, format, ap);
	va_end(ap);
	ht_text_add(t, heap, (size_t)n);
	free(heap);
}

char *ht_text_take(struct ht_text *t)
{
	char *s = t->s ? t->s : ht_xstrdup("");

	memset(t, 0, sizeof(*t));
	return s;
}

void ht_text_done(struct ht_text *t)
{
	free(t->s);
	memset(t, 0, sizeof(*t));
}

size_t ht_utf8_char(const char *s, size_t n, unsigned *ret_code)
{
	static const unsigned least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	size_t len;
	unsigned code;

	if (!n)
		return 0;
	if (u[0] < 0x80) {
		*ret_code = u[0];
		return 1;
	}
	if (u[0] >= 0xc2 && u[0] < 0xe0)
		len = 2, code = u[0] & 0x1fu;
	else if (u[0] >= 0xe0 && u[0] < 0xf0)
		len = 3, code = u[0] & 0x0fu;
	else if (u[0] >= 0xf0 && u[0] < 0xf5)
		len = 4, code = u[0] & 0x07u;
	else
		return 0;
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (u[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return len;
}

/* Characters that move the cursor, turn the line round or hide themselves. */
static bool harmful(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
	       code == 0xad || code == 0x61c;
}

size_t ht_escape(char *out, size_t room, const char *s, size_t n)
{
	size_t w = 0;

	if (!room)
		return 0;
	n = strnlen(s, n);
	for (size_t i = 0; i < n;) {
		unsigned code = 0;
		size_t len = ht_utf8_char(s + i, n - i, &code), need;
		char hex[4 * 4 + 1];

		if (len && !harmful(code)) {
			memcpy(hex, s + i, len);
			hex[len] = '\0';
			need = len;
		} else if (code == '\n' || code == '\t') {
			need = (size_t)snprintf(hex, sizeof(hex), code == '\n' ? "\\n" : "\\t");
		} else {
			if (!len)
				len = 1;
			need = 0;
			for (size_t k = 0; k < len; k++)
				need += (size_t)snprintf(hex + need, sizeof(hex) - need, "\\x%02x",
							 (unsigned char)s[i + k]);
		}
		if (w + need >= room)
			break;
		memcpy(out + w, hex, need);
		w += need;
		i += len;
	}
	out[w] = '\0';
	return w;
}

static size_t char_columns(unsigned code)
{
	int w = code < 0x7f ? 1 : wcwidth((wchar_t)code);

	/* in the C locale wcwidth() knows nothing; one column is right for nearly all */
	return w < 0 ? 1 : (size_t)w;
}

size_t ht_columns(const char *s)
{
	size_t n = strlen(s), columns = 0;

	for (size_t i = 0; i < n;) {
		unsigned code = '?';
		size_t len = ht_utf8_char(s + i, n - i, &code);

		columns += char_columns(code);
		i += len ? len : 1;
	}
	return columns;
}

/* Bytes of the longest beginning of `s` that fits into `columns`. */
static size_t prefix_bytes(const char *s, size_t columns)
{
	size_t n = strlen(s), used = 0, i = 0;

	while (i < n) {
		unsigned code = '?';
		size_t len = ht_utf8_char(s + i, n - i, &code);

		if (used + char_columns(code) > columns)
			break;
		used += char_columns(code);
		i += len ? len : 1;
	}
	return i;
}

void ht_cut(char *s, size_t columns, bool middle, bool ascii)
{
	const char *mark = ascii ? "~" : "\xe2\x80\xa6";
	size_t total = ht_columns(s);

	if (total <= columns)
		return;
	if (columns == 0) {
		s[0] = '\0';
		return;
	}
	size_t head = prefix_bytes(s, middle ? (columns - 1) / 2 : columns - 1);
	/* the tail is what remains after a beginning of all but its columns */
	size_t tail = middle ? prefix_bytes(s, total - (columns - 1 - (columns - 1) / 2)) : strlen(s);
	struct ht_text t = { 0 };
	size_t room = strlen(s);

	ht_text_add(&t, s, head);
	/* a mark longer than what was cut has no place in the caller's buffer */
	ht_text_puts(&t, strlen(mark) <= tail - head ? mark : "~");
	ht_text_puts(&t, s + tail);
	if (t.n <= room)
		memcpy(s, t.s, t.n + 1);
	ht_text_done(&t);
}

bool ht_contains(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (; strlen(s) >= n; s++)
		if (strncasecmp(s, part, n) == 0)
			return true;
	return n == 0;
}
