/* SPDX-License-Identifier: MIT */
/*
 * Each module gets a Dwfl session of its own, opened at its first lookup, so that one that goes away, or
 * a hostile pair that overlaps, leaves the others alone.
 *
 * A wrong name is worse than none.  So a file counts as the module only when it is a whole ELF file whose
 * build-id is the one that the target saw, and a symbol counts only when the address lies within its size.
 */
#include "sym/symbolize.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sym/demangle.h"
#include "sym/elffile.h"
#include "sym/symcache.h"

#define BUILD_ID_MAX 64
#define INLINE_MAX 64 /* deeper chains lose their outer end */

/* Addresses [low, high) of the module belong to the unit whose DIE is at `cu`. */
struct cu_range {
	Dwarf_Addr low, high;
	Dwarf_Off cu;
};

struct module {
	uint64_t start, end, bias;
	size_t build_id_bytes;
	uint8_t build_id[BUILD_ID_MAX];
	const char *path; /* interned; NULL when there was none */
	const char *base; /* within path */
	bool tried;	  /* `dwfl` is final, NULL when no file could be used */
	Dwfl *dwfl;
	Dwfl_Module *mod; /* goes with dwfl */
	bool ranged;
	struct cu_range *ranges;
	size_t n_ranges;
	struct ht_addrcache cache;
};

struct ht_sym {
	pid_t pid;
	struct module *modules; /* by start */
	size_t n_modules;
	struct ht_strtab strings;
};

struct ht_sym *ht_sym_create(pid_t pid)
{
	struct ht_sym *sym = calloc(1, sizeof(*sym));

	if (!sym)
		return NULL;
	sym->pid = pid;
	return sym;
}

static void module_done(struct module *m)
{
	if (m->dwfl)
		dwfl_end(m->dwfl);
	free(m->ranges);
	ht_addrcache_done(&m->cache);
	*m = (struct module){ 0 };
}

void ht_sym_destroy(struct ht_sym *sym)
{
	if (!sym)
		return;
	for (size_t i = 0; i < sym->n_modules; i++)
		module_done(&sym->modules[i]);
	free(sym->modules);
	ht_strtab_done(&sym->strings);
	free(sym);
}

/* ---- the module list ---- */

static bool same_module(const struct module *a, const struct module *b)
{
	return a->start == b->start && a->end == b->end && a->bias == b->bias && a->path == b->path &&
	       a->build_id_bytes == b->build_id_bytes && memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0;
}

