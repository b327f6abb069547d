/* SPDX-License-Identifier: MIT */
/*
 * reap.h - removes what children of fork left behind.
 *
 * A child that ends by _exit() runs no exit handler, so its file stays.  Its parent removes it when it ends, and
 * a brother when it makes a file of its own - all but the newest few, which may be wanted for a post-mortem.
 * Files of processes that are no children of fork, and of other users, namespaces and boots, are never touched.
 *
 * Layer:   stat/ (uses segment.h)
 * Signals: not async-signal-safe
 * Errors:  what cannot be read or removed stays
 */
#ifndef HS_STAT_REAP_H
#define HS_STAT_REAP_H

#include "core/rows.h"

/* Dead brothers that stay; a crashed worker is among the newest. */
#define HS_REAP_KEEP 4u

/*
 * Removes files in `dir` of dead fork children of process `parent_pid`, except the `keep` with the newest
 * heartbeat.  `mine` gives boot, namespace and user.  Returns how many were removed.
 */
unsigned hs_reap(const char *dir, const struct heapspy_header *mine, uint32_t parent_pid, unsigned keep);

#endif /* HS_STAT_REAP_H */
