/* SPDX-License-Identifier: MIT */
/*
 * modules.h - the objects that are loaded: published for the viewer, kept for the unwinder.
 *
 * The viewer needs them after the process is dead (addresses to files and build-ids); so an object
 * that was unloaded keeps its row, flagged, until the table is full.
 *
 * Layer:   prof/ (uses core/rows.h, core/meta.h)
 * Locking: none of ours is held while the loader's is wanted.  One refresh at a time; a second one returns.
 *          hs_modules_find() takes no lock and retries while the table is being rewritten
 * Memory:  56 KiB from meta, once
 * Signals: hs_modules_find() is async-signal-safe; hs_modules_refresh() is not
 * Fork:    the table stays right in the child.  Do not refresh in a child of a multi-threaded process: another
 *          thread of the parent may have held the loader's lock
 * Errors:  objects that do not fit are counted in header->lost_modules
 */
#ifndef HS_PROF_MODULES_H
#define HS_PROF_MODULES_H

#include "core/meta.h"
#include "core/rows.h"

/* What is known of one object; `eh_frame_hdr` NULL when it has none. */
struct hs_module {
	uintptr_t start, end; /* first to last mapping */
	const void *eh_frame_hdr;
};

struct hs_module_entry;

struct hs_modules {
	struct hs_rows *rows;
	struct hs_module_entry *entries; /* by row; the refresher's */
	struct hs_module *loaded;	 /* sorted by start; relaxed words, under xseq */
	uint32_t n_entries;
	uint32_t capacity;
	uint32_t xn_loaded;
	uint32_t xgeneration; /* changes with each change of the set */
	uint32_t xrefreshing;
	uint32_t serial; /* of the refresh that runs */
	uint64_t xseq;
	uint64_t adds, subs; /* the loader's counters at the last refresh */
	bool changed;
};

/* Finds nothing until the first refresh.  False when there is no memory: then no modules are recorded. */
bool hs_modules_init(struct hs_modules *modules, struct hs_rows *rows, struct hs_meta *meta);

/*
 * Asks the loader (dl_iterate_phdr) what is loaded and publishes what changed; returns at once when nothing was
 * loaded or unloaded since.  Only from the constructor, the helper thread, or a single-threaded process, and
 * with no lock held: it may wait for the loader's lock.
 */
void hs_modules_refresh(struct hs_modules *modules);

/* The loaded object that covers `pc`, by the last refresh.  False when there is none. */
bool hs_modules_find(const struct hs_modules *modules, uintptr_t pc, struct hs_module *ret_module);

HS_INLINE uint32_t hs_modules_generation(const struct hs_modules *modules)
{
	return hs_load_relaxed(&modules->xgeneration);
}

#endif /* HS_PROF_MODULES_H */
