/* SPDX-License-Identifier: MIT */
/*
 * Symbolizer against programs that know their own truth (victim.c).  Arguments: the directory of the
 * victims; those that could not be built are skipped by name.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sym/symbolize.h"

#define MODULES_MAX 16
#define EXPECT_MAX 8

struct victim {
	pid_t pid;
	int to;
	struct ht_sym_module modules[MODULES_MAX];
	char paths[MODULES_MAX][512];
	uint8_t ids[MODULES_MAX][64];
	size_t n_modules;
	uint64_t addresses[32];
	size_t n_addresses;
	struct {
		size_t address, depth;
		int line, inlined;
		char function[64];
	} expect[EXPECT_MAX];
	size_t n_expect;
};

static const char *directory;

static void parse_module(struct victim *v, const char *line)
{
	struct ht_sym_module *m = &v->modules[v->n_modules];
	char id[160];

	assert_true(v->n_modules < MODULES_MAX);
	if (sscanf(line, "module %" SCNx64 " %" SCNx64 " %" SCNx64 " %159s %511s", &m->start, &m->end, &m->bias, id,
		   v->paths[v->n_modules]) != 5)
		fail_msg("bad line: %s", line);
	for (m->build_id_bytes = 0; id[0] != '-' && id[m->build_id_bytes * 2]; m->build_id_bytes++)
		sscanf(id + m->build_id_bytes * 2, "%2hhx", &v->ids[v->n_modules][m->build_id_bytes]);
	m->build_id = v->ids[v->n_modules];
	m->path = v->paths[v->n_modules];
	v->n_modules++;
}

static void start(struct victim *v, const char *path)
{
	int out[2], in[2];
	char line[1024];
	FILE *from;

	*v = (struct victim){ 0 };
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	v->pid = fork();
	if (v->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	v->to = in[1];
	from = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), from) && strcmp(line, "ready\n") != 0) {
		if (strncmp(line, "module ", 7) == 0)
			parse_module(v, line);
		else if (sscanf(line, "address %" SCNx64, &v->addresses[v->n_addresses]) == 1)
			v->n_addresses++;
		else if (sscanf(line, "expect %zu %zu %d %d %63[^\n]", &v->expect[v->n_expect].address,
				&v->expect[v->n_expect].depth, &v->expect[v->n_expect].line,
				&v->expect[v->n_expect].inlined, v->expect[v->n_expect].function) == 5)
			v->n_expect++;
	}
	fclose(from);
	assert_int_equal(v->n_expect, 5);
}

static void stop(struct victim *v)
{
	close(v->to);
	waitpid(v->pid, NULL, 0);
}

static struct ht_sym *symbolize(const struct victim *v, pid_t pid)
{
	struct ht_sym *sym = ht_sym_create(pid);

	assert_non_null(sym);
	assert_int_equal(ht_sym_set_modules(sym, v->modules, v->n_modules), 0);
	return sym;
}

/* The path of a victim; skips the test when it was not built. */
static const char *victim_path(const char *name)
{
	static char path[1024];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (access(path, X_OK) != 0) {
		print_message("%s was not built\n", name);
		skip();
	}
	return path;
}

static void check_full(const struct victim *v, struct ht_sym *sym)
{
	struct ht_sym_frame frames[16];

	for (size_t i = 0; i < v->n_expect; i++) {
		size_t n = ht_sym_lookup(sym, v->addresses[v->expect[i].address], false, frames, 16);
		const struct ht_sym_frame *f = &frames[v->expect[i].depth];

		assert_true(n > v->expect[i].depth);
		assert_non_null(f->function);
		assert_string_equal(f->function, v->expect[i].function);
		assert_non_null(f->file);
		assert_non_null(strstr(f->file, "victim.c"));
		assert_int_equal(f->line, v->expect[i].line);
		assert_int_equal(f->inlined, v->expect[i].inlined);
		assert_non_null(f->module);
		assert_false(ht_sym_is_own(f));
	}
	/* the chain ends at its real function */
	assert_int_equal(ht_sym_lookup(sym, v->addresses[0], false, frames, 16), 3);
	assert_int_equal(ht_sym_lookup(sym, v->addresses[1], false, frames, 16), 1);
	/* and loses the outer end when there is no room */
	assert_int_equal(ht_sym_lookup(sym, v->addresses[0], false, frames, 2), 2);
	assert_string_equal(frames[1].function, v->expect[1].function);
}

/* No name, but the module and an offset that addr2line would understand. */
static void check_offset_only(const struct victim *v, struct ht_sym *sym, size_t i)
{
	struct ht_sym_frame frames[4];

	assert_int_equal(ht_sym_lookup(sym, v->addresses[i], false, frames, 4), 1);
	assert_null(frames[0].function);
	assert_null(frames[0].file);
	assert_int_equal(frames[0].line, 0);
	assert_non_null(frames[0].module);
	assert_true(frames[0].offset == v->addresses[i] - 1 - v->modules[0].bias);
}

