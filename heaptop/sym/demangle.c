/* SPDX-License-Identifier: MIT */
#include "sym/demangle.h"

#include <string.h>

#include <libiberty/demangle.h>

/*
 * The output of a hostile name can be exponential in its length, and templates of real programs stay
 * below a few KiB.
 */
#define SYMBOL_MAX 8192

char *ht_sym_demangle(const char *symbol)
{
	/* _Z: C++ and old Rust; __Z: the same behind another underscore; _R: new Rust */
	if (strncmp(symbol, "_Z", 2) != 0 && strncmp(symbol, "_R", 2) != 0 && strncmp(symbol, "__Z", 3) != 0)
		return NULL;
	if (strnlen(symbol, SYMBOL_MAX) >= SYMBOL_MAX)
		return NULL;
	return cplus_demangle(symbol, DMGL_AUTO | DMGL_ANSI);
}
