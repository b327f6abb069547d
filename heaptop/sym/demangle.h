/* SPDX-License-Identifier: MIT */
/*
 * demangle.h - C++ and Rust names as people write them.
 *
 * Parameters and return types are left out: a row of a table has room for the name only, and file:line
 * tells overloads apart.
 *
 * Layer:   sym/
 * Memory:  the caller frees the result
 * Errors:  a name that is not mangled, or too long to be trusted, gives NULL
 */
#ifndef HT_SYM_DEMANGLE_H
#define HT_SYM_DEMANGLE_H

char *ht_sym_demangle(const char *symbol);

#endif /* HT_SYM_DEMANGLE_H */
