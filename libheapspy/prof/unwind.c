/* SPDX-License-Identifier: MIT */
/*
 * One step:   address -> rule (cache, else .eh_frame) -> CFA -> return address = word at CFA + ra_offset
 *
 * The cache is direct-mapped and shared by all threads without a lock.  An entry is two words, the packed rule
 * and its key xored with a hash of the rule: a reader that catches the words of two writers gets a key
 * that does not match.  64 Ki of it hold 4096 return addresses, what large services use at a time.
 *
 * Invariants of a walk: low <= sp, sp + 8 <= high for every word read; sp grows with each frame, except across a
 * signal frame, and there are at most LIMIT steps.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "prof/unwind.h"

#include <dlfcn.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "os/vm.h"
#include "prof/cfi.h"

#define CACHE_SLOTS 4096u
#define LIMIT (HS_UNWIND_FRAMES_MAX + 32u)

#if defined(DLFO_STRUCT_HAS_EH_COUNT) && !defined(HS_UNWIND_BY_MODULES)
#define HAVE_FIND_OBJECT 1
extern __typeof__(_dl_find_object) _dl_find_object __attribute__((weak));
#else
#define HAVE_FIND_OBJECT 0
#endif

/* Stacks hold red zones under ASan, and words that other code writes under TSan. */
#if defined(__clang__)
#define RAW_READ __attribute__((no_sanitize("address", "thread", "memory", "undefined")))
#else
#define RAW_READ __attribute__((no_sanitize("address", "thread", "undefined")))
#endif

struct cache_slot {
	uint64_t xcheck; /* key ^ mix(xrule) */
	uint64_t xrule;
};

static struct cache_slot cache[CACHE_SLOTS];
static uint32_t xflushes;

/* Set once by hs_unwind_init(), before there are threads. */
static struct {
	struct hs_modules *modules;
	uintptr_t skip_low, skip_high;
} config;

struct walk {
	uintptr_t pc;	/* where the frame is, or will go on */
	uintptr_t sp, fp;
	uintptr_t link; /* aarch64 after a signal: the link register; else 0 */
	bool exact;	/* pc is where the frame is: the first one, or interrupted; else behind its call */
	bool fp_known;
	uintptr_t low, high; /* words in [low, high) may be read */
	struct hs_stack_bounds bounds;
};

RAW_READ static uintptr_t load(uintptr_t at)
{
	return *(const volatile uintptr_t *)at;
}

static bool readable(const struct walk *w, uintptr_t at)
{
	return at % sizeof(uintptr_t) == 0 && at >= w->low && at < w->high && w->high - at >= sizeof(uintptr_t);
}

static bool word_at(const struct walk *w, uintptr_t at, uintptr_t *ret_word)
{
	if (!readable(w, at))
		return false;
	*ret_word = load(at);
	return true;
}

/* ---- rules, packed: cfa 3 | fp 2 | link 1 | add 3 | cfa_offset 25 | fp_offset 15 | ra_offset 15; units of 8 ---- */

static bool field_fits(int32_t offset, unsigned bits)
{
	return offset / 8 >= -(1 << (bits - 1)) && offset / 8 < 1 << (bits - 1);
}

static uint64_t field(int32_t offset, unsigned bits)
{
	return (uint64_t)(int64_t)(offset / 8) & ((UINT64_C(1) << bits) - 1);
}

static int32_t unfield(uint64_t packed, unsigned shift, unsigned bits)
{
	return (int32_t)((int64_t)(packed << (64 - shift - bits)) >> (64 - bits)) * 8;
}

/* A rule that does not fit is none: its frame is larger than any that is met. */
static uint64_t pack(const struct hs_cfi_rule *r)
{
	if (!field_fits(r->cfa_offset, 25) || !field_fits(r->fp_offset, 15) || !field_fits(r->ra_offset, 15))
		return HS_CFA_NONE;
	return (uint64_t)r->cfa | (uint64_t)r->fp << 3 | (uint64_t)r->ra_in_register << 5 |
	       (uint64_t)(r->cfa_add / 8) << 6 | field(r->cfa_offset, 25) << 9 | field(r->fp_offset, 15) << 34 |
	       field(r->ra_offset, 15) << 49;
}

