/* SPDX-License-Identifier: MIT */
/*
 * DWARF 4, section 6.4.2.  Each instruction changes one register's rule or moves the location; the
 * state when the location passes pc is the rule.  Registers other than the three are stepped over.
 *
 * Invariant: n_saved <= STATES_MAX; once `bad`, nothing of the state is used.
 */
#include "prof/cfi_program.h"

#if defined(__x86_64__)
#define REG_FP 6u
#define REG_SP 7u
#define RA_STARTS_IN_REGISTER false
#elif defined(__aarch64__)
#define REG_FP 29u
#define REG_SP 31u
#define RA_STARTS_IN_REGISTER true
#endif

/* Nested remember_state: gcc and clang use one level, hand-written code two. */
#define STATES_MAX 6u

#define DW_OP_deref 0x06
#define DW_OP_lit0 0x30
#define DW_OP_breg0 0x70
#define DW_OP_plus_uconst 0x23

/* Rule of one register. */
struct reg_rule {
	enum { SAME, AT_CFA, AT_FP, UNDEFINED, OTHER } kind;
	int64_t offset;
};

struct state {
	enum { CFA_BAD, CFA_REG, CFA_DEREF } cfa;
	uint64_t cfa_reg;
	int64_t cfa_offset;
	int64_t cfa_add;
	struct reg_rule fp, ra;
};

struct machine {
	struct hs_cursor c;
	const struct hs_cie *cie;
	uint64_t loc; /* the state holds from here on */
	uint64_t pc;  /* wanted */
	struct state now;
	const struct state *initial; /* NULL while the CIE's own program runs */
	struct state saved[STATES_MAX];
	unsigned n_saved;
	bool bad;
};

/* NULL: a register that does not matter. */
static struct reg_rule *rule_of(struct machine *m, uint64_t reg)
{
	if (reg == REG_FP)
		return &m->now.fp;
	return reg == HS_DWARF_RA ? &m->now.ra : NULL;
}

static void set_rule(struct machine *m, uint64_t reg, int kind, int64_t offset)
{
	struct reg_rule *rule = rule_of(m, reg);

	if (rule != NULL) {
		rule->kind = kind;
		rule->offset = offset;
	} else if (reg == REG_SP && kind != SAME) {
		m->now.cfa = CFA_BAD; /* a caller whose sp is not the CFA: not followed */
	}
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	if (m->initial == NULL)
		m->bad = true;
	else if (reg == REG_FP)
		m->now.fp = m->initial->fp;
	else if (reg == HS_DWARF_RA)
		m->now.ra = m->initial->ra;
}

/* An expression block; returns a cursor on it and steps over it. */
static struct hs_cursor take_block(struct hs_cursor *c)
{
	uint64_t bytes = hs_take_uleb(c);
	struct hs_cursor block = *c;

	hs_skip(c, bytes);
	block.end = c->p;
	block.bad = c->bad;
	return block;
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->now.cfa = CFA_REG;
	m->now.cfa_reg = reg;
	m->now.cfa_offset = offset;
}

/*
 * All stubs of a procedure linkage table share one rule, computed from the address: "sp + 8, and 8 more from byte N
 * of the stub on", where the relocation's index has been pushed.  The address is known here.
 */
static bool set_cfa_stub(struct machine *m, struct hs_cursor e)
{
#if defined(__x86_64__)
	static const uint8_t form[] = {0x77, 8, 0x80, 0, 0x3f, 0x1a, 0 /* lit N */, 0x2a, 0x33, 0x24, 0x22};
	unsigned limit;

	if (e.bad || e.end - e.p != sizeof(form))
		return false;
	for (unsigned i = 0; i < sizeof(form); i++)
		if (i != 6 && e.p[i] != form[i])
			return false;
	limit = e.p[6] - DW_OP_lit0;
	set_cfa(m, REG_SP, (m->pc & 15) >= limit ? 16 : 8);
	return limit <= 15;
#else
	return false;
#endif
}

