/* SPDX-License-Identifier: MIT */
/* The loaded objects: found by address, published with path and build-id, followed through dlopen and dlclose. */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "prof/modules.h"

/* Any object that this program does not need itself. */
#define PLUGIN "libncurses.so.6"
#define PLUGIN_FALLBACK "libanl.so.1"

static struct hs_rows rows;
static struct hs_meta meta;
static uint64_t meta_bytes;
static struct hs_modules modules;

static int set_up(void **state)
{
	memset(&rows, 0, sizeof(rows));
	assert_true(hs_rows_init(&rows, 40));
	hs_meta_init(&meta, NULL, &meta_bytes);
	assert_true(hs_modules_init(&modules, &rows, &meta));
	return 0;
}

static int tear_down(void **state)
{
	hs_rows_done(&rows);
	return 0;
}

static uint64_t count(void)
{
	return rows.header->tables[HEAPSPY_T_MODULES - 1].count;
}

static const struct heapspy_module *row_at(uintptr_t pc)
{
	for (uint64_t i = 0; i < count(); i++)
		if (pc >= rows.modules[i].start && pc < rows.modules[i].end && rows.modules[i].flags == 0)
			return &rows.modules[i];
	return NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && memcmp(text + n - m, end, m) == 0;
}

static void *open_plugin(void)
{
	void *handle = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);

	return handle != NULL ? handle : dlopen(PLUGIN_FALLBACK, RTLD_NOW | RTLD_LOCAL);
}

static void nothing_before_refresh(void **state)
{
	struct hs_module m;

	assert_false(hs_modules_find(&modules, (uintptr_t)&set_up, &m));
	assert_int_equal(count(), 0);
}

static void finds_what_is_loaded(void **state)
{
	char exe[PATH_MAX] = "";
	const struct heapspy_module *row;
	struct hs_module m;

	hs_modules_refresh(&modules);
	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	row = row_at((uintptr_t)&set_up);
	assert_non_null(row);
	assert_string_equal(row->path, exe);
	row = row_at((uintptr_t)&getppid);
	assert_non_null(row);
	assert_true(ends_with(row->path, "/libc.so.6"));
	assert_int_equal(row->build_id_bytes, 20);
	assert_int_equal(row->seq % 2, 0);
	assert_true(hs_modules_find(&modules, (uintptr_t)&set_up, &m));
	assert_true(m.start <= (uintptr_t)&set_up && (uintptr_t)&set_up < m.end);
	assert_non_null(m.eh_frame_hdr);
	assert_true(hs_modules_find(&modules, m.start, &m));
	assert_false(hs_modules_find(&modules, 4096, &m));
	assert_false(hs_modules_find(&modules, UINTPTR_MAX, &m));
	assert_false(hs_modules_find(&modules, (uintptr_t)&m, &m)); /* a stack address */
}

static int same_as_loader(struct dl_phdr_info *info, size_t bytes, void *data)
{
	uint64_t *n = data;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const struct heapspy_module *row;
		struct hs_module m;

		if (p->p_type != PT_LOAD)
			continue;
		assert_true(hs_modules_find(&modules, info->dlpi_addr + p->p_vaddr, &m));
		assert_true(hs_modules_find(&modules, info->dlpi_addr + p->p_vaddr + p->p_memsz - 1, &m));
		row = row_at(info->dlpi_addr + p->p_vaddr);
		assert_non_null(row);
		assert_int_equal(row->bias, info->dlpi_addr);
	}
	(*n)++;
	return 0;
}

static void agrees_with_loader(void **state)
{
	uint64_t n = 0;

	hs_modules_refresh(&modules);
	dl_iterate_phdr(same_as_loader, &n);
	assert_int_equal(n, count());
}

static void no_change_no_work(void **state)
{
	uint32_t generation;

	hs_modules_refresh(&modules);
	generation = hs_modules_generation(&modules);
	hs_modules_refresh(&modules);
	assert_int_equal(hs_modules_generation(&modules), generation);
}

static void unloaded_keeps_its_row(void **state)
{
	void *handle;
	struct link_map *map;
	const struct heapspy_module *row;
	struct hs_module m;
	uint64_t before, with;
	uintptr_t at;

	hs_modules_refresh(&modules);
	before = count();
	handle = open_plugin();
	if (handle == NULL)
		skip();
	assert_int_equal(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
	at = (uintptr_t)map->l_ld;
	hs_modules_refresh(&modules);
	with = count();
	assert_true(with > before);
	row = row_at(at);
	assert_non_null(row);
	assert_true(hs_modules_find(&modules, at, &m));
	dlclose(handle);
	hs_modules_refresh(&modules);
	assert_false(hs_modules_find(&modules, at, &m));
	assert_int_equal(row->flags, 1);
	assert_int_equal(count(), with);
	for (int i = 0; i < 20; i++) { /* the same one at the same place takes its row again */
		handle = open_plugin();
		hs_modules_refresh(&modules);
		dlclose(handle);
		hs_modules_refresh(&modules);
	}
	assert_true(count() <= with * 2 + 20);
}

static void full_table_reuses_the_oldest(void **state)
{
	void *handle;

	hs_modules_refresh(&modules);
	modules.capacity = modules.n_entries;
	handle = open_plugin();
	if (handle == NULL)
		skip();
	hs_modules_refresh(&modules);
	assert_true(rows.header->lost_modules > 0);
	dlclose(handle);
}

static int xstop;

static void *look_up(void *arg)
{
	uintptr_t at = (uintptr_t)&getppid;
	uint64_t *n_misses = arg;
	struct hs_module m;

	while (!__atomic_load_n(&xstop, __ATOMIC_RELAXED)) {
		if (!hs_modules_find(&modules, at, &m))
			(*n_misses)++;
		else
			assert_true(at >= m.start && at < m.end);
	}
	return NULL;
}

static void readers_while_it_changes(void **state)
{
	uint64_t misses = 0;
	pthread_t reader;

	hs_modules_refresh(&modules);
	__atomic_store_n(&xstop, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&reader, NULL, look_up, &misses), 0);
	for (int i = 0; i < 200; i++) {
		void *handle = open_plugin();

		hs_modules_refresh(&modules);
		if (handle != NULL)
			dlclose(handle);
		hs_modules_refresh(&modules);
	}
	__atomic_store_n(&xstop, 1, __ATOMIC_RELAXED);
	pthread_join(reader, NULL);
	print_message("lookups given up during a refresh: %lu\n", (unsigned long)misses);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(nothing_before_refresh), WITH(finds_what_is_loaded),	  WITH(agrees_with_loader),
		WITH(no_change_no_work),      WITH(unloaded_keeps_its_row), WITH(full_table_reuses_the_oldest),
		WITH(readers_while_it_changes),
	};

	return cmocka_run_group_tests_name("prof_modules", tests, NULL, NULL);
}
