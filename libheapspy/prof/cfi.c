/* SPDX-License-Identifier: MIT */
/*
 * PT_GNU_EH_FRAME holds a table, sorted by address, of (function start, its FDE).  An FDE names its CIE; both
 * hold a little program each, run one after the other, whose state when it reaches the wanted
 * address is the rule.  The format is that of the LSB and of DWARF 4, section 6.4.
 *
 *   hdr -> table -> FDE -> CIE          run CIE program, keep that state for "restore",
 *                    |      |           run FDE program until its location passes pc
 *                    +------+-> rules
 */
#include "prof/cfi.h"

#include <string.h>

#include "prof/cfi_program.h"

/* Sets up `c` on the entry at `p` and returns the place of its id field; false for a terminator or 64-bit form. */
static bool open_entry(const uint8_t *p, uintptr_t low, uintptr_t high, struct hs_cursor *ret_c)
{
	struct hs_cursor c = {p, (const uint8_t *)high, (uintptr_t)p < low || (uintptr_t)p >= high};
	uint64_t bytes = hs_take(&c, 4);

	if (c.bad || bytes == 0 || bytes >= 0xfffffff0u || bytes > (uint64_t)(c.end - c.p))
		return false;
	c.end = c.p + bytes;
	*ret_c = c;
	return true;
}

static bool read_augmentation(struct hs_cursor *c, const char *text, struct hs_cie *cie)
{
	uint64_t bytes = hs_take_uleb(c);
	const uint8_t *end;

	if (c->bad || bytes > (uint64_t)(c->end - c->p))
		return false;
	end = c->p + bytes;
	for (text++; *text != '\0'; text++) {
		switch (*text) {
		case 'R':
			cie->fde_encoding = (uint8_t)hs_take(c, 1);
			break;
		case 'P': {
			uint8_t encoding = (uint8_t)hs_take(c, 1);

			/* may be indirect; only its length matters here */
			(void)hs_take_encoded(c, encoding & 0x1f);
			break;
		}
		case 'L':
			(void)hs_take(c, 1);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		case 'B': /* aarch64: return addresses signed with the B key */
			break;
		default:
			return false;
		}
	}
	c->p = end;
	return !c->bad;
}

static bool read_cie(const uint8_t *p, uintptr_t low, uintptr_t high, struct hs_cie *ret_cie)
{
	struct hs_cie cie = {.fde_encoding = 0};
	struct hs_cursor c;
	const char *augmentation;
	uint64_t version;

	if (!open_entry(p, low, high, &c) || hs_take(&c, 4) != 0)
		return false;
	version = hs_take(&c, 1);
	augmentation = (const char *)c.p;
	while (hs_take(&c, 1) != 0)
		;
	if (c.bad || (version != 1 && version != 3))
		return false;
	cie.code_align = hs_take_uleb(&c);
	cie.data_align = hs_take_sleb(&c);
	if ((version == 1 ? hs_take(&c, 1) : hs_take_uleb(&c)) != HS_DWARF_RA)
		return false;
	if (augmentation[0] == 'z') {
		cie.has_augmentation = true;
		if (!read_augmentation(&c, augmentation, &cie))
			return false;
	} else if (augmentation[0] != '\0') {
		return false;
	}
	cie.program = c;
	*ret_cie = cie;
	return !c.bad;
}

/* The FDE that may cover `pc`; NULL when the header is not of the one form that all linkers write. */
static const uint8_t *search(const uint8_t *hdr, uintptr_t low, uintptr_t high, uintptr_t pc)
{
	struct hs_cursor c = {hdr, (const uint8_t *)high, (uintptr_t)hdr < low || (uintptr_t)hdr >= high};
	uint64_t version = hs_take(&c, 1);
	uint8_t frame_encoding = (uint8_t)hs_take(&c, 1);
	uint8_t count_encoding = (uint8_t)hs_take(&c, 1);
	uint64_t table_encoding = hs_take(&c, 1);
	uint64_t n, lo = 0, hi;
	int32_t entry[2], wanted;

	(void)hs_take_encoded(&c, frame_encoding);
	n = hs_take_encoded(&c, count_encoding);
	/* 0x3b: sdata4, relative to the header */
	if (c.bad || version != 1 || table_encoding != 0x3b || n == 0 || n > (uint64_t)(c.end - c.p) / sizeof(entry))
		return NULL;
	if ((int64_t)(pc - (uintptr_t)hdr) != (int32_t)(pc - (uintptr_t)hdr))
		return NULL;
	wanted = (int32_t)(pc - (uintptr_t)hdr);
	hi = n;
	while (lo < hi) { /* first entry that starts behind pc */
		uint64_t mid = lo + (hi - lo) / 2;

		memcpy(entry, c.p + mid * sizeof(entry), sizeof(entry));
		if (entry[0] <= wanted)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	memcpy(entry, c.p + (lo - 1) * sizeof(entry), sizeof(entry));
	return hdr + entry[1];
}

bool hs_cfi_find(const void *hdr, uintptr_t low, uintptr_t high, uintptr_t pc, struct hs_cfi_rule *ret_rule)
{
	const uint8_t *fde = search(hdr, low, high, pc);
	struct hs_cie cie;
	struct hs_cursor c;
	const uint8_t *id_place;
	uint64_t id, start, bytes;

	if (fde == NULL || !open_entry(fde, low, high, &c))
		return false;
	id_place = c.p;
	id = hs_take(&c, 4);
	if (id == 0 || id > (uintptr_t)id_place - low || !read_cie(id_place - id, low, high, &cie))
		return false;
	start = hs_take_encoded(&c, cie.fde_encoding);
	bytes = hs_take_encoded(&c, cie.fde_encoding & 0x0f);
	if (c.bad || pc < start || pc - start >= bytes)
		return false;
	if (cie.is_signal) {
		*ret_rule = (struct hs_cfi_rule){.cfa = HS_CFA_SIGNAL};
		return true;
	}
	if (cie.has_augmentation)
		hs_skip(&c, hs_take_uleb(&c));
	return !c.bad && hs_cfi_run(&cie, c, start, pc, ret_rule);
}
