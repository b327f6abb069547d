/* SPDX-License-Identifier: MIT */
#include "seg/find.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <heapspy/segment.h>

#include "util/file.h"
#include "util/text.h"

#define MAPS_MOST ((size_t)64 << 20)

/* "/dir/heapspy-<pid>-<ticks>" or "/memfd:heapspy-<pid>-<ticks>", perhaps with " (deleted)". */
static bool names_segment(const char *path, size_t n, const struct ht_ident *id, bool *ret_deleted)
{
	char want[64];
	size_t w = (size_t)snprintf(want, sizeof(want), HEAPSPY_FILE_PREFIX "%d-%llu", (int)id->ns_pid,
				    (unsigned long long)id->start_ticks);
	static const char deleted[] = " (deleted)";
	size_t d = sizeof(deleted) - 1;

	*ret_deleted = n > d && memcmp(path + n - d, deleted, d) == 0;
	if (*ret_deleted)
		n -= d;
	if (n <= w || memcmp(path + n - w, want, w) != 0)
		return false;
	return path[n - w - 1] == '/' || path[n - w - 1] == ':';
}

static bool names_library(const char *path, size_t n)
{
	static const char name[] = "/libheapspy.so";

	for (size_t i = n; i-- > 0;)
		if (path[i] == '/')
			return n - i >= sizeof(name) - 1 && memcmp(path + i, name, sizeof(name) - 1) == 0;
	return false;
}

void ht_find_in_maps(const char *maps, const struct ht_ident *id, struct ht_mapped *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (const char *line = maps; *line;) {
		const char *end = strchrnul(line, '\n');
		unsigned long start, stop, inode;
		int at = 0;
		bool deleted;

		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu %n", &start, &stop, &inode, &at) == 3 && at &&
		    line + at < end && line[at] == '/') {
			const char *path = line + at;
			size_t n = (size_t)(end - path);

			if (names_library(path, n))
				ret->library = true;
			if (!ret->segment && n < sizeof(ret->path) && names_segment(path, n, id, &deleted)) {
				ret->segment = true;
				ret->deleted = deleted;
				ret->start = start;
				ret->end = stop;
				ret->inode = inode;
				memcpy(ret->path, path, n);
				ret->path[n - (deleted ? strlen(" (deleted)") : 0)] = '\0';
			}
		}
		line = *end ? end + 1 : end;
	}
}

/* A planted file must not be believed: regular, of the target's user, ours or root's, and the mapped one. */
static bool acceptable(int fd, const struct ht_ident *id, unsigned long inode)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (st.st_uid != id->uid && st.st_uid != geteuid() && st.st_uid != 0)
		return false;
	return inode == 0 || (unsigned long)st.st_ino == inode;
}

/* A name that leads to the mapped file; 0 when there is none for us, and why in `*refused`. */
static bool open_way(int way, const struct ht_ident *id, const struct ht_mapped *m, int *ret_fd, int *refused)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
	char path[600];

	/* through the target's own root first: it may live in a container */
	if (way == 0) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)id->pid, m->path);
	} else if (way == 1) {
		snprintf(path, sizeof(path), "%s", m->path);
	} else {
		snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)id->pid, m->start, m->end);
		flags &= ~O_NOFOLLOW; /* these are links by nature */
	}
	if (way < 2 && m->deleted)
		return false;
	int fd = open(path, flags);
	if (fd >= 0 && acceptable(fd, id, m->inode)) {
		*ret_fd = fd;
		return true;
	}
	if (fd >= 0) {
		*refused = -ESTALE;
		close(fd);
	} else if (errno != ENOENT && *refused != -ESTALE) {
		*refused = -errno;
	}
	return false;
}

static int open_mapped(const struct ht_ident *id, const struct ht_mapped *m, struct ht_segment_at *ret,
		       struct ht_err *reterr)
{
	char path[64], shown[sizeof(m->path) * 2];
	int refused = -ENOENT, fd;

	for (int way = 0; way < 3; way++)
		if (open_way(way, id, m, &fd, &refused)) {
			*ret = (struct ht_segment_at){ .fd = fd };
			return 0;
		}
	/* a memfd, or a file that was removed: the target's memory has it, and map_files is for root only */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)id->pid);
	fd = refused == -ESTALE ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		*ret = (struct ht_segment_at){ .fd = fd, .base = m->start };
		return 0;
	}
	ht_escape(shown, sizeof(shown), m->path, sizeof(m->path));
	if (refused == -ESTALE)
		ht_err_set(reterr, refused, HT_EXIT_TARGET,
			   "pid %d: segment '%.300s' is not the file that the process has mapped", (int)id->pid, shown);
	else
		ht_err_set(reterr, refused, HT_EXIT_TARGET, "pid %d: cannot open segment '%.300s': %s", (int)id->pid,
			   shown, strerror(-refused));
	ht_err_hint(reterr, "run as the same user, or as root");
	return refused;
}