static int by_start(const void *a, const void *b)
{
	const struct module *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static struct module describe_module(struct ht_sym *sym, const struct ht_sym_module *from)
{
	struct module m = { .start = from->start, .end = from->end, .bias = from->bias };
	const char *slash;

	m.path = ht_strtab_intern(&sym->strings, from->path && from->path[0] ? from->path : NULL);
	slash = m.path ? strrchr(m.path, '/') : NULL;
	m.base = slash && slash[1] ? slash + 1 : m.path;
	if (from->build_id && from->build_id_bytes <= BUILD_ID_MAX) {
		m.build_id_bytes = from->build_id_bytes;
		memcpy(m.build_id, from->build_id, from->build_id_bytes);
	}
	return m;
}

int ht_sym_set_modules(struct ht_sym *sym, const struct ht_sym_module *modules, size_t n)
{
	struct module *list = calloc(n ? n : 1, sizeof(*list));
	size_t n_list = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (modules[i].start < modules[i].end)
			list[n_list++] = describe_module(sym, &modules[i]);
	qsort(list, n_list, sizeof(*list), by_start);
	for (size_t i = 0, j = 0; i < sym->n_modules; i++) {
		struct module *old = &sym->modules[i];

		while (j < n_list && list[j].start < old->start)
			j++;
		if (j < n_list && same_module(&list[j], old))
			list[j++] = *old;
		else
			module_done(old);
	}
	free(sym->modules);
	sym->modules = list;
	sym->n_modules = n_list;
	return 0;
}

/* Of overlapping modules (the table is hostile) the one that starts last. */
static struct module *find_module(struct ht_sym *sym, uint64_t pc)
{
	size_t low = 0, high = sym->n_modules;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sym->modules[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	while (low > 0)
		if (pc < sym->modules[--low].end)
			return &sym->modules[low];
	return NULL;
}

/* ---- opening a file ---- */

static int find_no_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **ret_file,
		       Elf **ret_elf)
{
	return -1; /* the file is given when the module is reported */
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static bool open_file(struct module *m, const char *path, bool must_match)
{
	int fd = ht_elf_open(path, m->build_id, m->build_id_bytes, must_match);

	if (fd < 0)
		return false;
	m->dwfl = dwfl_begin(&callbacks);
	if (m->dwfl) {
		dwfl_report_begin(m->dwfl);
		m->mod = dwfl_report_elf(m->dwfl, m->base, path, fd, m->bias, /* add_p_vaddr */ true);
		if (m->mod) {
			dwfl_report_end(m->dwfl, NULL, NULL);
			return true; /* the descriptor is libdwfl's now */
		}
		dwfl_end(m->dwfl);
		m->dwfl = NULL;
	}
	close(fd);
	return false;
}

/*
 * The target's file under its own root comes first.  Where that is the very file that we see under the
 * plain path, the plain path is used, because separate debug files are looked for beside it.
 */
static void open_module(struct ht_sym *sym, struct module *m)
{
	char rooted[PATH_MAX];
	struct stat there, here;
	int n;

	m->tried = true;
	if (!m->path || m->path[0] != '/')
		return;
	if (sym->pid > 0) {
		n = snprintf(rooted, sizeof(rooted), "/proc/%d/root%s", (int)sym->pid, m->path);
		if (n > 0 && (size_t)n < sizeof(rooted) && stat(rooted, &there) == 0 &&
		    (stat(m->path, &here) != 0 || here.st_dev != there.st_dev || here.st_ino != there.st_ino)) {
			if (open_file(m, rooted, /* must_match */ false))
				return;
			open_file(m, m->path, /* must_match */ true);
			return;
		}
	}
	if (open_file(m, m->path, /* must_match */ false) || sym->pid <= 0)
		return;
	/* an executable that has been replaced or deleted can still be read here */
	snprintf(rooted, sizeof(rooted), "/proc/%d/exe", (int)sym->pid);
	open_file(m, rooted, /* must_match */ true);
}

/* ---- DWARF ---- */

static int by_low(const void *a, const void *b)
{
	const struct cu_range *x = a, *y = b;

	return x->low < y->low ? -1 : x->low > y->low;
}

/* Clang writes no .debug_aranges, and libdw's own search knows nothing else: the units tell it too. */
static void collect_ranges(struct module *m, Dwarf *dwarf)
{
	size_t capacity = 0;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t kind;

	m->ranged = true;
	while (dwarf_get_units(dwarf, cu, &cu, NULL, &kind, &die, NULL) == 0) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (kind != DW_UT_compile)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0) {
			if (m->n_ranges == capacity) {
				struct cu_range *more;

				capacity = capacity ? capacity * 2 : 256;
				more = realloc(m->ranges, capacity * sizeof(*more));
				if (!more)
					return;
				m->ranges = more;
			}
			m->ranges[m->n_ranges++] = (struct cu_range){ low, high, dwarf_dieoffset(&die) };
		}
	}
	if (m->n_ranges)
		qsort(m->ranges, m->n_ranges, sizeof(*m->ranges), by_low);
}

/* The unit that holds `pc`; ret_bias is what was added to its addresses. */
static bool find_unit(struct module *m, uint64_t pc, Dwarf_Die *ret_die, Dwarf_Addr *ret_bias)
{
	Dwarf_Addr bias;
	Dwarf *dwarf = dwfl_module_getdwarf(m->mod, &bias);
	Dwarf_Die *die;
	size_t low = 0, high;

	if (!dwarf)
		return false;
	die = dwfl_module_addrdie(m->mod, pc, ret_bias);
	if (die) {
		*ret_die = *die;
		return true;
	}
	if (!m->ranged)
		collect_ranges(m, dwarf);
	high = m->n_ranges;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->ranges[middle].low <= pc - bias)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || pc - bias >= m->ranges[low - 1].high || !dwarf_offdie(dwarf, m->ranges[low - 1].cu, ret_die))
		return false;
	*ret_bias = bias;
	return true;
}