static void full(const char *name)
{
	struct victim v;
	struct ht_sym *sym;

	start(&v, victim_path(name));
	sym = symbolize(&v, v.pid);
	check_full(&v, sym);
	check_full(&v, sym); /* from the cache */
	/* the same list again keeps, another one drops what is known */
	assert_int_equal(ht_sym_set_modules(sym, v.modules, v.n_modules), 0);
	check_full(&v, sym);
	ht_sym_destroy(sym);
	sym = symbolize(&v, 0); /* as if recorded: plain paths */
	check_full(&v, sym);
	stop(&v);
	check_full(&v, sym);
	ht_sym_destroy(sym);
}

static void test_c_pie(void **state)
{
	full("victim_c");
}

static void test_c_no_pie(void **state)
{
	full("victim_c_nopie");
}

static void test_cxx(void **state)
{
	full("victim_cxx");
}

static void test_clang_without_aranges(void **state)
{
	full("victim_clang");
}

static void test_separate_debug_file(void **state)
{
	full("victim_split");
}

static void test_dynsym_only(void **state)
{
	struct victim v;
	struct ht_sym *sym;
	struct ht_sym_frame frame;

	start(&v, victim_path("victim_c_stripped"));
	sym = symbolize(&v, v.pid);
	check_offset_only(&v, sym, 0); /* outer: static */
	check_offset_only(&v, sym, 1); /* hidden: static, between exported ones */
	assert_int_equal(ht_sym_lookup(sym, v.addresses[2], false, &frame, 1), 1);
	assert_string_equal(frame.function, "start"); /* exported by -rdynamic */
	assert_null(frame.file);
	ht_sym_destroy(sym);
	stop(&v);
}

static void test_symtab_only(void **state)
{
	struct victim v;
	struct ht_sym *sym;
	struct ht_sym_frame frame;

	start(&v, victim_path("victim_cxx_nodebug"));
	sym = symbolize(&v, v.pid);
	assert_int_equal(ht_sym_lookup(sym, v.addresses[0], false, &frame, 1), 1);
	assert_string_equal(frame.function, "victim::Box<int>::outer");
	assert_true(strncmp(frame.symbol, "_ZN", 3) == 0);
	assert_null(frame.file);
	ht_sym_destroy(sym);
	stop(&v);
}

static void test_libc_debug_file(void **state)
{
	struct victim v;
	struct ht_sym *sym;
	struct ht_sym_frame frames[4];
	char path[600] = "/usr/lib/debug/.build-id/";
	size_t at = strlen(path), i = 0;

	start(&v, victim_path("victim_c"));
	while (i < v.n_modules && !strstr(v.paths[i], "libc.so"))
		i++;
	assert_true(i < v.n_modules);
	for (size_t j = 0; j < v.modules[i].build_id_bytes; j++)
		at += (size_t)sprintf(path + at, j == 0 ? "%02x/" : "%02x", v.ids[i][j]);
	strcpy(path + at, ".debug");
	sym = symbolize(&v, v.pid);
	/* main's caller */
	assert_int_equal(ht_sym_lookup(sym, v.addresses[4], false, frames, 4), 1);
	assert_string_equal(frames[0].module, "libc.so.6");
	if (access(path, R_OK) == 0) {
		assert_string_equal(frames[0].function, "__libc_start_call_main");
		assert_non_null(frames[0].file);
		assert_true(frames[0].line > 0);
	} else {
		assert_null(frames[0].function); /* a static function: nothing, and not its neighbour */
	}
	ht_sym_destroy(sym);
	stop(&v);
}

static void copy_file(const char *from, const char *to, off_t limit)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buffer[4096];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while (limit > 0 && (n = read(in, buffer, sizeof(buffer))) > 0) {
		n = n < limit ? n : limit;
		assert_int_equal(write(out, buffer, (size_t)n), n);
		limit -= n;
	}
	close(in);
	close(out);
}

static void test_replaced_and_deleted(void **state)
{
	char copy[] = "/tmp/ht-sym-XXXXXX/victim";
	struct victim v;
	struct ht_sym *sym;

	copy[sizeof("/tmp/ht-sym-XXXXXX") - 1] = '\0';
	assert_non_null(mkdtemp(copy));
	copy[sizeof("/tmp/ht-sym-XXXXXX") - 1] = '/';
	copy_file(victim_path("victim_c"), copy, INT32_MAX);
	start(&v, copy);
	unlink(copy);
	sym = symbolize(&v, v.pid);
	check_full(&v, sym); /* by /proc/PID/exe, because the build-id is the same */
	ht_sym_destroy(sym);
	v.ids[0][3] ^= 1;
	sym = symbolize(&v, v.pid);
	check_offset_only(&v, sym, 0);
	ht_sym_destroy(sym);
	/* another program in its place */
	v.ids[0][3] ^= 1;
	copy_file(victim_path("victim_cxx"), copy, INT32_MAX);
	sym = symbolize(&v, 0);
	check_offset_only(&v, sym, 0);
	ht_sym_destroy(sym);
	sym = symbolize(&v, v.pid);
	check_full(&v, sym);
	ht_sym_destroy(sym);
	stop(&v);
	unlink(copy);
	*strrchr(copy, '/') = '\0';
	rmdir(copy);
}

