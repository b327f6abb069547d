/* SPDX-License-Identifier: MIT */
/*
 * mailbox.h - commands from the viewer.
 *
 * The only part of the segment that the library reads.  What stands there is hostile: it is copied once,
 * bounded, and can only choose among the operations below.  Each command leaves an event.
 *
 * Layer:   stat/ (uses core/rows.h, events.h)
 * Locking: the caller's: one server at a time; operations are called with whatever the caller holds
 * Order:   the viewer writes command and argument before it stores POSTED [mo:mail-post release], and reads the
 *          result after it has seen DONE or REFUSED [mo:mail-done acquire]
 * Signals: not async-signal-safe
 */
#ifndef HS_STAT_MAILBOX_H
#define HS_STAT_MAILBOX_H

#include "core/rows.h"

/* Largest mean between samples that a command may set. */
#define HS_INTERVAL_MAX (UINT64_C(1) << 40)

/* What commands do.  A NULL operation refuses its command. */
struct hs_mailbox_ops {
	uint64_t (*purge)(void *ctx); /* gives free pages back; returns bytes */
	uint64_t (*drain)(void *ctx); /* empties thread caches; returns bytes */
	bool (*set_interval)(void *ctx, uint64_t mean_bytes); /* 0 is off */
};

struct hs_mailbox {
	bool control; /* false: everything is refused */
};

/* Makes the rows usable and publishes them, so that a viewer may post.  False when their page is not to be had. */
bool hs_mailbox_init(struct hs_mailbox *mailbox, struct hs_rows *rows, bool control);

/*
 * Serves each posted row once, at most as many as there are rows; returns how many.  A few loads when
 * nothing is posted.
 */
unsigned hs_mailbox_serve(struct hs_mailbox *mailbox, struct hs_rows *rows, const struct hs_mailbox_ops *ops,
			  void *ctx);

#endif /* HS_STAT_MAILBOX_H */