/* "breg R off; deref; [plus_uconst N]": the only forms that compilers and perlasm emit for a CFA. */
static void set_cfa_expression(struct machine *m)
{
	struct hs_cursor e = take_block(&m->c);
	uint64_t op;

	if (set_cfa_stub(m, e))
		return;
	m->now.cfa = CFA_BAD;
	op = hs_take(&e, 1);
	if (op < DW_OP_breg0 || op > DW_OP_breg0 + 31)
		return;
	m->now.cfa_reg = op - DW_OP_breg0;
	m->now.cfa_offset = hs_take_sleb(&e);
	m->now.cfa_add = 0;
	if (hs_take(&e, 1) != DW_OP_deref || e.bad)
		return;
	if (e.p < e.end) {
		if (hs_take(&e, 1) != DW_OP_plus_uconst)
			return;
		m->now.cfa_add = (int64_t)hs_take_uleb(&e);
	}
	if (!e.bad && e.p == e.end)
		m->now.cfa = CFA_DEREF;
}

/* "breg FP off" as the place where a register was saved: functions with a realigned stack. */
static void set_register_expression(struct machine *m, uint64_t reg)
{
	struct hs_cursor e = take_block(&m->c);
	uint64_t op = hs_take(&e, 1);
	int64_t offset = hs_take_sleb(&e);
	bool simple = op == DW_OP_breg0 + REG_FP && !e.bad && e.p == e.end;

	set_rule(m, reg, simple ? AT_FP : OTHER, simple ? offset : 0);
}

static void remember(struct machine *m)
{
	if (m->n_saved == STATES_MAX)
		m->bad = true;
	else
		m->saved[m->n_saved++] = m->now;
}

/* Damaged tables may overflow here; the result is bounded when it becomes a rule. */
static int64_t scaled(const struct machine *m, int64_t factored)
{
	return (int64_t)((uint64_t)factored * (uint64_t)m->cie->data_align);
}

