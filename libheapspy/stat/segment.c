/* SPDX-License-Identifier: MIT */
/*
 * Invariants:
 *   rows->shared  =>  a MAP_SHARED file lies at [rows->base, rows->base + rows->bytes)
 *   owner_pid != 0  =>  this address space made the file; only that pid may unlink `path`
 *
 * A page of a file can be refused long after the file was made (full tmpfs): that would be a SIGBUS on
 * first touch.  So every page is populated by a call that can fail, before it is used, and growing is done the
 * same way in core/rows.c.
 */
#include "stat/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "base/rawio.h"
#include "os/sys.h"
#include "os/vm.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef F_DUPFD_CLOEXEC
#define F_DUPFD_CLOEXEC 1030
#endif

#define KERNEL_SIGSET_BYTES 8
#define FIRST_FREE_FD 3

static bool is_error(long ret)
{
	return (unsigned long)ret >= (unsigned long)-4095L;
}

static uint64_t block_signals(void)
{
	uint64_t all = UINT64_MAX, old = 0;

	(void)hs_syscall4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, KERNEL_SIGSET_BYTES);
	return old;
}

static void restore_signals(uint64_t old)
{
	(void)hs_syscall4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, KERNEL_SIGSET_BYTES);
}

/* Region 0 is the header, region i is table i - 1. */
#define N_REGIONS (HS_N_TABLES + 1)

struct region {
	size_t offset, bytes; /* present part */
};

static struct region region_of(const struct hs_rows *rows, unsigned i)
{
	if (i == 0)
		return (struct region){0, (size_t)(rows->tables[0].base - rows->base)};
	return (struct region){(size_t)(rows->tables[i - 1].base - rows->base),
			       hs_load_relaxed(&rows->tables[i - 1].present_bytes)};
}

/* Tables that tell this process's own story: a fork child begins an empty one. */
static bool is_own_story(unsigned region)
{
	return region >= HEAPSPY_T_HISTORY_1S && region <= HEAPSPY_T_MAILBOX;
}

/* Populates and copies; false when the pages are not to be had. */
static bool copy_present(const struct hs_rows *rows, char *to, bool with_story)
{
	for (unsigned i = 0; i < N_REGIONS; i++) {
		struct region r = region_of(rows, i);

		if (r.bytes == 0 || (!with_story && is_own_story(i)))
			continue;
		if (!hs_vm_touch(to + r.offset, r.bytes))
			return false;
		memcpy(to + r.offset, rows->base + r.offset, r.bytes);
	}
	return true;
}

/* Puts private pages under the rows, with the content of the copy. */
static bool rebuild(struct hs_rows *rows, const char *from)
{
	if (!hs_vm_overlay(rows->base, rows->bytes))
		return false;
	for (unsigned i = 0; i < N_REGIONS; i++) {
		struct region r = region_of(rows, i);

		memcpy(rows->base + r.offset, from + r.offset, r.bytes);
	}
	return true;
}

void hs_segment_init(struct hs_segment *seg, struct hs_rows *rows)
{
	memset(seg, 0, sizeof(*seg));
	seg->pid = hs_getpid();
	seg->start_ns = hs_now_ns();
	rows->header->start_ns = seg->start_ns;
	rows->header->start_realtime_ns = hs_now_realtime_ns();
}

static uint64_t fallback_ticks(const struct hs_segment *seg)
{
	return seg->start_ns / 10000000; /* a tick is 10 ms */
}

static size_t format_name(char *buf, size_t cap, const struct heapspy_header *h)
{
	return hs_format(buf, cap, HEAPSPY_FILE_PREFIX "%u-%lu", h->pid, (unsigned long)h->start_ticks);
}

/* False when it would not fit. */
static bool format_path(char *path, const char *dir, const struct heapspy_header *h)
{
	size_t len = hs_format(path, HS_SEGMENT_PATH_BYTES, "%s/", dir);

	return len + format_name(path + len, HS_SEGMENT_PATH_BYTES - len, h) < HS_SEGMENT_PATH_BYTES - 1;
}

