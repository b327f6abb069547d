/* SPDX-License-Identifier: MIT */
#include "os/vm.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "os/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

uint64_t hs_vm_n_calls;

static bool is_error(long ret)
{
	return (unsigned long)ret >= (unsigned long)-4095L;
}

size_t hs_vm_page_bytes(void)
{
	static size_t page;
	size_t p = hs_load_relaxed(&page);

	if (p == 0) {
		p = getauxval(AT_PAGESZ);
		if (!hs_is_pow2(p))
			p = 4096;
		hs_store_relaxed(&page, p);
	}
	return p;
}

/*
 * Called after mapping and before unmapping.  The kernel orders an unmap before the map that gets the same addresses
 * again; TSan does not see raw system calls, so there the counter says it.
 */
static void count_call(void)
{
#if HS_TSAN
	hs_add_acq_rel(&hs_vm_n_calls, 1); /* [mo:unmap acq_rel] with itself */
#else
	hs_add_relaxed(&hs_vm_n_calls, 1);
#endif
}

static void *map_as(void *hint, size_t bytes, int protection, int flags)
{
	long ret;

	ret = hs_syscall6(SYS_mmap, hint, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	count_call();
	return is_error(ret) ? NULL : (void *)ret;
}

static void *map(void *hint, size_t bytes, int flags)
{
	return map_as(hint, bytes, PROT_READ | PROT_WRITE, flags);
}

void *hs_vm_map_readable(size_t bytes)
{
	return map_as(NULL, bytes, PROT_READ, MAP_NORESERVE);
}

bool hs_vm_make_writable(void *addr, size_t bytes)
{
	count_call();
	return !is_error(hs_syscall3(SYS_mprotect, addr, bytes, PROT_READ | PROT_WRITE));
}

void hs_vm_unmap(void *addr, size_t bytes)
{
	if (bytes == 0)
		return;
	count_call();
	(void)hs_syscall2(SYS_munmap, addr, bytes);
}

void *hs_vm_map(size_t bytes, size_t align)
{
	size_t page = hs_vm_page_bytes();
	size_t padded;
	char *p, *aligned;

	p = map(NULL, bytes, 0);
	if (p == NULL || align <= page || (uintptr_t)p % align == 0)
		return p;
	hs_vm_unmap(p, bytes);
	padded = bytes + align - page;
	if (padded < bytes)
		return NULL;
	p = map(NULL, padded, 0);
	if (p == NULL)
		return NULL;
	aligned = (char *)hs_align_up((uintptr_t)p, align);
	hs_vm_unmap(p, (size_t)(aligned - p));
	hs_vm_unmap(aligned + bytes, (size_t)(p + padded - (aligned + bytes)));
	return aligned;
}

void *hs_vm_map_near(void *hint, size_t bytes, size_t align)
{
	char *p = map(hint, bytes, 0);

	if (p == NULL || (uintptr_t)p % align == 0)
		return p;
	hs_vm_unmap(p, bytes);
	return hs_vm_map(bytes, align);
}

bool hs_vm_purge(void *addr, size_t bytes)
{
	size_t page = hs_vm_page_bytes();
	uintptr_t lo = hs_align_up((uintptr_t)addr, page);
	uintptr_t hi = hs_align_down((uintptr_t)addr + bytes, page);

	if (lo >= hi)
		return true;
	count_call();
	return !is_error(hs_syscall3(SYS_madvise, lo, hi - lo, MADV_DONTNEED));
}

void *hs_vm_remap(void *addr, size_t old_bytes, size_t new_bytes)
{
	long ret;

	count_call();
	ret = hs_syscall4(SYS_mremap, addr, old_bytes, new_bytes, 0);
	return is_error(ret) ? NULL : (void *)ret;
}

bool hs_vm_move(void *addr, size_t old_bytes, void *to, size_t new_bytes)
{
	count_call();
	return !is_error(
		hs_syscall5(SYS_mremap, addr, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

bool hs_vm_transfer(void *addr, size_t bytes, void *to)
{
	static uint32_t xrefused;
	long ret;

	if (hs_load_relaxed(&xrefused))
		return false;
	count_call();
	ret = hs_syscall5(SYS_mremap, addr, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
	if (!is_error(ret))
		return true;
	/* the kernel may have emptied the place before it gave up */
	(void)map(to, bytes, MAP_FIXED);
	hs_store_relaxed(&xrefused, ret == -22); /* EINVAL: it does not know the flag */
	return false;
}

/*
 * Kernels before 5.14 have no MADV_POPULATE_WRITE.  There, a system call that copies into the page makes the kernel
 * fault it in and say EFAULT where we would have got SIGBUS.  What it copies is what stands there.
 */
static bool touch_page(uint64_t *word)
{
	uint64_t keep;
	struct iovec mine = {&keep, sizeof(keep)}, page = {word, sizeof(*word)};
	long pid = hs_getpid(), n = (long)sizeof(keep);

	return hs_syscall6(SYS_process_vm_readv, pid, &mine, 1, &page, 1, 0) == n &&
	       hs_syscall6(SYS_process_vm_writev, pid, &mine, 1, &page, 1, 0) == n;
}

bool hs_vm_touch(void *addr, size_t bytes)
{
	size_t page = hs_vm_page_bytes();
	uintptr_t lo = hs_align_down((uintptr_t)addr, page);
	uintptr_t hi = hs_align_up((uintptr_t)addr + bytes, page);
	static const long err_inval = -22;
	long ret;

	if (lo >= hi)
		return true;
	ret = hs_syscall3(SYS_madvise, lo, hi - lo, MADV_POPULATE_WRITE);
	if (ret == 0)
		return true;
	if (ret != err_inval)
		return false;
	for (; lo < hi; lo += page)
		if (!touch_page((uint64_t *)lo))
			return false;
	return true;
}

bool hs_vm_overlay(void *addr, size_t bytes)
{
	return map(addr, bytes, MAP_FIXED | MAP_NORESERVE) != NULL;
}

void hs_vm_name(void *addr, size_t bytes, const char *name)
{
	(void)hs_syscall5(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, addr, bytes, name);
}

void hs_vm_huge(void *addr, size_t bytes, bool on)
{
	(void)hs_syscall3(SYS_madvise, addr, bytes, on ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}
