/* SPDX-License-Identifier: MIT */
#include "seg/list.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <heapspy/segment.h>

#include "seg/find.h"
#include "seg/ident.h"
#include "seg/snapshot.h"
#include "util/file.h"
#include "util/mem.h"

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

const char *ht_list_state_name(enum ht_list_state state)
{
	static const char *const names[] = { "live", "dead", "exited", "damaged", "denied" };

	return names[state];
}

/* "heapspy-<pid>-<ticks>" and nothing else. */
static bool parse_name(const char *name, pid_t *ret_pid, uint64_t *ret_ticks)
{
	size_t prefix = strlen(HEAPSPY_FILE_PREFIX);
	char *end;

	if (strncmp(name, HEAPSPY_FILE_PREFIX, prefix) != 0 || !isdigit((unsigned char)name[prefix]))
		return false;
	long pid = strtol(name + prefix, &end, 10);
	if (*end != '-' || pid <= 0 || pid > INT32_MAX || !isdigit((unsigned char)end[1]))
		return false;
	errno = 0;
	*ret_ticks = strtoull(end + 1, &end, 10);
	*ret_pid = (pid_t)pid;
	return *end == '\0' && errno == 0;
}

static struct ht_list_entry *new_entry(struct ht_list *list, uint64_t now)
{
	ht_grow((void **)&list->rows, list->n, &list->room, sizeof(*list->rows));
	struct ht_list_entry *e = &list->rows[list->n++];

	memset(e, 0, sizeof(*e));
	e->rss_bytes = e->live_bytes = e->age_ns = UINT64_MAX;
	e->scan_ns = now;
	return e;
}

/* Figures from the file: state, name, newest history point, ages. */
static int read_figures(struct ht_list_entry *e, struct ht_segment_at at, struct heapspy_header *ret)
{
	struct ht_err why;
	struct heapspy_history *points;
	struct stat st;
	void *rows;
	size_t n;
	int r = ht_snap_header(ret, at, "", &why);

	if (fstat(at.fd, &st) == 0) {
		e->disk_bytes = (uint64_t)st.st_blocks * 512;
		e->uid = st.st_uid;
	}
	if (r < 0)
		return r;
	memcpy(e->comm, ret->comm, sizeof(e->comm));
	e->comm[sizeof(e->comm) - 1] = '\0';
	if (ht_snap_table(ret, at, HEAPSPY_T_HISTORY_1S, &rows, &n) == 0) {
		points = rows;
		if (n) {
			e->live_bytes = points[n - 1].live_bytes;
			e->rss_bytes = points[n - 1].rss_bytes;
		}
		free(rows);
	}
	return 0;
}

static uint64_t rss_of(pid_t pid)
{
	unsigned long long pages;
	char path[64], *buf;
	uint64_t rss = UINT64_MAX;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (ht_read_file(path, 256, &buf, NULL) < 0)
		return rss;
	if (sscanf(buf, "%*u %llu", &pages) == 1)
		rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	free(buf);
	return rss;
}

static uint64_t since(uint64_t then, uint64_t now)
{
	return then && now > then ? now - then : UINT64_MAX;
}

static void add_living(struct ht_list *list, pid_t pid, uint64_t now)
{
	struct heapspy_header h;
	struct ht_found f;
	struct ht_err why;

	if (ht_find_pid(pid, &f, &why) < 0)
		return;
	struct ht_list_entry *e = new_entry(list, now);
	if (read_figures(e, f.at, &h) == 0)
		e->age_ns = since(h.start_realtime_ns, now);
	close(f.at.fd);
	e->pid = pid;
	e->state = HT_LIST_LIVE;
	e->rss_bytes = rss_of(pid);
	memcpy(e->comm, f.ident.comm, sizeof(e->comm));
	snprintf(e->path, sizeof(e->path), "%s", f.path);
}

/* A file is the living's when a living entry, or a process whose maps we may not read, has its name. */
static bool is_claimed(const struct ht_list *list, size_t n_living, const char *name, pid_t pid, uint64_t ticks,
		       bool *ret_unsure)
{
	struct ht_ident id;

	for (size_t i = 0; i < n_living; i++) {
		const char *base = strrchr(list->rows[i].path, '/');

		if (base && strcmp(base + 1, name) == 0)
			return true;
	}
	*ret_unsure = false;
	if (ht_ident_read(pid, &id) == 0 && id.start_ticks == ticks && id.state != 'Z') {
		char path[64], *maps;

		snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
		int r = ht_read_file(path, 64, &maps, NULL);
		if (r == 0)
			free(maps);
		*ret_unsure = r < 0;
	}
	return false;
}