static void test_hostile_files(void **state)
{
	char dir[] = "/tmp/ht-sym-XXXXXX", half[64], tail[64], fifo[64], text[64];
	char garbage[] = "/\x01\xff/%s%n/../\n\x1b[31m";
	const char *bad[] = { half, tail, fifo, text, dir, garbage, "", "relative", "[vdso]", "/", "/proc/self/mem",
			      NULL };
	struct victim v;
	struct stat st;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(half, sizeof(half), "%s/half", dir);
	snprintf(tail, sizeof(tail), "%s/tail", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(text, sizeof(text), "%s/text", dir);
	start(&v, victim_path("victim_c"));
	assert_int_equal(stat(v.paths[0], &st), 0);
	copy_file(v.paths[0], half, st.st_size / 2);
	copy_file(v.paths[0], tail, st.st_size - 1);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	f = fopen(text, "w");
	fputs("\177ELF and nothing behind it", f);
	fclose(f);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int known = 0; known < 2; known++) {
			struct ht_sym_module m = v.modules[0];
			struct ht_sym *sym = ht_sym_create(0);
			struct ht_sym_frame frame;

			m.path = bad[i];
			m.build_id_bytes = known ? m.build_id_bytes : 0;
			assert_int_equal(ht_sym_set_modules(sym, &m, 1), 0);
			assert_int_equal(ht_sym_lookup(sym, v.addresses[0], false, &frame, 1), 1);
			assert_null(frame.function);
			assert_null(frame.file);
			assert_true(frame.offset == v.addresses[0] - 1 - m.bias);
			assert_true(!frame.module == (!bad[i] || !bad[i][0]));
			ht_sym_destroy(sym);
		}
	}
	stop(&v);
	unlink(half);
	unlink(tail);
	unlink(fifo);
	unlink(text);
	rmdir(dir);
}

static void test_module_lists(void **state)
{
	struct ht_sym *sym = ht_sym_create(0);
	struct ht_sym_module m[] = {
		{ .start = 0x5000, .end = 0x9000, .bias = 0x5000, .path = "/none/b" },
		{ .start = 0x9000, .end = 0x1000, .path = "/none/backwards" },
		{ .start = 0x1000, .end = UINT64_MAX, .path = "/none/a" },
	};
	struct ht_sym_frame frame;

	/* no modules: the bare address */
	assert_int_equal(ht_sym_lookup(sym, 0x1234, false, &frame, 1), 1);
	assert_true(frame.offset == 0x1234 && !frame.module);
	assert_int_equal(ht_sym_lookup(sym, 0, false, &frame, 1), 1);
	assert_int_equal(ht_sym_lookup(sym, 0, false, NULL, 0), 0);
	assert_int_equal(ht_sym_set_modules(sym, m, 3), 0);
	ht_sym_lookup(sym, 0x5001, false, &frame, 1);
	assert_string_equal(frame.module, "b");
	assert_true(frame.offset == 0);
	ht_sym_lookup(sym, 0x5000, true, &frame, 1);
	assert_string_equal(frame.module, "b");
	ht_sym_lookup(sym, 0x5000, false, &frame, 1); /* the call before it is the neighbour's */
	assert_string_equal(frame.module, "a");
	ht_sym_lookup(sym, UINT64_MAX, false, &frame, 1);
	assert_string_equal(frame.module, "a");
	ht_sym_lookup(sym, 0x9001, false, &frame, 1);
	assert_string_equal(frame.module, "a");
	assert_int_equal(ht_sym_set_modules(sym, NULL, 0), 0);
	assert_string_equal(frame.module, "a"); /* strings stay */
	ht_sym_lookup(sym, 0x9001, false, &frame, 1);
	assert_null(frame.module);
	ht_sym_destroy(sym);
	ht_sym_destroy(NULL);
}

static void test_own(void **state)
{
	const struct {
		struct ht_sym_frame frame;
		bool own;
	} cases[] = {
		{ { .function = "malloc" }, true },
		{ { .function = "operator new[]" }, true },
		{ { .function = "operator new" }, true },
		{ { .module = "libheapspy.so" }, true },
		{ { .module = "libheapspy.so.1" }, true },
		{ { .function = "zmalloc", .module = "redis-server" }, false },
		{ { .function = "malloc_more" }, false },
		{ { .function = NULL }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ht_sym_is_own(&cases[i].frame), cases[i].own);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_c_pie),
		cmocka_unit_test(test_c_no_pie),
		cmocka_unit_test(test_cxx),
		cmocka_unit_test(test_clang_without_aranges),
		cmocka_unit_test(test_separate_debug_file),
		cmocka_unit_test(test_dynsym_only),
		cmocka_unit_test(test_symtab_only),
		cmocka_unit_test(test_libc_debug_file),
		cmocka_unit_test(test_replaced_and_deleted),
		cmocka_unit_test(test_hostile_files),
		cmocka_unit_test(test_module_lists),
		cmocka_unit_test(test_own),
	};

	if (argc != 2)
		return 2;
	directory = argv[1];
	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
