/* SPDX-License-Identifier: MIT */
/*
 * cfi.h - reads .eh_frame: how to get from a frame to its caller's.
 *
 * Only what a walk of return addresses needs is followed: the stack pointer, the frame pointer and the return
 * address.  That covers all compiled code (compilers base the CFA on one of these two, and so does gcc's
 * realigned-stack form, a load relative to the frame pointer); what remains is hand-written leaf code
 * that keeps its CFA in another register, 0.7 % of the rows of libcrypto and none of libstdc++'s.
 *
 * Layer:   prof/ (uses base/)
 * Memory:  none; about 600 bytes of stack
 * Signals: async-signal-safe
 * Errors:  anything unknown or out of bounds is "no rule", never a fault, as long as the object stays mapped
 */
#ifndef HS_PROF_CFI_H
#define HS_PROF_CFI_H

#include "base/cc.h"

/* How the CFA (the caller's stack pointer) is found. */
enum hs_cfa {
	HS_CFA_NONE,	 /* an object's code without a rule that can be followed */
	HS_CFA_SP,	 /* sp + cfa_offset */
	HS_CFA_FP,	 /* fp + cfa_offset */
	HS_CFA_SP_DEREF, /* word at (sp + cfa_offset), + cfa_add */
	HS_CFA_FP_DEREF, /* word at (fp + cfa_offset), + cfa_add */
	HS_CFA_SIGNAL,	 /* the kernel's signal frame at sp */
	HS_CFA_ROOT,	 /* outermost frame: nobody to return to */
	HS_CFA_FOREIGN,	 /* for the walker: code of no object, or of one without tables */
};

/* How the caller's frame pointer is found. */
enum hs_cfi_fp {
	HS_FP_SAME,
	HS_FP_AT_CFA, /* word at CFA + fp_offset */
	HS_FP_AT_FP,  /* word at fp + fp_offset */
	HS_FP_LOST,   /* by a rule that is not followed */
};

/* Offsets are multiples of 8. */
struct hs_cfi_rule {
	uint8_t cfa; /* enum hs_cfa */
	uint8_t fp;  /* enum hs_cfi_fp */
	bool ra_in_register; /* aarch64 leaf code: still in the link register */
	uint8_t cfa_add;     /* 0..56 */
	int32_t cfa_offset;
	int32_t fp_offset;
	int32_t ra_offset; /* from the CFA */
};

/*
 * The rule in force at `pc`.  `hdr` is the object's PT_GNU_EH_FRAME segment, [low, high) the object's own
 * addresses.  For a return address pass the address minus 1.  False, with *ret_rule untouched, when there is none.
 */
bool hs_cfi_find(const void *hdr, uintptr_t low, uintptr_t high, uintptr_t pc, struct hs_cfi_rule *ret_rule);

#endif /* HS_PROF_CFI_H */
