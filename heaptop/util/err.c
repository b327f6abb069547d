/* SPDX-License-Identifier: MIT */
#include "util/err.h"

#include <stdarg.h>

int ht_err_set(struct ht_err *err, int r, enum ht_exit code, const char *format, ...)
{
	va_list ap;

	if (!err)
		return r;
	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return r;
}

void ht_err_hint(struct ht_err *err, const char *format, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, format);
	vsnprintf(err->hint, sizeof(err->hint), format, ap);
	va_end(ap);
}

void ht_err_print(FILE *out, const struct ht_err *err)
{
	fprintf(out, "heaptop: %s\n", err->message);
	if (err->hint[0])
		fprintf(out, "hint: %s\n", err->hint);
}
