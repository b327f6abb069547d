/* SPDX-License-Identifier: MIT */
/*
 * wss.h - working set: what was touched within a time.
 *
 * Clearing the referenced bits costs the target some TLB misses and walks its page tables; that is why
 * nothing does it unasked.
 *
 * Layer:   model/ (uses seg/, util/)
 * Errors:  -EACCES, -EPERM, -ESRCH
 */
#ifndef HT_MODEL_WSS_H
#define HT_MODEL_WSS_H

#include <stdint.h>
#include <sys/types.h>

#include "seg/snapshot.h"
#include "util/err.h"

struct ht_wss {
	uint64_t heap_bytes, other_bytes; /* referenced since the clearing: mappings with spans, and the rest */
	uint64_t begin_ns, ns;		  /* when it was cleared, and for how long was waited */
};

/* Clears the referenced bits and notes the time. */
int ht_wss_begin(pid_t pid, struct ht_wss *ret, struct ht_err *reterr);
/* Counts. */
int ht_wss_end(pid_t pid, const struct ht_snap *snap, struct ht_wss *wss, struct ht_err *reterr);

#endif /* HT_MODEL_WSS_H */
