/* SPDX-License-Identifier: MIT */
/*
 * vm.h - memory from the kernel.
 *
 * Layer:   os/ (uses sys.h)
 * Signals: async-signal-safe; errno is never touched
 * Errors:  a refusal is NULL or false; nothing aborts
 */
#ifndef HS_OS_VM_H
#define HS_OS_VM_H

#include "base/cc.h"

/* System calls made for memory, cumulative; relaxed. */
extern uint64_t hs_vm_n_calls;

/* Size of a kernel page: 4, 16 or 64 KiB. */
size_t hs_vm_page_bytes(void);

/*
 * Maps `bytes` (a multiple of the kernel page) of zero pages, readable and writable, resident only when
 * touched; `align` is a power of two.  NULL when the kernel refuses.
 * Post: result % align == 0; the range is one mapping or part of a merged one.
 */
void *hs_vm_map(size_t bytes, size_t align);

/* Maps zero pages that may only be read, which no limit but that of address space counts; NULL when refused. */
void *hs_vm_map_readable(size_t bytes);

/* Lets a page-aligned part of hs_vm_map_readable() be written.  False when refused. */
bool hs_vm_make_writable(void *addr, size_t bytes);

/* As hs_vm_map, at `hint` (aligned) if the kernel has room there, else anywhere. */
void *hs_vm_map_near(void *hint, size_t bytes, size_t align);

/* Gives the range back entirely. */
void hs_vm_unmap(void *addr, size_t bytes);

/* Drops the pages inside [addr, addr+bytes), rounded inwards to kernel pages; they read as zero afterwards.
   False when the kernel refuses (locked memory): contents are kept. */
bool hs_vm_purge(void *addr, size_t bytes);

/* Resizes a mapping of its own in place.  NULL when refused: it is then unchanged. */
void *hs_vm_remap(void *addr, size_t old_bytes, size_t new_bytes);

/* Moves pages to `to` and resizes them, in place of what is mapped there.  False: nothing has changed. */
bool hs_vm_move(void *addr, size_t old_bytes, void *to, size_t new_bytes);

/*
 * Moves the pages of a part of a mapping to `to`, in place of what is mapped there; zero pages stay behind.  False
 * when refused (kernels before 5.7): `addr` is unchanged, `to` reads as zero.
 */
bool hs_vm_transfer(void *addr, size_t bytes, void *to);

/*
 * Makes the pages of a range present and writable, without ever raising SIGBUS: false when that is
 * impossible (full tmpfs).  Contents are kept.
 */
bool hs_vm_touch(void *addr, size_t bytes);

/* Puts fresh private zero pages in place of whatever is mapped there.  False when refused. */
bool hs_vm_overlay(void *addr, size_t bytes);

/* Names the range in /proc/PID/maps where the kernel can (5.17 with CONFIG_ANON_VMA_NAME); `name` is static. */
void hs_vm_name(void *addr, size_t bytes, const char *name);

/* MADV_HUGEPAGE / MADV_NOHUGEPAGE. */
void hs_vm_huge(void *addr, size_t bytes, bool on);

#endif /* HS_OS_VM_H */
