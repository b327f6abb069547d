/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "out/print.h"
#include "out/writer.h"
#include "seg/list.h"
#include "util/text.h"
#include "util/units.h"

/* Where the library would put them: dir: of HEAPSPY_CONF, so that both sides need one setting only. */
static const char *segment_dir(const struct ht_options *o, char *buf, size_t room)
{
	const char *conf = getenv("HEAPSPY_CONF");

	if (o->dir)
		return o->dir;
	for (const char *p = conf; p && *p; p += *p == ',') {
		size_t n = strcspn(p, ",");

		if (n > 4 && strncmp(p, "dir:", 4) == 0 && n - 4 < room) {
			memcpy(buf, p + 4, n - 4);
			buf[n - 4] = '\0';
			return buf;
		}
		p += n;
	}
	return HT_LIST_DIR;
}

static void print_json(const struct ht_list *list)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct ht_list_entry *e = &list->rows[i];
		struct json_object *o = json_object_new_object();
		char text[sizeof(e->path) * 4 + 1];

#define NUMBER(v) ((v) == UINT64_MAX ? NULL : json_object_new_uint64(v))
		json_object_object_add(o, "pid", json_object_new_int(e->pid));
		ht_escape(text, sizeof(text), e->comm, sizeof(e->comm));
		json_object_object_add(o, "comm", json_object_new_string(text));
		json_object_object_add(o, "state", json_object_new_string(ht_list_state_name(e->state)));
		json_object_object_add(o, "rss_bytes", NUMBER(e->rss_bytes));
		json_object_object_add(o, "live_bytes", NUMBER(e->live_bytes));
		json_object_object_add(o, "age_ns", NUMBER(e->age_ns));
		json_object_object_add(o, "disk_bytes", NUMBER(e->disk_bytes));
		ht_escape(text, sizeof(text), e->path, sizeof(e->path));
		json_object_object_add(o, "path", json_object_new_string(text));
#undef NUMBER
		json_object_array_add(rows, o);
	}
	puts(json_object_to_json_string_ext(rows, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(rows);
}

static void print_table(const struct ht_list *list, bool exact)
{
	printf("%7s %-15s %-8s %8s %8s %8s  %s\n", "PID", "NAME", "STATE", "RSS", "LIVE", "AGE", "SEGMENT");
	for (size_t i = 0; i < list->n; i++) {
		const struct ht_list_entry *e = &list->rows[i];
		char name[80], path[1200], a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], c[HT_UNIT_ROOM];

		ht_escape(name, sizeof(name), e->comm, sizeof(e->comm));
		ht_escape(path, sizeof(path), e->path, sizeof(e->path));
		printf("%7d %-15s %-8s %8s %8s %8s  %s\n", (int)e->pid, name[0] ? name : "-",
		       ht_list_state_name(e->state), ht_print_bytes(a, e->rss_bytes, exact),
		       ht_print_bytes(b, e->live_bytes, exact),
		       e->age_ns == UINT64_MAX ? "-" : ht_fmt_ns(c, (double)e->age_ns), path);
	}
}

static int finish_stdout(struct ht_err *reterr)
{
	int r = ht_writer_status(stdout);

	if (r == -EPIPE)
		return 0;
	return r < 0 ? ht_err_set(reterr, r, HT_EXIT_OUTPUT, "cannot write standard output: %s", strerror(errno)) : 0;
}

int ht_command_list(const struct ht_options *o, struct ht_err *reterr)
{
	struct ht_list list;
	char dir[512];
	int r = ht_list_scan(&list, segment_dir(o, dir, sizeof(dir)), reterr);

	if (r < 0)
		return r;
	if (o->json)
		print_json(&list);
	else if (list.n)
		print_table(&list, o->exact_bytes);
	else
		fputs("no segments; 'heaptop run -- COMMAND' starts a command under libheapspy.so\n", stdout);
	ht_list_done(&list);
	return finish_stdout(reterr);
}

int ht_command_prune(const struct ht_options *o, struct ht_err *reterr)
{
	struct ht_list list;
	char dir[512], bytes[HT_UNIT_ROOM];
	size_t n = 0, kept = 0;
	uint64_t freed = 0;
	int failed = 0, r = ht_list_scan(&list, segment_dir(o, dir, sizeof(dir)), reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		const struct ht_list_entry *e = &list.rows[i];
		bool dead = e->state == HT_LIST_DEAD || e->state == HT_LIST_DAMAGED;
		char path[1200];

		kept += e->state == HT_LIST_EXITED && !o->all;
		if (!dead && !(e->state == HT_LIST_EXITED && o->all))
			continue;
		ht_escape(path, sizeof(path), e->path, sizeof(e->path));
		r = ht_list_remove(e);
		if (r < 0) {
			failed = r;
			ht_err_set(reterr, r, HT_EXIT_TARGET, "cannot remove '%.400s': %s", path, strerror(-r));
			continue;
		}
		printf("removed %s\n", path);
		freed += e->disk_bytes;
		n++;
	}
	printf("%zu segment%s removed, %s freed\n", n, n == 1 ? "" : "s", ht_fmt_bytes(bytes, (double)freed));
	if (kept)
		printf("%zu kept on request (keep:on); --all removes them too\n", kept);
	ht_list_done(&list);
	r = finish_stdout(reterr);
	return r < 0 ? r : failed;
}
