/* SPDX-License-Identifier: MIT */
/*
 * err.h - an error that can be shown to a person.
 *
 * Library code fills one in and returns a negative errno; only main, cli and app print it.
 *
 * Layer:   util/
 * Memory:  fixed size, nothing to free
 */
#ifndef HT_UTIL_ERR_H
#define HT_UTIL_ERR_H

#include <stdio.h>

/* Exit codes of heaptop; heaptop(1), EXIT STATUS. */
enum ht_exit {
	HT_EXIT_OK = 0,
	HT_EXIT_FOUND = 1, /* check found something */
	HT_EXIT_USAGE = 2,
	HT_EXIT_TARGET = 3, /* no such target, no segment, no permission */
	HT_EXIT_DAMAGED = 4,
	HT_EXIT_OUTPUT = 5,
};

struct ht_err {
	enum ht_exit code; /* HT_EXIT_OK: nothing was reported */
	char message[512]; /* printable; foreign strings in it are escaped already */
	char hint[256];	   /* next step, or empty */
};

/* Sets code and message and clears the hint; returns `r`, so that `return ht_err_set(...)` works. */
int ht_err_set(struct ht_err *err, int r, enum ht_exit code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void ht_err_hint(struct ht_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Two lines: "heaptop: message" and "hint: ...". */
void ht_err_print(FILE *out, const struct ht_err *err);

#endif /* HT_UTIL_ERR_H */