static int no_segment(const struct ht_ident *id, const struct ht_mapped *m, bool empty, struct ht_err *reterr)
{
	char comm[80];

	ht_escape(comm, sizeof(comm), id->comm, sizeof(id->comm));
	if (empty) {
		ht_err_set(reterr, -ESRCH, HT_EXIT_TARGET, "pid %d (%s) has no memory of its own: %s", (int)id->pid,
			   comm, id->state == 'Z' ? "it has exited and waits for its parent" : "a kernel thread");
		return -ESRCH;
	}
	if (m->library) {
		ht_err_set(reterr, -EAGAIN, HT_EXIT_TARGET,
			   "pid %d (%s) has loaded libheapspy.so, but has no segment yet", (int)id->pid, comm);
		ht_err_hint(reterr, "the segment is made when the process has allocated 256 KiB, or allocates anything after 100 ms; "
				    "try again, and look for a warning on its stderr");
		return -EAGAIN;
	}
	ht_err_set(reterr, -ENOENT, HT_EXIT_TARGET, "pid %d (%s) does not run under libheapspy.so", (int)id->pid, comm);
	ht_err_hint(reterr, "start it with 'heaptop run -- COMMAND', or with LD_PRELOAD=libheapspy.so");
	return -ENOENT;
}

int ht_find_pid(pid_t pid, struct ht_found *ret, struct ht_err *reterr)
{
	struct ht_found f = { .at.fd = -1 };
	struct ht_mapped m;
	char path[64], *maps;
	int r = ht_ident_read(pid, &f.ident);

	if (r == -ESRCH) {
		ht_err_set(reterr, r, HT_EXIT_TARGET, "pid %d: no such process", (int)pid);
		ht_err_hint(reterr, "'heaptop list' shows processes with a segment, dead ones too");
		return r;
	}
	if (r < 0)
		return ht_err_set(reterr, r, HT_EXIT_TARGET, "pid %d: cannot read /proc/%d/stat: %s", (int)pid,
				  (int)pid, strerror(-r));
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	r = ht_read_file(path, MAPS_MOST, &maps, NULL);
	if (r < 0) {
		ht_err_set(reterr, r, HT_EXIT_TARGET, "pid %d: cannot read %s: %s", (int)pid, path, strerror(-r));
		ht_err_hint(reterr, "run as the same user, or with CAP_SYS_PTRACE");
		return r;
	}
	ht_find_in_maps(maps, &f.ident, &m);
	bool empty = !*maps;
	free(maps);
	if (!m.segment)
		return no_segment(&f.ident, &m, empty, reterr);
	r = open_mapped(&f.ident, &m, &f.at, reterr);
	if (r < 0)
		return r;
	snprintf(f.path, sizeof(f.path), "%s", m.path);
	*ret = f;
	return 0;
}

int ht_find_file(const char *path, int *ret_fd, struct ht_err *reterr)
{
	char shown[512];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	ht_escape(shown, sizeof(shown), path, strlen(path));
	if (fd < 0) {
		int e = errno;

		ht_err_set(reterr, -e, HT_EXIT_TARGET, "cannot open '%s': %s", shown, strerror(e));
		if (e == ENOENT)
			ht_err_hint(reterr, "'heaptop list' shows the segments of this machine");
		return -e;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return ht_err_set(reterr, -EINVAL, HT_EXIT_TARGET, "'%s' is not a regular file", shown);
	}
	*ret_fd = fd;
	return 0;
}

/* Is `name` the command name of the process, or the base name of its program? */
static bool is_called(pid_t pid, const char *name)
{
	char path[64], exe[512], *buf;
	bool same = false;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (ht_read_file(path, 64, &buf, NULL) == 0) {
		buf[strcspn(buf, "\n")] = '\0';
		/* the kernel keeps 15 bytes of a name */
		same = strcmp(buf, name) == 0 || (strlen(name) > 15 && strncmp(buf, name, 15) == 0);
		free(buf);
	}
	if (same)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	const char *base = strrchr(exe, '/');
	return strcmp(base ? base + 1 : exe, name) == 0;
}

int ht_find_name(const char *name, pid_t *ret, struct ht_err *reterr)
{
	struct ht_text pids = { 0 };
	struct ht_err why = { 0 };
	DIR *dir = opendir("/proc");
	size_t n = 0, called = 0;
	pid_t found = 0;
	char shown[256];
	int r = 0;

	ht_escape(shown, sizeof(shown), name, strlen(name));
	if (!dir)
		return ht_err_set(reterr, -errno, HT_EXIT_TARGET, "cannot read /proc: %s", strerror(errno));
	for (struct dirent *e; (e = readdir(dir));) {
		struct ht_found f;
		pid_t pid = (pid_t)atoi(e->d_name);

		if (!isdigit((unsigned char)e->d_name[0]) || pid == getpid() || !is_called(pid, name))
			continue;
		called++;
		if (ht_find_pid(pid, &f, &why) < 0)
			continue;
		close(f.at.fd);
		ht_text_printf(&pids, "%s%d", n ? ", " : "", (int)pid);
		found = pid;
		n++;
	}
	closedir(dir);
	if (n == 1) {
		*ret = found;
	} else if (n > 1) {
		r = ht_err_set(reterr, -EEXIST, HT_EXIT_TARGET, "'%s' is the name of %zu processes: %.300s", shown, n,
			       pids.s);
		ht_err_hint(reterr, "choose one with -p PID");
	} else if (called == 1) {
		*reterr = why;
		r = -ENOENT;
	} else {
		r = ht_err_set(reterr, -ENOENT, HT_EXIT_TARGET,
			       called ? "none of the processes called '%s' has a segment" : "no process is called '%s'",
			       shown);
		ht_err_hint(reterr, "'heaptop list' shows the processes that can be watched");
	}
	ht_text_done(&pids);
	return r;
}
