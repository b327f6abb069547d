/* SPDX-License-Identifier: MIT */
#include "model/wss.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/proc.h"
#include "util/mem.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int ht_wss_begin(pid_t pid, struct ht_wss *ret, struct ht_err *reterr)
{
	char path[64];
	int r = 0, fd;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		r = -errno;
	else if (write(fd, "1\n", 2) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		if (r == -ENOENT)
			r = -ESRCH;
		ht_err_set(reterr, r, HT_EXIT_TARGET, "pid %d: cannot measure the working set: %s: %s", (int)pid, path,
			   strerror(-r));
		if (r == -EACCES || r == -EPERM)
			ht_err_hint(reterr, "run as the same user, or with CAP_SYS_PTRACE");
		return r;
	}
	memset(ret, 0, sizeof(*ret));
	ret->begin_ns = now_ns();
	return 0;
}

static int by_base(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int ht_wss_end(pid_t pid, const struct ht_snap *snap, struct ht_wss *wss, struct ht_err *reterr)
{
	struct ht_smaps smaps;
	uint64_t *bases = ht_xcalloc(snap->n_spans, sizeof(*bases));
	size_t n = 0, k = 0;
	int r;

	wss->ns = now_ns() - wss->begin_ns;
	r = ht_smaps_read(pid, &smaps);
	if (r < 0) {
		free(bases);
		return ht_err_set(reterr, r, HT_EXIT_TARGET, "pid %d: cannot measure the working set: smaps: %s",
				  (int)pid, strerror(-r));
	}
	for (size_t i = 0; i < snap->n_spans; i++)
		if (snap->spans[i].state != HEAPSPY_SPAN_FREE)
			bases[n++] = snap->spans[i].base;
	if (n)
		qsort(bases, n, sizeof(*bases), by_base);
	for (size_t i = 0; i < smaps.n; i++) {
		const struct ht_vma *v = &smaps.rows[i];

		while (k < n && bases[k] < v->start)
			k++;
		if (v->kind == HT_VMA_OURS || (k < n && bases[k] < v->end))
			wss->heap_bytes += v->referenced;
		else
			wss->other_bytes += v->referenced;
	}
	free(bases);
	ht_smaps_done(&smaps);
	return 0;
}
