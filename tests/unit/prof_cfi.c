/* SPDX-License-Identifier: MIT */
/* Tables of all loaded objects, and damaged ones. */
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "prof/cfi.h"

struct tables {
	const uint8_t *hdr;
	uintptr_t low, high, text_low, text_high;
};

static int scan_object(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct tables t = {.low = UINTPTR_MAX};
	struct tables *own = data;
	struct hs_cfi_rule rule;
	uint64_t n = 0, found = 0;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_GNU_EH_FRAME)
			t.hdr = (const uint8_t *)at;
		if (p->p_type != PT_LOAD)
			continue;
		t.low = at < t.low ? at : t.low;
		t.high = at + p->p_memsz > t.high ? at + p->p_memsz : t.high;
		if (p->p_flags & PF_X) {
			t.text_low = at;
			t.text_high = at + p->p_memsz;
		}
	}
	if (t.hdr == NULL)
		return 0;
	for (uintptr_t pc = t.text_low; pc < t.text_high; pc += 37) {
		n++;
		found += hs_cfi_find(t.hdr, t.low, t.high, pc, &rule);
	}
	print_message("%-50.50s rules for %lu of %lu addresses\n", info->dlpi_name, (unsigned long)found,
		      (unsigned long)n);
	if (strstr(info->dlpi_name, "libc.so") != NULL)
		assert_true(found * 100 > n * 95);
	if (own->hdr == NULL)
		*own = t;
	return 0;
}

static void every_object_is_readable(void **state)
{
	struct tables own = {NULL};

	dl_iterate_phdr(scan_object, &own);
	assert_non_null(own.hdr);
}

/* Red zones of ASan lie between the tables and what follows. */
__attribute__((no_sanitize("address", "undefined"))) static void copy_raw(uint8_t *to, const volatile uint8_t *from,
									    size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* A copy with random damage: must neither fault nor read outside (ASan), whatever it answers. */
static void damaged_tables(void **state)
{
	struct tables t = {NULL};
	size_t bytes;
	uint8_t *copy, *good;

	dl_iterate_phdr(scan_object, &t);
	bytes = hs_min(t.high - (uintptr_t)t.hdr, 16384);
	good = malloc(bytes);
	copy_raw(good, t.hdr, bytes);
	srand(3);
	for (int round = 0; round < 3000; round++) {
		struct hs_cfi_rule rule;

		copy = malloc(bytes);
		memcpy(copy, good, bytes);
		for (int i = 0; i < 1 + round % 40; i++)
			copy[(size_t)rand() % bytes] = (uint8_t)rand();
		for (uintptr_t pc = t.text_low; pc < t.text_high; pc += 997)
			(void)hs_cfi_find(copy, (uintptr_t)copy, (uintptr_t)copy + bytes,
					  pc - (uintptr_t)t.hdr + (uintptr_t)copy, &rule);
		free(copy);
	}
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_is_readable),
		cmocka_unit_test(damaged_tables),
	};

	return cmocka_run_group_tests_name("prof_cfi", tests, NULL, NULL);
}
