/* SPDX-License-Identifier: MIT */
/*
 * cfi_program.h - runs the programs of a CIE and an FDE: cfi.c's other half.
 *
 * Layer:   prof/ (uses prof/cfi.h, prof/cursor.h)
 * Signals: async-signal-safe
 */
#ifndef HS_PROF_CFI_PROGRAM_H
#define HS_PROF_CFI_PROGRAM_H

#include "prof/cfi.h"
#include "prof/cursor.h"

/* Number of the return address's column. */
#if defined(__x86_64__)
#define HS_DWARF_RA 16u
#elif defined(__aarch64__)
#define HS_DWARF_RA 30u
#endif

/* What a CIE says. */
struct hs_cie {
	struct hs_cursor program;
	uint64_t code_align;
	int64_t data_align;
	uint8_t fde_encoding;
	bool has_augmentation; /* 'z' */
	bool is_signal;	       /* 'S' */
};

/*
 * The rule that holds at `pc` in the function that starts at `start`; `fde` is where its FDE's program lies.  False,
 * with *ret_rule untouched, when there is none that a walk can follow.
 */
bool hs_cfi_run(const struct hs_cie *cie, struct hs_cursor fde, uint64_t start, uint64_t pc,
		struct hs_cfi_rule *ret_rule);

#endif /* HS_PROF_CFI_PROGRAM_H */