static const char *string_attribute(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));
}

static void name_frame(struct ht_sym *sym, struct ht_sym_frame *frame, const char *symbol)
{
	char *readable = ht_sym_demangle(symbol);

	frame->symbol = ht_strtab_intern(&sym->strings, symbol);
	frame->function = readable ? ht_strtab_intern(&sym->strings, readable) : frame->symbol;
	free(readable);
}

/* A function that exists only inlined has no linkage name in GCC's output: name it by what it lies in. */
static void name_with_scopes(struct ht_sym *sym, struct ht_sym_frame *frame, Dwarf_Die *die, const char *name)
{
	char whole[1024];
	Dwarf_Attribute attribute;
	Dwarf_Die origin = *die, *scopes = NULL;
	size_t at = sizeof(whole) - 1;
	int n, hops = 0;

	while (dwarf_formref_die(dwarf_attr(&origin, DW_AT_abstract_origin, &attribute), &origin) ||
	       dwarf_formref_die(dwarf_attr(&origin, DW_AT_specification, &attribute), &origin))
		if (++hops > 8) /* a hostile circle */
			break;
	whole[at] = '\0';
	n = dwarf_getscopes_die(&origin, &scopes);
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);
		const char *part = i == 0 ? name : dwarf_diename(&scopes[i]);
		size_t bytes = part ? strlen(part) : 0, colons = i == 0 ? 0 : 2;

		if (i > 0 && tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type &&
		    tag != DW_TAG_union_type)
			break;
		if (!part || bytes + colons > at)
			continue;
		at -= colons;
		memcpy(whole + at, "::", colons);
		at -= bytes;
		memcpy(whole + at, part, bytes);
	}
	free(scopes);
	frame->symbol = ht_strtab_intern(&sym->strings, name);
	frame->function = ht_strtab_intern(&sym->strings, whole[at] ? whole + at : name);
}

static void name_from_die(struct ht_sym *sym, struct ht_sym_frame *frame, Dwarf_Die *die)
{
	const char *name = string_attribute(die, DW_AT_linkage_name);
	int language;
	Dwarf_Die unit;

	if (name) {
		name_frame(sym, frame, name);
		return;
	}
	name = dwarf_diename(die);
	if (!name)
		return;
	language = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : DW_LANG_C;
	if (language == DW_LANG_C_plus_plus || language == DW_LANG_C_plus_plus_03 || language == DW_LANG_Rust ||
	    language == DW_LANG_C_plus_plus_11 || language == DW_LANG_C_plus_plus_14)
		name_with_scopes(sym, frame, die, name);
	else
		name_frame(sym, frame, name);
}

/* Where the inlined body of `die` was called from: the place of the next frame outwards. */
static void call_place(struct ht_sym *sym, Dwarf_Die *die, const char **ret_file, int *ret_line)
{
	Dwarf_Attribute attribute;
	Dwarf_Files *files;
	Dwarf_Word value;
	Dwarf_Die cu;

	*ret_file = NULL;
	*ret_line = 0;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0 && value <= INT_MAX)
		*ret_line = (int)value;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0 &&
	    dwarf_diecu(die, &cu, NULL, NULL) && dwarf_getsrcfiles(&cu, &files, NULL) == 0)
		*ret_file = ht_strtab_intern(&sym->strings, dwarf_filesrc(files, value, NULL, NULL));
}

/*
 * Walks outwards from the innermost scope.  dwarf_getscopes() leaves the concrete tree at the first
 * inlined body and goes on with the place of its definition, therefore dwarf_getscopes_die() of the
 * innermost scope is walked instead.
 */
