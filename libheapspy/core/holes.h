/* SPDX-License-Identifier: MIT */
/*
 * holes.h - kernel pages inside a partly used span that hold only free slots go back to the kernel.
 *
 * After a spike, few survivors keep many spans.  A span that lay in its bin for a while is taken out, the pages
 * that nothing lives on are given back (holes), and the slots on them leave its free list; they come back page by
 * page when an owner has nothing else to hand out.  Measured: 1 GiB of 16 to 1024 bytes, freed but for one object in
 * a hundred: 1080 MiB resident, 623 after the decay of whole spans, 110 with holes.
 *
 * A span with holes has HS_OWNER_HOLES beside its owner, so frees into it leave the fast path: a slot in a hole
 * carries no seal, and its second free is told by the hole alone.  After some such frees all holes are filled,
 * so that no program pays for it for long.
 *
 * Layer:   core/ (uses bin, ownership)
 * Order:   xholes is written by the span's owner; who frees from outside looks at the bits of its own live slot only,
 *          which are clear for as long as it lives
 * Fork:    at any instant between two stores, hs_tcache_make_anew() finds each slot in a hole, sealed, or live
 */
#ifndef HS_CORE_HOLES_H
#define HS_CORE_HOLES_H

#include "core/tcache.h"

/* True if the slot at `p`, of a span that is perhaps somebody else's, touches a hole: nothing can live there. */
bool hs_holes_at(const struct hs_span *s, const void *p);
bool hs_holes_at_slot(const struct hs_span *s, uint32_t index);

/* Slots that are free and in no list, because they touch a hole. */
uint32_t hs_holes_slots(const struct hs_span *s);

/* Gives the free pages of an owned span back that is in no list.  Returns bytes. */
size_t hs_holes_purge(struct hs_span *s);

/* Puts the slots of the lowest hole on the owned span's list; false if there is no hole. */
bool hs_holes_fill(struct hs_span *s);

/* Of an owned span, all of them. */
void hs_holes_fill_all(struct hs_span *s);

/* A span without any content any more: it is about to leave its class. */
void hs_holes_forget(struct hs_span *s);

/* The owner has freed into a span with holes. */
void hs_holes_count_free(struct hs_span *s);

/*
 * Looks through spans that lay in the arena's bins for a quarter of decay_ms, as many as are due at `now_ns`; all of
 * them if `all`.  `t` is the caller's; it may own more spans afterwards.  Returns bytes given back.
 */
size_t hs_holes_comb(struct hs_arena *arena, struct hs_tcache *t, uint64_t now_ns, bool all);

#endif /* HS_CORE_HOLES_H */