static void execute_cfa(struct machine *m, uint8_t op)
{
	struct hs_cursor *c = &m->c;
	uint64_t reg;

	switch (op) {
	case 0x0c: /* def_cfa */
		reg = hs_take_uleb(c);
		set_cfa(m, reg, (int64_t)hs_take_uleb(c));
		break;
	case 0x0d: /* def_cfa_register */
		set_cfa(m, hs_take_uleb(c), m->now.cfa_offset);
		break;
	case 0x0e: /* def_cfa_offset */
		set_cfa(m, m->now.cfa_reg, (int64_t)hs_take_uleb(c));
		break;
	case 0x0f: /* def_cfa_expression */
		set_cfa_expression(m);
		break;
	case 0x12: /* def_cfa_sf */
		reg = hs_take_uleb(c);
		set_cfa(m, reg, scaled(m, hs_take_sleb(c)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		set_cfa(m, m->now.cfa_reg, scaled(m, hs_take_sleb(c)));
		break;
	}
}

static void execute_rule(struct machine *m, uint8_t op)
{
	struct hs_cursor *c = &m->c;
	uint64_t reg = hs_take_uleb(c);

	switch (op) {
	case 0x05: /* offset_extended */
		set_rule(m, reg, AT_CFA, scaled(m, (int64_t)hs_take_uleb(c)));
		break;
	case 0x06: /* restore_extended */
		restore_rule(m, reg);
		break;
	case 0x07: /* undefined */
		set_rule(m, reg, UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set_rule(m, reg, SAME, 0);
		break;
	case 0x09: /* register */
	case 0x14: /* val_offset */
	case 0x15: /* val_offset_sf */
		(void)hs_take_uleb(c);
		set_rule(m, reg, OTHER, 0);
		break;
	case 0x10: /* expression */
		set_register_expression(m, reg);
		break;
	case 0x11: /* offset_extended_sf */
		set_rule(m, reg, AT_CFA, scaled(m, hs_take_sleb(c)));
		break;
	case 0x16: /* val_expression */
		(void)take_block(c);
		set_rule(m, reg, OTHER, 0);
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		set_rule(m, reg, AT_CFA, scaled(m, (int64_t)(0 - hs_take_uleb(c))));
		break;
	}
}

/* Instructions with operands of their own; the three with an operand in the opcode are in run(). */
static void execute(struct machine *m, uint8_t op)
{
	switch (op) {
	case 0x00: /* nop */
	case 0x2d: /* AARCH64_negate_ra_state: the walker strips signatures from every address */
		break;
	case 0x01: /* set_loc */
		m->loc = hs_take_encoded(&m->c, m->cie->fde_encoding);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		m->loc += hs_take(&m->c, 1u << (op - 2)) * m->cie->code_align;
		break;
	case 0x0a: /* remember_state */
		remember(m);
		break;
	case 0x0b: /* restore_state */
		if (m->n_saved == 0)
			m->bad = true;
		else
			m->now = m->saved[--m->n_saved];
		break;
	case 0x0c ... 0x0f:
	case 0x12 ... 0x13:
		execute_cfa(m, op);
		break;
	case 0x05 ... 0x09:
	case 0x10 ... 0x11:
	case 0x14 ... 0x16:
	case 0x2f:
		execute_rule(m, op);
		break;
	case 0x2e: /* GNU_args_size */
		(void)hs_take_uleb(&m->c);
		break;
	default:
		m->bad = true;
	}
}

/* Runs the program until its end or until the location passes `pc`. */
static bool run(struct machine *m, uint64_t pc)
{
	while (m->c.p < m->c.end && !m->bad && !m->c.bad) {
		uint64_t before = m->loc;
		uint8_t op = (uint8_t)hs_take(&m->c, 1);
		uint8_t low = op & 0x3f;

		switch (op >> 6) {
		case 1: /* advance_loc */
			m->loc += low * m->cie->code_align;
			break;
		case 2: /* offset */
			set_rule(m, low, AT_CFA, scaled(m, (int64_t)hs_take_uleb(&m->c)));
			break;
		case 3: /* restore */
			restore_rule(m, low);
			break;
		default:
			execute(m, op);
		}
		if (m->loc != before && m->loc > pc)
			break;
	}
	return !m->bad && !m->c.bad;
}

/* Multiples of 8 that fit: anything else is no frame that a compiler lays out. */
static bool fits(int64_t offset)
{
	return offset % 8 == 0 && offset >= INT32_MIN && offset <= INT32_MAX;
}

static bool cfa_to_rule(const struct state *s, struct hs_cfi_rule *rule)
{
	bool deref = s->cfa == CFA_DEREF;

	if (s->cfa == CFA_BAD || !fits(s->cfa_offset))
		return false;
	if (s->cfa_reg == REG_SP)
		rule->cfa = deref ? HS_CFA_SP_DEREF : HS_CFA_SP;
	else if (s->cfa_reg == REG_FP)
		rule->cfa = deref ? HS_CFA_FP_DEREF : HS_CFA_FP;
	else
		return false;
	if (deref && (s->cfa_add < 0 || s->cfa_add > 56 || s->cfa_add % 8 != 0))
		return false;
	rule->cfa_offset = (int32_t)s->cfa_offset;
	rule->cfa_add = deref ? (uint8_t)s->cfa_add : 0;
	return true;
}

static bool state_to_rule(const struct state *s, struct hs_cfi_rule *ret_rule)
{
	struct hs_cfi_rule rule = {.cfa = HS_CFA_ROOT};

	if (s->ra.kind == UNDEFINED) {
		*ret_rule = rule;
		return true;
	}
	if (!cfa_to_rule(s, &rule))
		return false;
	if (s->ra.kind == AT_CFA && fits(s->ra.offset))
		rule.ra_offset = (int32_t)s->ra.offset;
	else if (s->ra.kind == SAME && RA_STARTS_IN_REGISTER)
		rule.ra_in_register = true;
	else
		return false;
	rule.fp = HS_FP_LOST;
	if (s->fp.kind == SAME)
		rule.fp = HS_FP_SAME;
	else if ((s->fp.kind == AT_CFA || s->fp.kind == AT_FP) && fits(s->fp.offset))
		rule.fp = s->fp.kind == AT_CFA ? HS_FP_AT_CFA : HS_FP_AT_FP;
	rule.fp_offset = rule.fp == HS_FP_AT_CFA || rule.fp == HS_FP_AT_FP ? (int32_t)s->fp.offset : 0;
	*ret_rule = rule;
	return true;
}

bool hs_cfi_run(const struct hs_cie *cie, struct hs_cursor fde, uint64_t start, uint64_t pc,
		struct hs_cfi_rule *ret_rule)
{
	struct state initial;
	struct machine m;

	m.c = cie->program;
	m.cie = cie;
	m.loc = start;
	m.pc = pc;
	m.now = (struct state){.cfa = CFA_BAD};
	m.initial = NULL;
	m.n_saved = 0;
	m.bad = false;
	if (!run(&m, UINT64_MAX))
		return false;
	initial = m.now;
	m.initial = &initial;
	m.c = fde;
	return run(&m, pc) && state_to_rule(&m.now, ret_rule);
}
