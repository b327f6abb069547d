/* SPDX-License-Identifier: MIT */
/*
 * ownership.h - how a small span becomes a tcache's, is kept, and is let go.
 *
 * The states are in span.h; the race between letting go and freeing from outside is in ownership.c.
 *
 * Layer:   core/ (uses tcache.h; tcache.c is its only user)
 * Locking: the tcache is the caller's; bin and arena locks are taken inside
 */
#ifndef HS_CORE_OWNERSHIP_H
#define HS_CORE_OWNERSHIP_H

#include "core/tcache.h"

/* True if `t` owns the span, with or without marks. */
bool hs_own_is(const struct hs_tcache *t, const struct hs_span *s);

/* Puts the marks beside the owner that the span has to have now. */
void hs_own_mark(struct hs_span *s);

/* Slots handed out, by the counter in the segment without its bias. */
uint32_t hs_own_used(const struct hs_span *s);

/* Into the list of partly used spans; out of it, or of the parked ones. */
void hs_own_keep(struct hs_tcache *t, struct hs_span *s);
void hs_own_unkeep(struct hs_tcache *t, struct hs_span *s);

/* Takes in what others freed.  True if the span's list is not empty afterwards. */
bool hs_own_collect(struct hs_span *s);

/* Puts slots that were never used on the list; false when there are none. */
bool hs_own_extend(struct hs_span *s);

/* Makes a FULL span, or one in its bin, the caller's and keeps it; false when somebody was faster. */
bool hs_own_claim_full(struct hs_tcache *t, struct hs_span *s);
bool hs_own_claim_bin(struct hs_tcache *t, struct hs_span *s);

/* Only a hint, from figures that are not trusted: all slots of this span have been freed. */
bool hs_own_looks_empty(const struct hs_span *s);

/* After a claim: takes in remote frees, and handles the case that they were the last. */
void hs_own_settle(struct hs_tcache *t, struct hs_span *s);

/* Lets go of an owned span that is in no list: back to the arena, FULL, or into its bin. */
void hs_own_let_go(struct hs_tcache *t, struct hs_span *s);

/* As hs_own_let_go(), but an empty span goes into a bin that has none: the next thread will want it. */
void hs_own_bequeath(struct hs_tcache *t, struct hs_span *s);

#endif /* HS_CORE_OWNERSHIP_H */
