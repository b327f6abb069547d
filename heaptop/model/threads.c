/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "util/mem.h"

/* The present name: programs name their threads after they have started to allocate. */
static const char *kernel_name(const struct ht_proc *proc, uint32_t tid)
{
	size_t low = 0, high = proc ? proc->n_names : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (proc->threads[mid].tid == tid)
			return proc->threads[mid].name;
		if (proc->threads[mid].tid < tid)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void ht_build_threads(struct ht_model *m, const struct ht_build *in)
{
	const struct ht_snap *snap = in->snap;
	uint64_t now = m->now_ns;

	m->threads = ht_xcalloc(snap->n_threads, sizeof(*m->threads));
	for (size_t i = 0; i < snap->n_threads; i++) {
		const struct heapspy_thread *t = &snap->threads[i];

		/* row 0 is the sum of the dead; a free row has been added to it */
		if (i == 0 || t->state == HEAPSPY_THREAD_LIVE) {
			m->allocated_bytes += t->allocated_bytes;
			m->lock_wait_ns += t->lock_wait_ns;
		}
		if (i == 0 || t->state != HEAPSPY_THREAD_LIVE)
			continue;
		struct ht_thread *x = &m->threads[m->n_threads++];
		const char *name = kernel_name(in->proc, t->tid);

		x->row = (uint32_t)i;
		x->tid = t->tid;
		x->arena = t->arena;
		memcpy(x->name, name ? name : t->name, sizeof(x->name));
		x->name[sizeof(x->name) - 1] = '\0';
		x->alive = true;
		x->idle_ns = t->active_ns && now > t->active_ns ? now - t->active_ns : 0;
		x->allocated_bytes = t->allocated_bytes;
		x->n_samples = t->n_samples;
		x->lock_wait_ns = t->lock_wait_ns;
		x->remote_freed = t->n_remote_freed;
	}
}
