/* SPDX-License-Identifier: MIT */
/*
 * Invariants, outside a refresh:
 *   loaded[0 .. xn_loaded) are the entries with is_loaded, and loaded[i].start < loaded[i + 1].start
 *   rows->modules[i] describes entries[i] for i < n_entries
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "prof/modules.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "os/sys.h"
#include "os/vm.h"

/* Gives up on a table that changes under it; a refresh rewrites it in some microseconds. */
#define FIND_ATTEMPTS 16

/* The private twin of a row. */
struct hs_module_entry {
	struct hs_module module;
	uint64_t identity; /* hash of bias, build-id and path */
	uint64_t seq;	   /* of the row: never read back from there */
	uint32_t serial;   /* of the last refresh that met it */
	bool is_loaded;
};

/* What the loader says of an object, collected before it is looked up. */
struct found {
	struct hs_module module;
	uint64_t bias;
	uint64_t identity;
	const uint8_t *build_id;
	uint32_t build_id_bytes;
	const char *path;
};

bool hs_modules_init(struct hs_modules *modules, struct hs_rows *rows, struct hs_meta *meta)
{
	uint32_t capacity = (uint32_t)rows->tables[HEAPSPY_T_MODULES - 1].capacity;

	*modules = (struct hs_modules){.rows = rows};
	modules->entries = hs_meta_alloc(meta, capacity * sizeof(*modules->entries), HS_CACHE_LINE);
	modules->loaded = hs_meta_alloc(meta, capacity * sizeof(*modules->loaded), HS_CACHE_LINE);
	if (modules->entries == NULL || modules->loaded == NULL)
		return false;
	modules->capacity = capacity;
	return true;
}

/* The GNU build-id note inside [p, p + bytes). */
static void find_build_id(const uint8_t *p, size_t bytes, struct found *found)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) note;
		size_t name, desc;

		memcpy(&note, p, sizeof(note));
		name = hs_align_up(note.n_namesz, 4);
		desc = hs_align_up(note.n_descsz, 4);
		if (name > bytes - sizeof(note) || desc > bytes - sizeof(note) - name)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(p + sizeof(note), "GNU", 4) == 0) {
			found->build_id = p + sizeof(note) + name;
			found->build_id_bytes = (uint32_t)hs_min(note.n_descsz, 32);
			return;
		}
		p += sizeof(note) + name + desc;
		bytes -= sizeof(note) + name + desc;
	}
}

/* Notes may lie in parts of a file that are not mapped. */
static bool is_mapped(const struct dl_phdr_info *info, const ElfW(Phdr) *part)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_R) != 0 && part->p_vaddr >= p->p_vaddr &&
		    part->p_vaddr + part->p_filesz <= p->p_vaddr + p->p_filesz)
			return true;
	}
	return false;
}

static void scan_headers(const struct dl_phdr_info *info, struct found *found)
{
	uint64_t low = UINT64_MAX, high = 0;
	size_t page = hs_vm_page_bytes();

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const void *at = (const void *)(info->dlpi_addr + p->p_vaddr);

		if (p->p_type == PT_LOAD) {
			low = hs_min(low, hs_align_down(p->p_vaddr, page));
			high = hs_max(high, hs_align_up(p->p_vaddr + p->p_memsz, page));
		} else if (p->p_type == PT_GNU_EH_FRAME && is_mapped(info, p)) {
			found->module.eh_frame_hdr = at;
		} else if (p->p_type == PT_NOTE && found->build_id == NULL && is_mapped(info, p)) {
			find_build_id(at, p->p_filesz, found);
		}
	}
	if (low < high) {
		found->module.start = info->dlpi_addr + low;
		found->module.end = info->dlpi_addr + high;
	}
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The entry of this object, whether it is loaded now or was before. */
static struct hs_module_entry *find_entry(struct hs_modules *modules, const struct found *found)
{
	for (uint32_t i = 0; i < modules->n_entries; i++) {
		struct hs_module_entry *e = &modules->entries[i];

		if (e->identity == found->identity && e->module.start == found->module.start &&
		    e->module.end == found->module.end)
			return e;
	}
	return NULL;
}

