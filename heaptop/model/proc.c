/* SPDX-License-Identifier: MIT */
#include "model/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <heapspy/segment.h>

#include "util/file.h"
#include "util/mem.h"

#define SMAPS_MOST ((size_t)512 << 20)

/* A figure of status in kB, or a bare count. */
static uint64_t status_value(const char *status, const char *key, uint64_t unit)
{
	size_t n = strlen(key);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, n) == 0 && line[n] == ':')
			return strtoull(line + n + 1, NULL, 10) * unit;
	}
	return UINT64_MAX;
}

static int by_tid(const void *a, const void *b)
{
	const struct ht_proc_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* The tid as the target sees it: in a container another than the name of the directory. */
static uint32_t own_tid(pid_t pid, uint32_t tid, bool same_ns)
{
	char path[96], *buf;

	if (same_ns)
		return tid;
	snprintf(path, sizeof(path), "/proc/%d/task/%u/status", (int)pid, tid);
	if (ht_read_file(path, 16384, &buf, NULL) < 0)
		return tid;
	const char *line = strstr(buf, "\nNSpid:");
	if (line) {
		size_t n = strcspn(line + 1, "\n");
		while (n && isdigit((unsigned char)line[n]))
			n--;
		tid = (uint32_t)strtoul(line + n + 1, NULL, 10);
	}
	free(buf);
	return tid;
}

static void read_threads(pid_t pid, struct ht_proc *p, bool same_ns)
{
	char path[96], *buf;
	size_t room = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *e; p->n_names < HT_PROC_THREADS_MOST && (e = readdir(dir));) {
		uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10);

		snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", (int)pid, tid);
		if (!tid || ht_read_file(path, 64, &buf, NULL) < 0)
			continue;
		ht_grow((void **)&p->threads, p->n_names, &room, sizeof(*p->threads));
		struct ht_proc_thread *t = &p->threads[p->n_names++];
		memset(t, 0, sizeof(*t));
		t->tid = own_tid(pid, tid, same_ns);
		buf[strcspn(buf, "\n")] = '\0';
		snprintf(t->name, sizeof(t->name), "%.15s", buf);
		free(buf);
	}
	closedir(dir);
	if (p->n_names)
		qsort(p->threads, p->n_names, sizeof(*p->threads), by_tid);
}

int ht_proc_read(pid_t pid, struct ht_proc *ret)
{
	struct ht_proc p = { 0 };
	char path[64], *status;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = ht_read_file(path, 65536, &status, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p.rss = status_value(status, "VmRSS", 1024);
	p.rss_anon = status_value(status, "RssAnon", 1024);
	p.rss_file = status_value(status, "RssFile", 1024);
	p.rss_shmem = status_value(status, "RssShmem", 1024);
	p.swap = status_value(status, "VmSwap", 1024);
	p.vm_stk = status_value(status, "VmStk", 1024);
	p.peak_rss = status_value(status, "VmHWM", 1024);
	p.n_threads = status_value(status, "Threads", 1);
	const char *ns = strstr(status, "\nNSpid:");
	/* more than one number: a namespace of its own */
	bool same_ns = true;
	if (ns) {
		char *end;

		strtoul(ns + 7, &end, 10);
		same_ns = *end == '\n' || !*end;
	}
	free(status);
	if (p.rss == UINT64_MAX) /* a zombie has no memory */
		return -ESRCH;
	read_threads(pid, &p, same_ns);
	*ret = p;
	return 0;
}

void ht_proc_done(struct ht_proc *proc)
{
	free(proc->threads);
	memset(proc, 0, sizeof(*proc));
}

static enum ht_vma_kind kind_of(const char *path, size_t n, bool *ret_special)
{
#define STARTS(text) (n >= sizeof(text) - 1 && memcmp(path, text, sizeof(text) - 1) == 0)
	*ret_special = false;
	if (n == 0)
		return HT_VMA_ANON;
	if (STARTS("[stack"))
		return HT_VMA_STACK;
	if (STARTS("[heap]"))
		return HT_VMA_BRK;
	if (STARTS("[anon:heapspy-"))
		return HT_VMA_OURS;
	if (STARTS("[anon:"))
		return HT_VMA_ANON;
	if (path[0] == '[') {
		*ret_special = true;
		return HT_VMA_FILE;
	}
	for (size_t i = n; i-- > 0;)
		if (path[i] == '/' || path[i] == ':') {
			path += i + 1;
			n -= i + 1;
			break;
		}
	return STARTS(HEAPSPY_FILE_PREFIX) ? HT_VMA_SEGMENT : HT_VMA_FILE;
#undef STARTS
}

static void parse_field(const char *line, struct ht_vma *v)
{
	static const struct {
		const char *key;
		size_t at;
	} fields[] = {
		{ "Rss:", offsetof(struct ht_vma, rss) },
		{ "Anonymous:", offsetof(struct ht_vma, anon) },
		{ "AnonHugePages:", offsetof(struct ht_vma, huge) },
		{ "LazyFree:", offsetof(struct ht_vma, lazy) },
		{ "Swap:", offsetof(struct ht_vma, swap) },
		{ "Referenced:", offsetof(struct ht_vma, referenced) },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t n = strlen(fields[i].key);

		if (strncmp(line, fields[i].key, n) != 0)
			continue;
		uint64_t bytes = strtoull(line + n, NULL, 10) * 1024;
		memcpy((char *)v + fields[i].at, &bytes, sizeof(bytes));
		return;
	}
}

void ht_smaps_parse(const char *text, struct ht_smaps *ret)
{
	struct ht_smaps s = { 0 };

	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		unsigned long start, stop;
		int at = 0;

		/* fields start with a capital letter, mappings with a hexadecimal digit in lower case */
		if (*line >= 'A' && *line <= 'Z') {
			if (s.n)
				parse_field(line, &s.rows[s.n - 1]);
		} else if (sscanf(line, "%lx-%lx %*s %*s %*s %*u%n", &start, &stop, &at) == 2 && at) {
			const char *path = line + at;

			while (path < end && *path == ' ')
				path++;
			ht_grow((void **)&s.rows, s.n, &s.room, sizeof(*s.rows));
			struct ht_vma *v = &s.rows[s.n++];
			memset(v, 0, sizeof(*v));
			v->start = start;
			v->end = stop;
			v->kind = kind_of(path, (size_t)(end - path), &v->special);
		}
		line = *end ? end + 1 : end;
	}
	*ret = s;
}

int ht_smaps_read(pid_t pid, struct ht_smaps *ret)
{
	char path[64], *text;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	r = ht_read_file(path, SMAPS_MOST, &text, NULL);
	if (r < 0)
		return r;
	ht_smaps_parse(text, ret);
	free(text);
	return ret->n ? 0 : -ESRCH;
}

void ht_smaps_done(struct ht_smaps *smaps)
{
	free(smaps->rows);
	memset(smaps, 0, sizeof(*smaps));
}
