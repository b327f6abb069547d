/* SPDX-License-Identifier: MIT */
/*
 * unwind.h - the call stack of the calling thread, for a sample.
 *
 * A walker of our own over .eh_frame with a cache of its results, instead of libunwind: no lock (neither the
 * loader's nor its own), no descriptors, no system call, no cancellation point, no memory, nothing at thread
 * exit, and nothing that could take over the program's C++ exceptions.  tests/unit/prof_unwind.c compares it
 * with libunwind.  glibc's _dl_find_object (2.35) tells the object of an address without a lock; on older
 * ones the table of modules.h does.  Code without .eh_frame (JIT) is crossed by frame pointers.
 *
 * Only words between the stack pointer and the high end of the thread's own stack are read.  When the stack
 * pointer is elsewhere (alternate stack, coroutine) only the rest of its page is read: it surely exists.
 *
 * Layer:   prof/ (uses prof/cfi.h, prof/modules.h)
 * Owns:    a cache of address -> rule, 64 KiB of bss, touched as needed
 * Locking: none; cache entries check themselves
 * Memory:  HS_UNWIND_STACK_BYTES of stack at most
 * Signals: async-signal-safe; a capture that interrupts a capture (same `busy`) gives 0 frames
 * Fork:    nothing to do; the shim resets its thread's busy flag in the child
 * Errors:  a walk that cannot go on returns what it has, truncated
 */
#ifndef HS_PROF_UNWIND_H
#define HS_PROF_UNWIND_H

#include "prof/modules.h"

#define HS_UNWIND_FRAMES_MAX 64u
/* A thread must have this much of its stack left; measured use: see tests/unit/prof_unwind.c. */
#define HS_UNWIND_STACK_BYTES 4096u

/* Of the calling thread; both 0 when unknown.  [low, high) */
struct hs_stack_bounds {
	uintptr_t low, high;
};

/*
 * Called once, from the constructor, single-threaded.  `modules` is asked where glibc has no
 * _dl_find_object; may be NULL.  Return addresses inside [skip_low, skip_high) at the inner end of a stack are left
 * out: the library gives its own text, so that a stack begins with the function that called malloc; 0, 0 for none.
 * Makes one walk, so that whatever is bound lazily is bound.
 */
void hs_unwind_init(struct hs_modules *modules, uintptr_t skip_low, uintptr_t skip_high);

/* Forgets all cached rules, for a caller that knows of a dlclose at once; a change that hs_modules_refresh() sees does
   it too.  Until then stacks through a new object at an old address may be wrong (never unsafe). */
void hs_unwind_flush(void);

/*
 * Writes up to min(cap, HS_UNWIND_FRAMES_MAX) return addresses, innermost first, and returns how many.  Of a frame
 * that a signal interrupted it is the interrupted address + 1, so that "address - 1" names the right
 * instruction for all.  *ret_truncated (always written): the stack's root was not reached.  0 frames when
 * `*busy` was set, the stack is nearly used up, or nothing is known about the caller.
 */
size_t hs_unwind_capture(const struct hs_stack_bounds *bounds, bool *busy, uint64_t *pcs, size_t cap,
			 bool *ret_truncated);

#endif /* HS_PROF_UNWIND_H */
