/* SPDX-License-Identifier: MIT */
/*
 * A row goes EMPTY -> (viewer) POSTED -> (here) RUNNING -> DONE or REFUSED -> (viewer) EMPTY.
 */
#include "stat/mailbox.h"

#include "base/atomic.h"
#include "os/sys.h"
#include "stat/events.h"

/* More pages would be a table that somebody else laid out. */
#define ROWS_MOST 64u

bool hs_mailbox_init(struct hs_mailbox *mailbox, struct hs_rows *rows, bool control)
{
	mailbox->control = control;
	return hs_rows_need(rows, HEAPSPY_T_MAILBOX, rows->tables[HEAPSPY_T_MAILBOX - 1].capacity - 1);
}

static bool run(const struct hs_mailbox_ops *ops, void *ctx, uint32_t command, uint64_t argument, uint64_t *ret_result)
{
	switch (command) {
	case HEAPSPY_CMD_PURGE:
		if (ops->purge == NULL || argument != 0)
			return false;
		*ret_result = ops->purge(ctx);
		return true;
	case HEAPSPY_CMD_DRAIN:
		if (ops->drain == NULL || argument != 0)
			return false;
		*ret_result = ops->drain(ctx);
		return true;
	case HEAPSPY_CMD_INTERVAL:
		if (ops->set_interval == NULL || argument > HS_INTERVAL_MAX)
			return false;
		*ret_result = argument;
		return ops->set_interval(ctx, argument);
	default:
		return false;
	}
}

static void serve_row(struct hs_mailbox *mailbox, struct hs_rows *rows, struct heapspy_mail *row,
		      const struct hs_mailbox_ops *ops, void *ctx)
{
	/* read once: the viewer may change them under us */
	uint32_t command = hs_load_relaxed(&row->command);
	uint64_t argument = hs_load_relaxed(&row->argument);
	uint64_t result = 0;
	bool done = mailbox->control && run(ops, ctx, command, argument, &result);

	if (!done)
		result = 0;
	hs_store_relaxed(&row->result, result);
	hs_store_relaxed(&row->done_ns, hs_now_ns());
	hs_events_add(rows, HEAPSPY_EV_COMMAND, command, argument, done ? result : UINT64_MAX);
	/* [mo:mail-done release] the result must be visible before the state that announces it */
	hs_store_release(&row->xstate, done ? HEAPSPY_MAIL_DONE : HEAPSPY_MAIL_REFUSED);
}

unsigned hs_mailbox_serve(struct hs_mailbox *mailbox, struct hs_rows *rows, const struct hs_mailbox_ops *ops,
			  void *ctx)
{
	const struct hs_rows_table *table = &rows->tables[HEAPSPY_T_MAILBOX - 1];
	uint64_t n_rows = table->capacity < ROWS_MOST ? table->capacity : ROWS_MOST;
	unsigned n_served = 0;

	if (hs_load_relaxed(&table->present_bytes) < n_rows * table->row_bytes)
		return 0;
	for (uint64_t i = 0; i < n_rows; i++) {
		struct heapspy_mail *row = &rows->mailbox[i];
		uint32_t posted = HEAPSPY_MAIL_POSTED;

		if (hs_load_relaxed(&row->xstate) != posted)
			continue;
		/* [mo:mail-post acquire] pairs with the viewer's release of POSTED: command and argument are there */
		if (!hs_cas_acquire(&row->xstate, &posted, HEAPSPY_MAIL_RUNNING))
			continue;
		serve_row(mailbox, rows, row, ops, ctx);
		n_served++;
	}
	return n_served;
}