/* A new row, or when all are used that of the object that has been gone for longest. */
static struct hs_module_entry *new_entry(struct hs_modules *modules)
{
	struct hs_module_entry *oldest = NULL;

	if (modules->n_entries < modules->capacity &&
	    hs_rows_present(modules->rows, HEAPSPY_T_MODULES, modules->n_entries))
		return &modules->entries[modules->n_entries++];
	for (uint32_t i = 0; i < modules->n_entries; i++) {
		struct hs_module_entry *e = &modules->entries[i];

		if (!e->is_loaded && (oldest == NULL || modules->serial - e->serial > modules->serial - oldest->serial))
			oldest = e;
	}
	return oldest;
}

static void set_flags(struct hs_modules *modules, struct hs_module_entry *e, uint32_t flags)
{
	struct heapspy_module *row = &modules->rows->modules[e - modules->entries];

	hs_store_relaxed(&row->seq, e->seq);
	hs_seq_begin(&row->seq);
	hs_store_relaxed(&row->flags, flags);
	hs_seq_end(&row->seq);
	e->seq += 2;
}

static void write_row(struct hs_modules *modules, struct hs_module_entry *e, const struct found *found)
{
	uint32_t index = (uint32_t)(e - modules->entries);
	struct heapspy_module *row = &modules->rows->modules[index];
	size_t length = strlen(found->path);
	size_t cut = length >= sizeof(row->path) ? length - (sizeof(row->path) - 1) : 0;

	hs_store_relaxed(&row->seq, e->seq);
	hs_seq_begin(&row->seq);
	row->start = found->module.start;
	row->end = found->module.end;
	row->bias = found->bias;
	row->flags = 0;
	row->build_id_bytes = found->build_id_bytes;
	memset(row->build_id, 0, sizeof(row->build_id));
	if (found->build_id_bytes > 0)
		memcpy(row->build_id, found->build_id, found->build_id_bytes);
	memset(row->path, 0, sizeof(row->path));
	memcpy(row->path, found->path + cut, length - cut);
	hs_seq_end(&row->seq);
	e->seq += 2;
	(void)hs_rows_need(modules->rows, HEAPSPY_T_MODULES, index);
}

static void meet(struct hs_modules *modules, const struct found *found)
{
	struct hs_module_entry *e = find_entry(modules, found);

	if (e == NULL) {
		e = new_entry(modules);
		if (e == NULL) {
			hs_add_relaxed(&modules->rows->header->lost_modules, 1);
			return;
		}
		e->identity = found->identity;
		write_row(modules, e, found);
	} else if (!e->is_loaded) {
		set_flags(modules, e, 0);
	}
	e->module = found->module;
	e->is_loaded = true;
	e->serial = modules->serial;
}

