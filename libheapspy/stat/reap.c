/* SPDX-License-Identifier: MIT */
#include "stat/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/rawio.h"
#include "os/sys.h"

#define KEEP_MAX 16u

/* What getdents64 gives. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* One walk over the directory. */
struct walk {
	const struct heapspy_header *mine;
	long dir_fd;
	uint32_t parent_pid;
	unsigned n_keep;
	uint64_t newest[KEEP_MAX]; /* heartbeats, descending */
	bool removing;		   /* second round: `newest` is known */
	unsigned n_removed;
};

static bool is_gone(uint64_t pid)
{
	return hs_syscall2(SYS_kill, pid, 0) == -ESRCH;
}

/* The header of a dead child of that parent; false for everything else. */
static bool read_dead_child(const struct walk *w, const char *name, struct heapspy_header *ret)
{
	const char *digits = name + sizeof(HEAPSPY_FILE_PREFIX) - 1;
	uint64_t pid;
	long fd, n;

	if (strncmp(name, HEAPSPY_FILE_PREFIX, sizeof(HEAPSPY_FILE_PREFIX) - 1) != 0 ||
	    !hs_parse_u64(&digits, &pid) || *digits != '-' || !is_gone(pid))
		return false;
	fd = hs_syscall4(SYS_openat, w->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = hs_syscall4(SYS_pread64, fd, ret, sizeof(*ret), 0);
	(void)hs_syscall1(SYS_close, fd);
	return n == (long)sizeof(*ret) && ret->magic == HEAPSPY_MAGIC && ret->pid == pid && ret->parent_pid != 0 &&
	       ret->parent_pid == w->parent_pid && ret->uid == w->mine->uid &&
	       ret->pidns_inode == w->mine->pidns_inode &&
	       memcmp(ret->boot_id, w->mine->boot_id, sizeof(ret->boot_id)) == 0;
}

static void note_newest(struct walk *w, uint64_t heartbeat)
{
	for (unsigned i = 0; i < w->n_keep; i++) {
		if (heartbeat > w->newest[i]) {
			uint64_t pushed = w->newest[i];

			w->newest[i] = heartbeat;
			heartbeat = pushed;
		}
	}
}

static void visit(struct walk *w, const char *name)
{
	struct heapspy_header header;

	if (!read_dead_child(w, name, &header))
		return;
	if (!w->removing)
		note_newest(w, header.heartbeat_realtime_ns);
	else if (w->n_keep == 0 || header.heartbeat_realtime_ns < w->newest[w->n_keep - 1])
		w->n_removed += hs_syscall3(SYS_unlinkat, w->dir_fd, name, 0) == 0;
}

static void walk_once(struct walk *w)
{
	char buf[2048] __attribute__((aligned(8)));
	long n;

	while ((n = hs_syscall3(SYS_getdents64, w->dir_fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *e = (const struct entry *)(const void *)(buf + at);

			visit(w, e->name);
			at += e->bytes;
		}
	}
}

unsigned hs_reap(const char *dir, const struct heapspy_header *mine, uint32_t parent_pid, unsigned keep)
{
	struct walk w = {.mine = mine, .parent_pid = parent_pid, .n_keep = keep < KEEP_MAX ? keep : KEEP_MAX};

	if (parent_pid == 0)
		return 0;
	w.dir_fd = hs_syscall4(SYS_openat, AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (w.dir_fd < 0)
		return 0;
	if (w.n_keep > 0)
		walk_once(&w);
	w.removing = true;
	if (hs_syscall3(SYS_lseek, w.dir_fd, 0, SEEK_SET) == 0)
		walk_once(&w);
	(void)hs_syscall1(SYS_close, w.dir_fd);
	return w.n_removed;
}
