/* SPDX-License-Identifier: MIT */
/*
 * proc.h - what the kernel says about the target.
 *
 * status is cheap and read for each frame; smaps walks all page tables and is read when residency is measured.
 *
 * Layer:   model/ (uses util/)
 * Memory:  ht_proc_done(), ht_smaps_done()
 */
#ifndef HT_MODEL_PROC_H
#define HT_MODEL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ht_proc_thread {
	uint32_t tid; /* as the target sees it */
	char name[16];
};

/* Figures of /proc/PID/status in bytes, UINT64_MAX when unreadable. */
struct ht_proc {
	uint64_t rss, rss_anon, rss_file, rss_shmem, swap, vm_stk, peak_rss, n_threads;
	struct ht_proc_thread *threads; /* by tid; at most HT_PROC_THREADS_MOST are looked up */
	size_t n_names;
};

#define HT_PROC_THREADS_MOST 4096

/* 0 or negative errno (-ESRCH when it is gone). */
int ht_proc_read(pid_t pid, struct ht_proc *ret);
void ht_proc_done(struct ht_proc *proc);

enum ht_vma_kind { HT_VMA_ANON, HT_VMA_STACK, HT_VMA_BRK, HT_VMA_FILE, HT_VMA_SEGMENT, HT_VMA_OURS };

struct ht_vma {
	uint64_t start, end;
	enum ht_vma_kind kind; /* OURS: anonymous and named by the library */
	bool special;	       /* vdso and its like */
	uint64_t rss, anon, huge, lazy, swap, referenced;
};

struct ht_smaps {
	struct ht_vma *rows; /* by address */
	size_t n, room;
};

int ht_smaps_read(pid_t pid, struct ht_smaps *ret);
/* The same from text, for tests. */
void ht_smaps_parse(const char *text, struct ht_smaps *ret);
void ht_smaps_done(struct ht_smaps *smaps);

#endif /* HT_MODEL_PROC_H */