static const char *main_path(char *buf, size_t cap)
{
	long n = hs_syscall4(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", buf, cap - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

/* Under the loader's lock: its strings and headers are valid. */
static int on_object(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct hs_modules *modules = data;
	struct found found = {.path = info->dlpi_name, .bias = info->dlpi_addr};
	char path[1024];

	if (!modules->changed) {
		if (bytes >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
			if (modules->n_entries > 0 && info->dlpi_adds == modules->adds && info->dlpi_subs == modules->subs)
				return 1;
			modules->adds = info->dlpi_adds;
			modules->subs = info->dlpi_subs;
		}
		modules->changed = true;
	}
	scan_headers(info, &found);
	if (found.module.start == found.module.end)
		return 0;
	/* the program itself is nameless */
	if (found.path == NULL || found.path[0] == '\0')
		found.path = main_path(path, sizeof(path));
	found.identity = hash_bytes(UINT64_C(0xcbf29ce484222325), &found.bias, sizeof(found.bias));
	found.identity = hash_bytes(found.identity, found.build_id, found.build_id_bytes);
	found.identity = hash_bytes(found.identity, found.path, strlen(found.path));
	meet(modules, &found);
	return 0;
}

/* Rewrites `loaded` from the entries, sorted by insertion: a few hundred, nearly sorted already. */
static void publish_loaded(struct hs_modules *modules)
{
	uint32_t n = 0;

	hs_seq_begin(&modules->xseq);
	for (uint32_t i = 0; i < modules->n_entries; i++) {
		const struct hs_module *new = &modules->entries[i].module;
		uint32_t at = n;

		if (!modules->entries[i].is_loaded)
			continue;
		for (; at > 0 && modules->loaded[at - 1].start > new->start; at--) {
			hs_store_relaxed(&modules->loaded[at].start, modules->loaded[at - 1].start);
			hs_store_relaxed(&modules->loaded[at].end, modules->loaded[at - 1].end);
			hs_store_relaxed(&modules->loaded[at].eh_frame_hdr, modules->loaded[at - 1].eh_frame_hdr);
		}
		hs_store_relaxed(&modules->loaded[at].start, new->start);
		hs_store_relaxed(&modules->loaded[at].end, new->end);
		hs_store_relaxed(&modules->loaded[at].eh_frame_hdr, new->eh_frame_hdr);
		n++;
	}
	hs_store_relaxed(&modules->xn_loaded, n);
	hs_seq_end(&modules->xseq);
	hs_add_relaxed(&modules->xgeneration, 1);
}

void hs_modules_refresh(struct hs_modules *modules)
{
	uint32_t idle = 0;

	if (modules->capacity == 0)
		return;
	/* [mo:modules-refresh acquire] the entries as the last refresher left them */
	if (!hs_cas_acquire(&modules->xrefreshing, &idle, 1))
		return;
	modules->serial++;
	modules->changed = false;
	(void)dl_iterate_phdr(on_object, modules);
	if (modules->changed) {
		for (uint32_t i = 0; i < modules->n_entries; i++) {
			struct hs_module_entry *e = &modules->entries[i];

			if (e->is_loaded && e->serial != modules->serial) {
				e->is_loaded = false;
				set_flags(modules, e, 1);
			}
		}
		publish_loaded(modules);
	}
	hs_store_release(&modules->xrefreshing, 0u); /* [mo:modules-refresh release] */
}

static bool find_once(const struct hs_modules *modules, uintptr_t pc, struct hs_module *ret_module)
{
	uint32_t lo = 0, hi = hs_load_relaxed(&modules->xn_loaded);

	if (hi > modules->capacity)
		return false;
	while (lo < hi) { /* first that starts behind pc */
		uint32_t mid = lo + (hi - lo) / 2;

		if (hs_load_relaxed(&modules->loaded[mid].start) <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	ret_module->start = hs_load_relaxed(&modules->loaded[lo - 1].start);
	ret_module->end = hs_load_relaxed(&modules->loaded[lo - 1].end);
	ret_module->eh_frame_hdr = hs_load_relaxed(&modules->loaded[lo - 1].eh_frame_hdr);
	return pc < ret_module->end;
}

bool hs_modules_find(const struct hs_modules *modules, uintptr_t pc, struct hs_module *ret_module)
{
	for (int i = 0; i < FIND_ATTEMPTS; i++) {
		/* [mo:row-seq acquire] pairs with hs_seq_end() */
		uint64_t before = hs_load_acquire(&modules->xseq);
		struct hs_module module;
		bool ok;

		if (before % 2 != 0)
			continue;
		ok = find_once(modules, pc, &module);
		/* the words read above come before this second look */
		hs_fence_acquire(); /* [mo:row-seq acquire] */
		if (hs_load_relaxed(&modules->xseq) != before)
			continue;
		if (ok)
			*ret_module = module;
		return ok;
	}
	return false;
}
