/* SPDX-License-Identifier: MIT */
/* rows - the directory, rows made present piece by piece, full tables, a full file system. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rows.h"
#include "model.h"
#include "os/vm.h"

#define N_CLASSES 72u

static void check_directory(const struct hs_rows *rows)
{
	const struct heapspy_header *h = rows->header;
	uint64_t end = sizeof(*h);

	assert_int_equal(h->major, HEAPSPY_MAJOR);
	assert_int_equal(h->n_tables, HS_N_TABLES);
	assert_int_equal(h->segment_bytes, rows->bytes);
	assert_int_equal(h->n_classes, N_CLASSES);
	assert_int_equal(h->magic, 0); /* only a published file has it */
	for (uint32_t i = 0; i < HS_N_TABLES; i++) {
		const struct heapspy_table *t = &h->tables[i];

		assert_int_equal(t->id, i + 1);
		assert_true(t->offset >= end);
		assert_int_equal(t->offset % hs_vm_page_bytes(), 0);
		end = t->offset + t->row_bytes * t->capacity;
		assert_true(end <= rows->bytes);
		assert_ptr_equal(rows->tables[i].base, rows->base + t->offset);
		assert_true(t->count <= t->capacity);
		assert_true(t->row_bytes % 8 == 0 && t->capacity > 0);
	}
}

static void test_directory(void **state)
{
	struct hs_rows rows = {0};

	hs_rows_done(NULL);
	hs_rows_done(&rows);
	assert_true(hs_rows_init(&rows, N_CLASSES));
	check_directory(&rows);
	assert_ptr_equal(rows.spans, rows.tables[HEAPSPY_T_SPANS - 1].base);
	assert_ptr_equal(rows.history[2], rows.tables[HEAPSPY_T_HISTORY_1H - 1].base);
	assert_ptr_equal(rows.waiters, rows.tables[HEAPSPY_T_WAITERS - 1].base);
	assert_int_equal(rows.header->tables[HEAPSPY_T_TOTALS - 1].count, 1);
	hs_rows_done(&rows);
	hs_rows_done(&rows);
}

static void test_need(void **state)
{
	struct hs_rows rows;
	struct heapspy_table *t;
	uint64_t present;

	assert_true(hs_rows_init(&rows, N_CLASSES));
	t = &rows.header->tables[HEAPSPY_T_SPANS - 1];
	present = hs_rows_present_bytes(&rows);
	assert_true(present < 64 << 10); /* a process that does nothing costs little */
	assert_true(hs_rows_present(&rows, HEAPSPY_T_SPANS, 10));
	assert_int_equal(t->count, 0); /* present is not counted */
	assert_true(hs_rows_need(&rows, HEAPSPY_T_SPANS, 3));
	assert_int_equal(t->count, 4);
	assert_true(hs_rows_need(&rows, HEAPSPY_T_SPANS, 1)); /* never back */
	assert_int_equal(t->count, 4);
	assert_true(hs_rows_need(&rows, HEAPSPY_T_SPANS, 5000));
	assert_int_equal(t->count, 5001);
	rows.spans[5000].base = 1;
	assert_true(hs_rows_present_bytes(&rows) >= present + 5000 * sizeof(struct heapspy_span));
	assert_true(hs_rows_need(&rows, HEAPSPY_T_SPANS, t->capacity - 1));
	assert_false(hs_rows_need(&rows, HEAPSPY_T_SPANS, t->capacity));
	assert_false(hs_rows_need(&rows, HEAPSPY_T_SPANS, UINT64_MAX - 1));
	assert_false(hs_rows_need(&rows, HEAPSPY_T_SPANS, UINT64_MAX / 64));
	assert_int_equal(t->count, t->capacity);
	hs_rows_publish(&rows, HEAPSPY_T_EVENTS, 17);
	assert_int_equal(rows.header->tables[HEAPSPY_T_EVENTS - 1].count, 17);
	check_directory(&rows);
	hs_rows_done(&rows);
}

/* ---- threads ---- */

static struct hs_rows shared;

static void *need_all(void *arg)
{
	uint32_t first = *(uint32_t *)arg;

	for (uint32_t i = first; i < 20000; i += 4) {
		must(hs_rows_need(&shared, HEAPSPY_T_SPANS, i));
		shared.spans[i].base = i;
	}
	return NULL;
}

static void test_threads(void **state)
{
	uint32_t first[4] = {0, 1, 2, 3};
	pthread_t threads[4];

	assert_true(hs_rows_init(&shared, N_CLASSES));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, need_all, &first[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(shared.header->tables[HEAPSPY_T_SPANS - 1].count, 20000);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(shared.spans[i].base, i);
	hs_rows_done(&shared);
}

/* ---- a file below that ends too early, as a full tmpfs does ---- */

static void test_file_too_short(void **state)
{
	struct hs_rows rows;
	struct hs_rows_table *t;
	size_t given = 8 * hs_vm_page_bytes();
	int fd = memfd_create("unit-rows", 0);

	assert_true(hs_rows_init(&rows, N_CLASSES));
	t = &rows.tables[HEAPSPY_T_SPANS - 1];
	assert_true(fd >= 0 && ftruncate(fd, (off_t)given) == 0);
	assert_ptr_equal(mmap(t->base, given * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), t->base);
	rows.shared = true;
	for (uint32_t i = 0; i < 4 * given / sizeof(struct heapspy_span); i++) {
		assert_true(hs_rows_need(&rows, HEAPSPY_T_SPANS, i));
		rows.spans[i].base = i; /* would be a SIGBUS */
	}
	assert_true(t->private_pages);
	/* what readers may look at ends where the file does */
	assert_true(rows.header->tables[HEAPSPY_T_SPANS - 1].capacity <= given / sizeof(struct heapspy_span));
	assert_true(rows.header->tables[HEAPSPY_T_SPANS - 1].capacity > 0);
	assert_int_equal(rows.spans[100].base, 100);
	close(fd);
	hs_rows_done(&rows);
}

/* ---- little address space ---- */

static void short_of_space(void *arg)
{
	struct hs_rows rows;
	struct rlimit limit;
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f != NULL && fscanf(f, "%zu", &pages) == 1);
	fclose(f);
	limit.rlim_cur = limit.rlim_max = pages * (size_t)sysconf(_SC_PAGESIZE) + ((size_t)40 << 20);
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	must(hs_rows_init(&rows, N_CLASSES));
	must(rows.bytes < (size_t)40 << 20);
	must(rows.header->tables[HEAPSPY_T_SPANS - 1].capacity >= 1000);
	must(hs_rows_need(&rows, HEAPSPY_T_SPANS, rows.header->tables[HEAPSPY_T_SPANS - 1].capacity - 1));
}

static void test_short_of_space(void **state)
{
	if (HS_TSAN)
		skip(); /* its run-time library needs memory of its own */
	assert_int_equal(model_in_child(short_of_space, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_need),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_file_too_short),
		cmocka_unit_test(test_short_of_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
