/* SPDX-License-Identifier: MIT */
/*
 * identity.h - who this process is, for the header of the segment.
 *
 * A reader believes a file only when boot, pid namespace, pid and start time agree with /proc; so they are
 * asked from the kernel here, once, when the segment is published.
 *
 * Layer:   stat/ (uses core/, os/, base/)
 * Memory:  1 KiB of stack; descriptors are closed again
 * Errors:  what cannot be found out (no /proc) stays zero
 */
#ifndef HS_STAT_IDENTITY_H
#define HS_STAT_IDENTITY_H

#include <heapspy/segment.h>

#include "base/cc.h"

/* What is in force, for the header.  The strings are copied. */
struct hs_segment_conf {
	const char *dir;    /* absolute path of the directory for the file */
	const char *policy; /* name */
	uint64_t sample_interval_bytes;
	int64_t decay_ms;
	uint32_t page_bytes; /* allocator page */
	uint32_t n_arenas;
	uint32_t thp, helper; /* as in the header */
	bool control;
};

/*
 * Fills the identity and the configuration; leaves counters, tables, times and parent_pid alone.
 * `fallback_ticks` is the start time for a process without /proc.
 */
void hs_identity_fill(struct heapspy_header *header, const struct hs_segment_conf *conf, uint64_t fallback_ticks);

/* Only what the file's name is made of: pid and start_ticks. */
void hs_identity_name(struct heapspy_header *header, uint64_t fallback_ticks);

/* True when `other` was written by this very process (before an exec: same pid, start, boot, namespace, user). */
bool hs_identity_same(const struct heapspy_header *mine, const struct heapspy_header *other);

/* Reads at most cap - 1 bytes of a small file and terminates them.  Returns the length, or -errno. */
long hs_read_file(const char *path, char *buf, size_t cap);

#endif /* HS_STAT_IDENTITY_H */
