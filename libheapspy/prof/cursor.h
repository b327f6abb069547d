/* SPDX-License-Identifier: MIT */
/*
 * cursor.h - reading DWARF's numbers from a range of memory without leaving it.
 *
 * Layer:   prof/ (uses base/)
 * Signals: async-signal-safe
 */
#ifndef HS_PROF_CURSOR_H
#define HS_PROF_CURSOR_H

#include "base/cc.h"

struct hs_cursor {
	const uint8_t *p, *end;
	bool bad; /* an access beyond the end was tried; reads give 0 from then on */
};

/* `bytes` (up to 8) as a little-endian number. */
static inline uint64_t hs_take(struct hs_cursor *c, unsigned bytes)
{
	uint64_t v = 0;

	if (c->bad || (size_t)(c->end - c->p) < bytes) {
		c->bad = true;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)c->p[i] << 8 * i;
	c->p += bytes;
	return v;
}

static inline void hs_skip(struct hs_cursor *c, uint64_t bytes)
{
	if (c->bad || (uint64_t)(c->end - c->p) < bytes)
		c->bad = true;
	else
		c->p += bytes;
}

static inline uint64_t hs_take_leb(struct hs_cursor *c, bool is_signed)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)hs_take(c, 1);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) != 0 && !c->bad);
	if (is_signed && shift < 64 && (byte & 0x40) != 0)
		v |= ~UINT64_C(0) << shift;
	return v;
}

static inline uint64_t hs_take_uleb(struct hs_cursor *c)
{
	return hs_take_leb(c, false);
}

static inline int64_t hs_take_sleb(struct hs_cursor *c)
{
	return (int64_t)hs_take_leb(c, true);
}

/* A pointer in one of the DW_EH_PE encodings that linkers and assemblers produce. */
static inline uint64_t hs_take_encoded(struct hs_cursor *c, uint8_t encoding)
{
	uint64_t here = (uint64_t)(uintptr_t)c->p;
	uint64_t v;

	switch (encoding & 0x0f) {
	case 0x00: /* absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		v = hs_take(c, 8);
		break;
	case 0x03: /* udata4 */
		v = hs_take(c, 4);
		break;
	case 0x0b: /* sdata4 */
		v = (uint64_t)(int64_t)(int32_t)hs_take(c, 4);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (encoding & 0xf0) {
	case 0x00: /* absolute */
		return v;
	case 0x10: /* relative to the place of the value */
		return v + here;
	default:
		c->bad = true;
		return 0;
	}
}

#endif /* HS_PROF_CURSOR_H */
