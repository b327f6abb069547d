/* SPDX-License-Identifier: MIT */
/*
 * rawio.h - messages without stdio, and the few conversions that go with them.
 *
 * A line is formatted in a buffer on the stack and written by one system call, so that lines of several
 * processes do not mix.  Descriptor 2 is asked each time what it is: a daemon that closed it may have got a
 * database file or a client's socket under that number, and such a thing never gets a message.
 *
 * Layer:   base/
 * Memory:  1 KiB of stack, nothing else
 * Signals: async-signal-safe; no SIGPIPE comes from here; errno is kept
 * Errors:  what cannot be written is dropped; a longer line is cut
 */
#ifndef HS_BASE_RAWIO_H
#define HS_BASE_RAWIO_H

#include <stdarg.h>

#include "base/cc.h"

/* A line with prefix and newline fits in this many bytes. */
#define HS_LINE_BYTES 512

/* Warnings a process may write; the rest are dropped. */
#define HS_WARN_BUDGET 16u

/*
 * Remembers what descriptor 2 is now; from then on messages go there only while it is still the same file, or
 * a character device, or a file opened for appending.  Before it is called, anything is accepted.
 */
void hs_rawio_init(void);

/* "heapspy: warning: <text>\n", the first HS_WARN_BUDGET times. */
HS_COLD HS_PRINTF(1, 2) void hs_warn(const char *fmt, ...);

/* "heapspy: <text>\n", without a budget: for what the user asked for. */
HS_COLD HS_PRINTF(1, 2) void hs_message(const char *fmt, ...);

/* "heapspy: fatal: <text>\n", then abort(): SIGABRT also when it is blocked or handled. */
HS_COLD HS_PRINTF(1, 2) _Noreturn void hs_fatal(const char *fmt, ...);

/*
 * As snprintf with: %s %c %d %u %x, %ld %lu %lx, %zu %zx, %p, %%; a width (with - or 0 before it) for all of
 * them and .N or .* for %s.  Anything else is copied as it stands.  NULL prints as (null).
 * Always terminates (cap > 0).  Returns the length written, which is less than `cap`.
 */
HS_PRINTF(3, 4) size_t hs_format(char *buf, size_t cap, const char *fmt, ...);
size_t hs_vformat(char *buf, size_t cap, const char *fmt, va_list ap);

/*
 * Reads an unsigned decimal number at *text and moves *text behind it.  False, and nothing changed, when there is
 * no digit or the number does not fit.
 */
bool hs_parse_u64(const char **text, uint64_t *ret_value);

#endif /* HS_BASE_RAWIO_H */