static struct hs_cfi_rule unpack(uint64_t packed)
{
	return (struct hs_cfi_rule){
		.cfa = packed & 7,
		.fp = packed >> 3 & 3,
		.ra_in_register = packed >> 5 & 1,
		.cfa_add = (uint8_t)((packed >> 6 & 7) * 8),
		.cfa_offset = unfield(packed, 9, 25),
		.fp_offset = unfield(packed, 34, 15),
		.ra_offset = unfield(packed, 49, 15),
	};
}

static bool find_object(uintptr_t pc, struct hs_module *ret_module)
{
#if HAVE_FIND_OBJECT
	if (_dl_find_object != NULL) {
		struct dl_find_object dlfo;

		if (_dl_find_object((void *)pc, &dlfo) != 0)
			return false;
		ret_module->start = (uintptr_t)dlfo.dlfo_map_start;
		ret_module->end = (uintptr_t)dlfo.dlfo_map_end;
		ret_module->eh_frame_hdr = dlfo.dlfo_eh_frame;
		return true;
	}
#endif
	return config.modules != NULL && hs_modules_find(config.modules, pc, ret_module);
}

HS_COLD static uint64_t rule_slow(uintptr_t pc)
{
	struct hs_cfi_rule rule = {.cfa = HS_CFA_NONE};
	struct hs_module module;

	if (!find_object(pc, &module) || module.eh_frame_hdr == NULL)
		rule.cfa = HS_CFA_FOREIGN;
	else
		(void)hs_cfi_find(module.eh_frame_hdr, module.start, module.end, pc, &rule);
	return pack(&rule);
}