static size_t chain_from_dwarf(struct ht_sym *sym, struct module *m, uint64_t pc, struct ht_sym_frame *frames)
{
	Dwarf_Die unit, *around = NULL, *scopes = NULL;
	Dwarf_Addr bias;
	Dwarf_Line *line;
	const char *file = NULL;
	int number = 0, n_scopes = 0, n;
	size_t n_frames = 0;

	if (!find_unit(m, pc, &unit, &bias))
		return 0;
	line = dwarf_getsrc_die(&unit, pc - bias);
	if (line) {
		file = ht_strtab_intern(&sym->strings, dwarf_linesrc(line, NULL, NULL));
		dwarf_lineno(line, &number);
	}
	n = dwarf_getscopes(&unit, pc - bias, &around);
	if (n > 0)
		n_scopes = dwarf_getscopes_die(&around[0], &scopes);
	for (int i = 0; i < n_scopes && n_frames < INLINE_MAX; i++) {
		int tag = dwarf_tag(&scopes[i]);
		struct ht_sym_frame *frame = &frames[n_frames];

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		*frame = (struct ht_sym_frame){ .file = file, .line = number };
		frame->inlined = tag == DW_TAG_inlined_subroutine;
		name_from_die(sym, frame, &scopes[i]);
		n_frames++;
		if (!frame->inlined)
			break;
		call_place(sym, &scopes[i], &file, &number);
	}
	free(scopes);
	free(around);
	if (n_frames == 0 && file) { /* lines without functions: assembler */
		frames[0] = (struct ht_sym_frame){ .file = file, .line = number };
		n_frames = 1;
	}
	return n_frames;
}

static void name_from_symtab(struct ht_sym *sym, struct module *m, uint64_t pc, struct ht_sym_frame *frame)
{
	GElf_Off offset = 0;
	GElf_Sym entry = { 0 };
	const char *name = dwfl_module_addrinfo(m->mod, pc, &offset, &entry, NULL, NULL, NULL);
	int type = GELF_ST_TYPE(entry.st_info);

	/* without the size the next symbol before would do, however far away and whatever it is */
	if (name && name[0] && offset < entry.st_size && (type == STT_FUNC || type == STT_GNU_IFUNC))
		name_frame(sym, frame, name);
}

/* ---- lookups ---- */

static size_t resolve(struct ht_sym *sym, struct module *m, uint64_t pc, struct ht_sym_frame *frames)
{
	size_t n = 0;

	if (!m->tried)
		open_module(sym, m);
	if (m->dwfl) {
		n = chain_from_dwarf(sym, m, pc, frames);
		if (n == 0)
			frames[n++] = (struct ht_sym_frame){ 0 };
		if (!frames[n - 1].function && !frames[n - 1].inlined)
			name_from_symtab(sym, m, pc, &frames[n - 1]);
	} else {
		frames[n++] = (struct ht_sym_frame){ 0 };
	}
	for (size_t i = 0; i < n; i++) {
		frames[i].module = m->base;
		frames[i].offset = pc - m->bias;
	}
	return n;
}

size_t ht_sym_lookup(struct ht_sym *sym, uint64_t address, bool exact, struct ht_sym_frame *ret, size_t cap)
{
	/* a return address belongs to the call before it, which may be the last of another line */
	uint64_t pc = exact || address == 0 ? address : address - 1;
	struct module *m = find_module(sym, pc);
	const struct ht_addrcache_entry *entry;
	struct ht_sym_frame frames[INLINE_MAX];
	size_t n;

	if (cap == 0)
		return 0;
	if (!m) {
		ret[0] = (struct ht_sym_frame){ .offset = address };
		return 1;
	}
	entry = ht_addrcache_find(&m->cache, pc);
	if (entry) {
		n = entry->n_frames < cap ? entry->n_frames : cap;
		memcpy(ret, entry->frames, n * sizeof(*ret));
		return n;
	}
	n = resolve(sym, m, pc, frames);
	ht_addrcache_add(&m->cache, pc, frames, n);
	n = n < cap ? n : cap;
	memcpy(ret, frames, n * sizeof(*ret));
	return n;
}