static bool is_plain_own_file(long fd)
{
	struct stat st;

	return hs_syscall2(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       st.st_uid == (uint32_t)hs_syscall0(SYS_geteuid);
}

static long unlink_path(const char *path)
{
	return hs_syscall3(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* Is it what this process, before an exec, left there?  O_NONBLOCK: a planted fifo must not stop us. */
static bool is_left_by_us(const char *path, const struct heapspy_header *mine)
{
	struct heapspy_header other;
	long fd = hs_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	bool same;

	if (fd < 0)
		return false;
	same = is_plain_own_file(fd) && hs_syscall4(SYS_pread64, fd, &other, sizeof(other), 0) == sizeof(other) &&
	       hs_identity_same(mine, &other);
	(void)hs_syscall1(SYS_close, fd);
	return same;
}

void hs_segment_sweep(const struct hs_segment *seg, const struct hs_segment_conf *conf)
{
	struct heapspy_header mine;
	char path[HS_SEGMENT_PATH_BYTES];

	memset(&mine, 0, sizeof(mine));
	hs_identity_name(&mine, fallback_ticks(seg));
	if (!format_path(path, conf->dir, &mine) || hs_syscall4(SYS_faccessat, AT_FDCWD, path, 0, 0) != 0)
		return;
	hs_identity_fill(&mine, conf, fallback_ticks(seg));
	if (is_left_by_us(path, &mine))
		(void)unlink_path(path);
}

/* A daemon that closed 0, 1 and 2 expects its next open() to return 0. */
static long above_stdio(long fd)
{
	long high;

	if (fd < 0 || fd >= FIRST_FREE_FD)
		return fd;
	high = hs_syscall3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	(void)hs_syscall1(SYS_close, fd);
	return high;
}

static long open_file(const char *path, const struct heapspy_header *mine)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	long fd = hs_syscall4(SYS_openat, AT_FDCWD, path, flags, 0600);

	if (fd == -EEXIST && is_left_by_us(path, mine) && unlink_path(path) == 0)
		fd = hs_syscall4(SYS_openat, AT_FDCWD, path, flags, 0600);
	if (fd < 0)
		return fd;
	if (!is_plain_own_file(fd)) { /* a file system that gives files to somebody else */
		(void)hs_syscall1(SYS_close, fd);
		(void)unlink_path(path);
		return -EPERM;
	}
	return fd;
}

static long open_memfd(const struct heapspy_header *mine)
{
	char name[64];
	long fd;

	format_name(name, sizeof(name), mine);
	fd = hs_syscall2(SYS_memfd_create, name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd == -EINVAL) /* before 6.3 */
		fd = hs_syscall2(SYS_memfd_create, name, MFD_CLOEXEC);
	return fd;
}

/* An ftruncate() beyond the limit would send SIGXFSZ. */
static bool limit_allows(uint64_t bytes)
{
	uint64_t limit[2];

	return hs_syscall4(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, limit) != 0 || bytes <= limit[0];
}

/* Maps the file somewhere, fills it and moves it over the rows.  0, or -errno with the rows as before. */
static long share(struct hs_rows *rows, long fd)
{
	long ret = hs_syscall2(SYS_ftruncate, fd, rows->bytes);
	char *map;

	if (ret < 0)
		return ret;
	/* PROT_NONE first: under mlockall(MCL_FUTURE) a usable mapping would be made resident as a whole */
	ret = hs_syscall6(SYS_mmap, NULL, rows->bytes, PROT_NONE, MAP_SHARED, fd, 0);
	if (is_error(ret))
		return ret;
	map = (char *)ret;
	(void)hs_syscall2(SYS_munlock, map, rows->bytes);
	ret = hs_syscall3(SYS_mprotect, map, rows->bytes, PROT_READ | PROT_WRITE);
	/* a huge page per table would be megabytes for nothing where tmpfs is mounted with huge=always */
	hs_vm_huge(map, rows->bytes, false);
	if (!is_error(ret) && !copy_present(rows, map, true))
		ret = -ENOSPC;
	if (!is_error(ret)) {
		if (hs_vm_move(map, rows->bytes, rows->base, rows->bytes))
			return 0;
		ret = -ENOMEM;
	}
	hs_vm_unmap(map, rows->bytes);
	return ret;
}

static long share_and_close(struct hs_rows *rows, long fd)
{
	long ret;

	fd = above_stdio(fd);
	if (fd < 0)
		return fd;
	ret = share(rows, fd);
	(void)hs_syscall1(SYS_close, fd);
	return ret;
}

static long promote_file(struct hs_segment *seg, struct hs_rows *rows, const char *dir)
{
	long ret;

	if (!format_path(seg->path, dir, rows->header))
		return -ENAMETOOLONG;
	ret = open_file(seg->path, rows->header);
	if (ret < 0)
		return ret;
	ret = share_and_close(rows, ret);
	if (ret < 0)
		(void)unlink_path(seg->path);
	return ret;
}

static const char *reason(long error)
{
	switch (-error) {
	case EACCES:
	case EPERM:
		return "permission denied";
	case ENOSPC:
	case EDQUOT:
		return "no space left";
	case ENOENT:
	case ENOTDIR:
		return "no such directory";
	case EROFS:
		return "read-only file system";
	case EEXIST:
		return "somebody else's file has its name";
	case ENOMEM:
		return "out of memory";
	case EFBIG:
		return "beyond the limit of file size";
	case EMFILE:
	case ENFILE:
		return "too many open files";
	default:
		return "not possible here";
	}
}

static bool promote_blocked(struct hs_segment *seg, struct hs_rows *rows, const struct hs_segment_conf *conf)
{
	struct heapspy_header *h = rows->header;
	long ret = -EFBIG, ret_file;

	hs_identity_fill(h, conf, fallback_ticks(seg));
	rows->totals->segment_bytes = hs_rows_present_bytes(rows);
	h->heartbeat_ns = hs_now_ns();
	h->heartbeat_realtime_ns = hs_now_realtime_ns();
	h->state = HEAPSPY_STATE_LIVE;
	if (limit_allows(rows->bytes)) {
		ret = promote_file(seg, rows, conf->dir);
		if (ret < 0) {
			/* a memfd is limited by no mount and found through /proc/PID/maps all the same */
			ret_file = ret;
			seg->path[0] = '\0';
			ret = share_and_close(rows, open_memfd(h));
			if (ret < 0)
				ret = ret_file;
		}
	}
	if (ret < 0) {
		h->state = HEAPSPY_STATE_INIT;
		seg->refused = true;
		hs_warn("no segment in %s: %s (error %ld); heaptop will not see this process", conf->dir, reason(ret),
			-ret);
		return false;
	}
	rows->shared = true;
	seg->owner_pid = h->pid;
	(void)hs_syscall3(SYS_madvise, rows->base, rows->bytes, MADV_DONTDUMP);
	/* [mo:segment-magic release] the whole file must be there before a reader believes it */
	hs_store_release(&h->magic, HEAPSPY_MAGIC);
	return true;
}

bool hs_segment_promote(struct hs_segment *seg, struct hs_rows *rows, const struct hs_segment_conf *conf)
{
	uint64_t signals;
	bool ok;

	if (rows->shared)
		return true;
	if (seg->refused)
		return false;
	signals = block_signals();
	ok = promote_blocked(seg, rows, conf);
	restore_signals(signals);
	return ok;
}

/* When address space is too short for a second range: through a copy of the present pages alone. */
static bool detach_tight(struct hs_rows *rows)
{
	size_t sum = hs_rows_present_bytes(rows), at = 0;
	char *copy = hs_vm_map(sum, 4096);
	bool ok;

	if (copy == NULL)
		return false;
	for (unsigned i = 0; i < N_REGIONS; i++) {
		struct region r = region_of(rows, i);

		memcpy(copy + at, rows->base + r.offset, r.bytes);
		at += r.bytes;
	}
	ok = hs_vm_overlay(rows->base, rows->bytes);
	at = 0;
	for (unsigned i = 0; ok && i < N_REGIONS; i++) {
		struct region r = region_of(rows, i);

		if (!is_own_story(i))
			memcpy(rows->base + r.offset, copy + at, r.bytes);
		at += r.bytes;
	}
	hs_vm_unmap(copy, sum);
	return ok;
}

static bool detach_pages(struct hs_rows *rows)
{
	char *fresh = hs_vm_map(rows->bytes, 4096);
	bool ok;

	if (fresh == NULL)
		return detach_tight(rows);
	hs_vm_name(fresh, rows->bytes, "heapspy-seg");
	ok = copy_present(rows, fresh, false);
	if (ok && hs_vm_move(fresh, rows->bytes, rows->base, rows->bytes))
		return true;
	ok = ok && rebuild(rows, fresh);
	hs_vm_unmap(fresh, rows->bytes);
	return ok;
}

/* A private range has no page that could be refused, so tables have their full size again. */
static void reset_directory(struct hs_rows *rows)
{
	for (uint32_t i = 0; i < HS_N_TABLES; i++) {
		rows->tables[i].private_pages = false;
		rows->header->tables[i].capacity = rows->tables[i].capacity;
		if (is_own_story(i + 1))
			rows->header->tables[i].count = 0;
	}
}

static void clear_story(struct hs_rows *rows)
{
	for (unsigned i = 0; i < N_REGIONS; i++) {
		struct region r = region_of(rows, i);

		/* dropping pages is cheaper than copying them to write zeroes, but locked ones stay */
		if (is_own_story(i) && !hs_vm_purge(rows->base + r.offset, r.bytes))
			memset(rows->base + r.offset, 0, r.bytes);
	}
}

bool hs_segment_detach_child(struct hs_segment *seg, struct hs_rows *rows)
{
	struct heapspy_header *h = rows->header;
	uint64_t signals = block_signals();
	bool refused = seg->refused;
	uint32_t parent = seg->owner_pid != 0 ? seg->owner_pid : (uint32_t)hs_syscall0(SYS_getppid);

	if (rows->shared && !detach_pages(rows)) {
		restore_signals(signals);
		return false;
	}
	if (!rows->shared)
		clear_story(rows);
	rows->shared = false;
	reset_directory(rows);
	hs_segment_init(seg, rows);
	/* what kept the parent from having a file keeps the child too; it need not warn again */
	seg->refused = refused;
	h->magic = 0;
	h->state = HEAPSPY_STATE_INIT;
	h->parent_pid = parent;
	h->helper_tid = 0;
	restore_signals(signals);
	return true;
}

void hs_segment_retire(struct hs_segment *seg, struct hs_rows *rows, bool keep)
{
	if (seg->pid != hs_getpid())
		return;
	seg->refused = true;
	if (seg->owner_pid == 0)
		return;
	/* [mo:segment-state release] the last figures are written before the state that calls them final */
	hs_store_release(&rows->header->state, HEAPSPY_STATE_EXITED);
	if (!keep && seg->path[0] != '\0')
		(void)unlink_path(seg->path);
	seg->owner_pid = 0;
}
