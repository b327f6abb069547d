/* SPDX-License-Identifier: MIT */
/*
 * events.h - the ring of things that happened: forks, purges, commands, gaps.
 *
 * Layer:   stat/ (uses core/rows.h)
 * Locking: none; any thread may add, several at once
 * Order:   a ticket from the ring's count names the row; the row's seq says whether it is whole.  Row t of
 *          all ever written carries seq 2 * (t / capacity) + 2, so a reader can tell a row that is not
 *          written yet from its predecessor in the same place
 * Signals: async-signal-safe
 */
#ifndef HS_STAT_EVENTS_H
#define HS_STAT_EVENTS_H

#include "core/rows.h"

/* Adds one event, HEAPSPY_EV_*, with the time of now.  Dropped when the ring's pages are not to be had. */
void hs_events_add(struct hs_rows *rows, uint32_t kind, uint64_t a, uint64_t b, uint64_t c);

#endif /* HS_STAT_EVENTS_H */