static uint64_t mix(uint64_t rule)
{
	return rule * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint64_t generation_key(void)
{
	uint32_t g = hs_load_relaxed(&xflushes);

	if (config.modules != NULL)
		g += hs_modules_generation(config.modules);
	/* user addresses have 47 or 48 bits */
	return (uint64_t)g << 48;
}

static struct cache_slot *slot_of(uint64_t key)
{
	return &cache[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
}

static struct hs_cfi_rule rule_at(uintptr_t pc, uint64_t generation)
{
	uint64_t key = (uint64_t)pc ^ generation;
	struct cache_slot *slot = slot_of(key);
	uint64_t packed = hs_load_relaxed(&slot->xrule);

	if (hs_likely((hs_load_relaxed(&slot->xcheck) ^ mix(packed)) == key))
		return unpack(packed);
	packed = rule_slow(pc);
	hs_store_relaxed(&slot->xrule, packed);
	hs_store_relaxed(&slot->xcheck, key ^ mix(packed));
	return unpack(packed);
}

/* ---- steps ---- */

#if defined(__x86_64__)
/* Kernel ABI: struct ucontext at sp, its registers at +40 (r8 first). */
#define SIGFRAME_FP (40 + 8 * 10)
#define SIGFRAME_SP (40 + 8 * 15)
#define SIGFRAME_PC (40 + 8 * 16)
#define SIGFRAME_LINK 0
#elif defined(__aarch64__)
/* Kernel ABI: 128 bytes of siginfo, then struct ucontext with its registers at +184 (x0 first). */
#define SIGFRAME_FP (128 + 184 + 8 * 29)
#define SIGFRAME_LINK (128 + 184 + 8 * 30)
#define SIGFRAME_SP (128 + 184 + 8 * 31)
#define SIGFRAME_PC (128 + 184 + 8 * 32)
#endif

/* Words that may be read from `sp` on: the thread's stack, or what is left of the page. */
static void set_limits(struct walk *w, uintptr_t sp)
{
	bool own = sp >= w->bounds.low && sp < w->bounds.high;

	w->low = sp;
	w->high = own ? w->bounds.high : hs_align_down(sp, hs_vm_page_bytes()) + hs_vm_page_bytes();
}

static bool step_signal(struct walk *w)
{
	uintptr_t pc, sp, fp;

	if (!word_at(w, w->sp + SIGFRAME_PC, &pc) || !word_at(w, w->sp + SIGFRAME_SP, &sp) ||
	    !word_at(w, w->sp + SIGFRAME_FP, &fp))
		return false;
	if (SIGFRAME_LINK != 0)
		w->link = load(w->sp + SIGFRAME_LINK);
	if (sp % sizeof(uintptr_t) != 0)
		return false;
	/* the interrupted code may have been on another stack: what is known about that one holds then */
	if (sp < w->sp || sp >= w->high) {
		if (sp < w->bounds.low || sp >= w->bounds.high)
			return false;
		set_limits(w, sp);
	}
	w->pc = pc;
	w->sp = sp;
	w->fp = fp;
	w->fp_known = true;
	w->exact = true;
	return true;
}

static uintptr_t strip(uintptr_t pc)
{
#if defined(__aarch64__)
	/* pointer authentication: a hint that older processors ignore */
	register uintptr_t x30 __asm__("x30") = pc;

	__asm__("hint #7" : "+r"(x30));
	return x30;
#else
	return pc;
#endif
}

/* For generated code: [fp] = caller's fp, [fp + 8] = return address. */
static bool step_frame_pointer(struct walk *w)
{
	uintptr_t fp = w->fp, next, pc;

	if (!w->fp_known || fp < w->sp || !word_at(w, fp, &next) || !word_at(w, fp + 8, &pc))
		return false;
	w->pc = strip(pc);
	w->sp = fp + 16;
	w->fp = next;
	w->exact = false;
	w->link = 0;
	return true;
}

static bool find_cfa(const struct walk *w, const struct hs_cfi_rule *r, uintptr_t *ret_cfa)
{
	bool by_fp = r->cfa == HS_CFA_FP || r->cfa == HS_CFA_FP_DEREF;
	uintptr_t at = (by_fp ? w->fp : w->sp) + (uintptr_t)(intptr_t)r->cfa_offset;

	if (by_fp && !w->fp_known)
		return false;
	if (r->cfa == HS_CFA_SP_DEREF || r->cfa == HS_CFA_FP_DEREF) {
		if (!word_at(w, at, &at))
			return false;
		at += r->cfa_add;
	}
	*ret_cfa = at;
	return true;
}

static bool step_rule(struct walk *w, const struct hs_cfi_rule *r)
{
	uintptr_t cfa, pc, fp = w->fp;

	if (!find_cfa(w, r, &cfa) || cfa < w->sp || cfa > w->high || cfa % 8 != 0)
		return false;
	if (r->ra_in_register) {
		if (w->link == 0)
			return false;
		pc = w->link;
	} else if (cfa == w->sp || !word_at(w, cfa + (uintptr_t)(intptr_t)r->ra_offset, &pc)) {
		return false;
	}
	if (r->fp == HS_FP_AT_CFA || r->fp == HS_FP_AT_FP) {
		uintptr_t base = r->fp == HS_FP_AT_CFA ? cfa : w->fp;

		if (!word_at(w, base + (uintptr_t)(intptr_t)r->fp_offset, &fp))
			w->fp_known = false;
		else if (r->fp == HS_FP_AT_CFA)
			w->fp_known = true;
	} else if (r->fp == HS_FP_LOST) {
		w->fp_known = false;
	}
	w->pc = strip(pc);
	w->sp = cfa;
	w->fp = fp;
	w->exact = false;
	w->link = 0;
	return true;
}

enum step { STEP_CALLER, STEP_ROOT, STEP_STUCK };

static enum step step(struct walk *w, uint64_t generation)
{
	/* a call may be a function's last instruction; libc puts a nop before the trampoline of signals */
	struct hs_cfi_rule rule = rule_at(w->exact ? w->pc : w->pc - 1, generation);
	bool ok;

	switch (rule.cfa) {
	case HS_CFA_ROOT:
		return STEP_ROOT;
	case HS_CFA_SIGNAL:
		ok = step_signal(w);
		break;
	case HS_CFA_FOREIGN:
		ok = step_frame_pointer(w);
		break;
	case HS_CFA_NONE: /* its frame pointer may be anything: better no caller than a wrong one */
		ok = false;
		break;
	default:
		ok = step_rule(w, &rule);
	}
	if (!ok)
		return STEP_STUCK;
	return w->pc < 4096 ? STEP_ROOT : STEP_CALLER;
}

#define FAST_FP_SAME ((unsigned)HS_CFA_SP | (unsigned)HS_FP_SAME << 3)
#define FAST_FP_SAVED ((unsigned)HS_CFA_SP | (unsigned)HS_FP_AT_CFA << 3)
#define FAST_RA (UINT64_C(0x7fff)) /* -8, as packed */

/*
 * Nearly all frames, once they are cached: CFA from sp, the return address just below it, fp untouched or saved
 * in the frame; so every word lies between sp and the CFA.  Stops in front of any other frame.  The
 * same as step(), with the state in registers: 5 instead of 8 ns a frame.
 */
RAW_READ static size_t collect_fast(struct walk *walk, uint64_t generation, uint64_t *pcs, size_t n, size_t cap)
{
	uintptr_t pc = walk->pc, sp = walk->sp, fp = walk->fp, high = walk->high;
	bool fp_known = walk->fp_known;

	while (n < cap) {
		uint64_t key = (uint64_t)(pc - 1) ^ generation;
		const struct cache_slot *slot = slot_of(key);
		uint64_t packed = hs_load_relaxed(&slot->xrule);
		unsigned kind = packed & 0x3f;
		uintptr_t cfa = sp + (uintptr_t)(intptr_t)unfield(packed, 9, 25);
		uintptr_t next;

		if ((hs_load_relaxed(&slot->xcheck) ^ mix(packed)) != key || packed >> 49 != FAST_RA || cfa <= sp || cfa > high)
			break;
		if (kind == FAST_FP_SAVED) {
			uintptr_t at = cfa + (uintptr_t)(intptr_t)unfield(packed, 34, 15);

			if (at < sp || at >= cfa)
				break;
			fp = *(const volatile uintptr_t *)at;
			fp_known = true;
		} else if (kind != FAST_FP_SAME) {
			break;
		}
		next = *(const volatile uintptr_t *)(cfa - 8);
		sp = cfa;
		pc = strip(next);
		if (pc < 4096)
			break;
		pcs[n++] = pc;
	}
	walk->pc = pc;
	walk->sp = sp;
	walk->fp = fp;
	walk->fp_known = fp_known;
	return n;
}

static bool left_out(uintptr_t pc)
{
	return pc >= config.skip_low && pc < config.skip_high;
}

static size_t collect(struct walk *w, uint64_t *pcs, size_t cap, bool *ret_truncated)
{
	uint64_t generation = generation_key();
	enum step s = STEP_CALLER;
	size_t n = 0;

	for (unsigned i = 0; i < LIMIT && s == STEP_CALLER; i++) {
		if (n > 0 && !w->exact)
			n = collect_fast(w, generation, pcs, n, cap);
		s = w->pc < 4096 ? STEP_ROOT : step(w, generation);
		if (s != STEP_CALLER || (n == 0 && left_out(w->pc)))
			continue;
		if (n == cap)
			break;
		pcs[n++] = w->exact ? w->pc + 1 : w->pc;
	}
	*ret_truncated = s != STEP_ROOT;
	return n;
}

HS_NOINLINE size_t hs_unwind_capture(const struct hs_stack_bounds *bounds, bool *busy, uint64_t *pcs, size_t cap,
				     bool *ret_truncated)
{
	struct walk w = {.exact = true, .fp_known = true, .bounds = *bounds};
	size_t n;

	*ret_truncated = true;
	if (*busy)
		return 0;
	*busy = true;
	hs_compiler_fence(); /* a handler that comes now must see the flag */
#if defined(__x86_64__)
	__asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2" : "=&r"(w.pc), "=&r"(w.sp), "=&r"(w.fp));
#elif defined(__aarch64__)
	__asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29" : "=&r"(w.pc), "=&r"(w.sp), "=&r"(w.fp));
#endif
	if (w.sp >= bounds->low && w.sp < bounds->high && w.sp - bounds->low < HS_UNWIND_STACK_BYTES) {
		n = 0;
	} else {
		set_limits(&w, w.sp);
		n = collect(&w, pcs, hs_min(cap, HS_UNWIND_FRAMES_MAX), ret_truncated);
	}
	hs_compiler_fence();
	*busy = false;
	return n;
}

void hs_unwind_flush(void)
{
	hs_add_relaxed(&xflushes, 1);
}

void hs_unwind_init(struct hs_modules *modules, uintptr_t skip_low, uintptr_t skip_high)
{
	struct hs_stack_bounds bounds = {0, 0};
	uint64_t pcs[2];
	bool busy = false, truncated;

	config.modules = modules;
	config.skip_low = skip_low;
	config.skip_high = skip_high;
	(void)hs_unwind_capture(&bounds, &busy, pcs, hs_array_size(pcs), &truncated);
}