/*
 * A segment of another pid namespace of this boot may belong to somebody whom our /proc does not show; only
 * from the machine's first namespace is everybody seen.
 */
static bool may_be_elsewhere(const struct heapspy_header *h)
{
	const ino_t first_namespace = 0xeffffffc; /* PROC_PID_INIT_INO */
	uint8_t boot[16];
	struct stat st;

	if (ht_ident_boot(boot) < 0 || memcmp(boot, h->boot_id, sizeof(boot)) != 0)
		return false;
	if (stat("/proc/self/ns/pid", &st) < 0)
		return true;
	return st.st_ino != first_namespace && h->pidns_inode != st.st_ino;
}

static void add_file(struct ht_list *list, size_t n_living, const char *dir, const char *name, uint64_t now)
{
	struct heapspy_header h;
	uint64_t ticks;
	pid_t pid;
	bool unsure;

	if (!parse_name(name, &pid, &ticks) || is_claimed(list, n_living, name, pid, ticks, &unsure))
		return;
	struct ht_list_entry *e = new_entry(list, now);
	e->pid = pid;
	snprintf(e->path, sizeof(e->path), "%s/%s", dir, name);
	int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		e->state = HT_LIST_DENIED;
		return;
	}
	int r = read_figures(e, (struct ht_segment_at){ .fd = fd }, &h);
	close(fd);
	if (unsure || (r == 0 && may_be_elsewhere(&h)))
		e->state = HT_LIST_DENIED;
	else if (r < 0)
		e->state = HT_LIST_DAMAGED;
	else
		e->state = h.state == HEAPSPY_STATE_EXITED ? HT_LIST_EXITED : HT_LIST_DEAD;
	if (r == 0)
		e->age_ns = since(h.heartbeat_realtime_ns, now);
}

static int by_state_pid(const void *a, const void *b)
{
	const struct ht_list_entry *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int add_all_living(struct ht_list *list, uint64_t now, struct ht_err *reterr)
{
	DIR *d = opendir("/proc");

	if (!d)
		return ht_err_set(reterr, -errno, HT_EXIT_TARGET, "cannot read /proc: %s", strerror(errno));
	for (struct dirent *e; (e = readdir(d));)
		if (isdigit((unsigned char)e->d_name[0]))
			add_living(list, (pid_t)atoi(e->d_name), now);
	closedir(d);
	return 0;
}

int ht_list_scan(struct ht_list *ret, const char *dir, struct ht_err *reterr)
{
	struct ht_list list = { 0 };
	uint64_t now = realtime_ns();
	int r = add_all_living(&list, now, reterr);

	if (r < 0)
		return r;
	size_t n_living = list.n;
	if (!dir)
		dir = HT_LIST_DIR;
	DIR *d = opendir(dir);
	if (!d) {
		int e = errno;

		ht_list_done(&list);
		return ht_err_set(reterr, -e, HT_EXIT_TARGET, "cannot read '%s': %s", dir, strerror(e));
	}
	for (struct dirent *e; (e = readdir(d));)
		add_file(&list, n_living, dir, e->d_name, now);
	closedir(d);
	if (list.n)
		qsort(list.rows, list.n, sizeof(*list.rows), by_state_pid);
	*ret = list;
	return 0;
}

void ht_list_done(struct ht_list *list)
{
	if (!list)
		return;
	free(list->rows);
	memset(list, 0, sizeof(*list));
}

/* Has somebody mapped a segment of this name by now? */
static bool is_alive_by_now(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	struct ht_list living = { 0 };
	struct ht_err why;
	uint64_t ticks;
	pid_t pid;
	bool unsure = false, alive = true;

	if (parse_name(name, &pid, &ticks) && add_all_living(&living, realtime_ns(), &why) == 0)
		alive = is_claimed(&living, living.n, name, pid, ticks, &unsure) || unsure;
	ht_list_done(&living);
	return alive;
}

int ht_list_remove(const struct ht_list_entry *entry)
{
	const uint64_t slack_ns = UINT64_C(2000000000); /* file times are coarse */
	struct stat st;

	if (entry->state == HT_LIST_LIVE || entry->state == HT_LIST_DENIED || !strchr(entry->path, '/'))
		return -EBUSY;
	if (lstat(entry->path, &st) < 0)
		return -errno;
	uint64_t changed = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
	if (changed + slack_ns >= entry->scan_ns && is_alive_by_now(entry->path))
		return -EBUSY;
	return unlink(entry->path) < 0 ? -errno : 0;
}
