/* SPDX-License-Identifier: MIT */
/* Tables: every view builds, orders, filters and cuts the same way. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/source.h"
#include "model/table.h"
#include "place.h"

static const char *const views[] = { "ledger", "classes", "arenas", "sites", "locks", "threads" };
static struct place place;
static struct ht_source *source;
static const struct ht_model *model;

static int setup(void **state)
{
	struct ht_err err;

	place_init(&place);
	place_scenario(&place, "contended", NULL);
	if (ht_source_open_file(&source, place.path, &err) < 0)
		return -1;
	return ht_source_refresh(source, &model, &err);
}

static int teardown(void **state)
{
	ht_source_close(source);
	place_done(&place);
	return 0;
}

static void columns_are_well_formed(void **state)
{
	for (size_t v = 0; v < sizeof(views) / sizeof(views[0]); v++) {
		size_t n, essential = 0;
		const struct ht_column *c = ht_table_columns(views[v], &n);

		assert_non_null(c);
		for (size_t i = 0; i < n; i++) {
			assert_true(c[i].id && c[i].title && c[i].help);
			essential += c[i].priority == 0;
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(c[i].id, c[k].id);
		}
		assert_true(essential > 0);
	}
	size_t n;
	assert_null(ht_table_columns("nonsense", &n));
}

static void every_column_sorts(void **state)
{
	for (size_t v = 0; v < sizeof(views) / sizeof(views[0]); v++) {
		size_t n;
		const struct ht_column *c = ht_table_columns(views[v], &n);

		for (size_t i = 0; i < 2 * n; i++) {
			struct ht_table_request req = { .view = views[v], .sort = c[i / 2].id, .ascending = i & 1 };
			struct ht_table t;

			assert_int_equal(ht_table_build(&t, &req, model, NULL), 0);
			assert_true(t.n_rows > 0);
			assert_int_equal(t.n_rows, t.n_total);
			for (size_t r = 1; r < t.n_rows; r++) {
				const struct ht_cell *a = &t.rows[r - 1].cells[i / 2], *b = &t.rows[r].cells[i / 2];

				assert_true(a->known || !b->known); /* unknown last */
				if (a->known && b->known && c[i / 2].kind != HT_CELL_TEXT)
					assert_true(req.ascending ? a->num <= b->num : a->num >= b->num);
			}
			ht_table_done(&t);
		}
	}
}

static void filters_and_cuts(void **state)
{
	struct ht_table_request req = { .view = "locks", .filter = "BIN 96", .top = 1 };
	struct ht_table t;

	assert_int_equal(ht_table_build(&t, &req, model, NULL), 0);
	assert_int_equal(t.n_rows, 1);
	assert_string_equal(t.rows[0].cells[7].text, "arena 0 bin 96");
	assert_true(t.n_total > 10);
	ht_table_done(&t);
	req = (struct ht_table_request){ .view = "sites", .top = 3 };
	assert_int_equal(ht_table_build(&t, &req, model, ht_source_sym(source)), 0);
	assert_int_equal(t.n_rows, 3);
	assert_non_null(strstr(t.rows[0].cells[7].text, "stockd+0x"));
	ht_table_done(&t);
	/* lazy: figures at once, names when they come onto the screen */
	req.lazy = true;
	assert_int_equal(ht_table_build(&t, &req, model, NULL), 0);
	assert_null(t.rows[1].cells[7].text);
	ht_table_name_rows(&t, 1, 1, model, ht_source_sym(source));
	assert_null(t.rows[0].cells[7].text);
	assert_non_null(strstr(t.rows[1].cells[7].text, "stockd+0x"));
	ht_table_name_rows(&t, 2, 99, model, NULL);
	ht_table_done(&t);
	req = (struct ht_table_request){ .view = "nonsense" };
	assert_int_equal(ht_table_build(&t, &req, model, NULL), -ENOENT);
	req = (struct ht_table_request){ .view = "locks", .sort = "nonsense" };
	assert_int_equal(ht_table_build(&t, &req, model, NULL), -EINVAL);
}

static void recordings_stand_still(void **state)
{
	const struct ht_model *again;
	struct ht_err err;

	assert_int_equal(model->state, HT_DEAD);
	assert_int_equal(model->pid, 4711);
	assert_string_equal(model->comm, "stockd");
	assert_int_equal(model->uptime_ns, UINT64_C(11520) * 1000000000);
	assert_int_equal(ht_source_refresh(source, &again, &err), 0);
	assert_ptr_equal(again, model);
	assert_true(ht_source_measure_wss(source, 0.1, &err) < 0);
	assert_non_null(strstr(err.message, "while the process lives"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_well_formed),
		cmocka_unit_test(every_column_sorts),
		cmocka_unit_test(filters_and_cuts),
		cmocka_unit_test(recordings_stand_still),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
