/* SPDX-License-Identifier: MIT */
#include "model/source.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "model/build.h"
#include "model/wss.h"
#include "seg/find.h"
#include "seg/ident.h"
#include "seg/snapshot.h"
#include "sym/symbolize.h"
#include "util/mem.h"
#include "util/text.h"

/* The viewer's own points: an hour at one a second. */
#define SEEN_MOST 3600u
/* Measuring residency may take this share of the time: 1 part in 50. */
#define MEASURE_SHARE 50u

struct ht_source {
	pid_t pid; /* as we see it; 0 for a file without a living process */
	struct ht_segment_at at;
	char what[300]; /* "pid 4711", "'file'", for messages */
	struct ht_ident ident;
	bool settled; /* the last state has been read: nothing more will come */

	struct ht_snap snap;
	struct ht_model model;
	bool has_model;

	struct ht_resident resident;
	bool has_resident, measure_always;
	struct ht_wss wss;
	bool wss_running, has_wss;
	struct ht_point *seen;
	size_t n_seen;
	struct ht_sym *sym;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct ht_source *create(struct ht_segment_at at, pid_t pid)
{
	struct ht_source *s = ht_xcalloc(1, sizeof(*s));

	s->at = at;
	s->pid = pid;
	s->seen = ht_xcalloc(SEEN_MOST, sizeof(*s->seen));
	return s;
}

/* A segment must say that it is this process's, of this boot; else it was left over or planted. */
static int check_identity(const struct heapspy_header *h, const struct ht_ident *id, const char *what,
			  struct ht_err *reterr)
{
	uint8_t boot[16];
	const char *why = NULL;

	if (ht_ident_boot(boot) == 0 && memcmp(boot, h->boot_id, sizeof(boot)) != 0)
		why = "another boot of the machine";
	else if (h->pid != (uint32_t)id->ns_pid)
		why = "another pid";
	else if (h->start_ticks != id->start_ticks)
		why = "an earlier process with this pid";
	if (!why)
		return 0;
	ht_err_set(reterr, -ESTALE, HT_EXIT_TARGET, "%s: segment refused: it belongs to %s", what, why);
	ht_err_hint(reterr, "'heaptop prune' removes segments of the dead");
	return -ESTALE;
}

/* Is the mapped file of `pid` this one? */
static bool is_mapped_by(int fd, pid_t pid, struct ht_found *ret)
{
	struct stat a, b;
	struct ht_err why;

	if (ht_find_pid(pid, ret, &why) < 0)
		return false;
	if (fstat(fd, &a) == 0 && fstat(ret->at.fd, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return true;
	close(ret->at.fd);
	return false;
}

int ht_source_open_pid(struct ht_source **ret, pid_t pid, struct ht_err *reterr)
{
	struct heapspy_header h;
	struct ht_found found;
	char what[32];
	int r = ht_find_pid(pid, &found, reterr);

	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "pid %d", (int)pid);
	r = ht_snap_header(&h, found.at, what, reterr);
	if (r == 0)
		r = check_identity(&h, &found.ident, what, reterr);
	if (r < 0) {
		close(found.at.fd);
		return r;
	}
	struct ht_source *s = create(found.at, pid);
	s->ident = found.ident;
	snprintf(s->what, sizeof(s->what), "%s", what);
	*ret = s;
	return 0;
}

int ht_source_open_file(struct ht_source **ret, const char *path, struct ht_err *reterr)
{
	struct heapspy_header h;
	struct ht_found found;
	char what[300], shown[260];
	int fd, r = ht_find_file(path, &fd, reterr);

	if (r < 0)
		return r;
	ht_escape(shown, sizeof(shown), path, strlen(path));
	snprintf(what, sizeof(what), "'%s'", shown);
	r = ht_snap_header(&h, (struct ht_segment_at){ .fd = fd }, what, reterr);
	if (r < 0) {
		close(fd);
		return r;
	}
	struct ht_source *s = create((struct ht_segment_at){ .fd = fd }, 0);
	snprintf(s->what, sizeof(s->what), "%s", what);
	if (h.pid && h.pid <= INT32_MAX && is_mapped_by(fd, (pid_t)h.pid, &found)) {
		close(found.at.fd);
		s->pid = (pid_t)h.pid;
		s->ident = found.ident;
	}
	*ret = s;
	return 0;
}

/* exec keeps pid and start time but makes a new segment under the old name: follow it. */
static void follow_exec(struct ht_source *s)
{
	struct ht_found found;
	struct ht_err why;
	struct stat old, now;

	/* memory of the old image is gone with it: also then a new look is right */
	if (fstat(s->at.fd, &old) < 0 || (old.st_nlink > 0 && !s->at.base) || ht_find_pid(s->pid, &found, &why) < 0)
		return;
	if (fstat(found.at.fd, &now) == 0 &&
	    (now.st_ino != old.st_ino || now.st_dev != old.st_dev || found.at.base != s->at.base)) {
		close(s->at.fd);
		s->at = found.at;
		s->has_resident = false;
		s->n_seen = 0;
	} else {
		close(found.at.fd);
	}
}

/* Also learns the present name: programs rename themselves. */
static bool is_alive(struct ht_source *s)
{
	struct ht_ident id;

	if (!s->pid || ht_ident_read(s->pid, &id) < 0 || id.start_ticks != s->ident.start_ticks || id.state == 'Z')
		return false;
	s->ident = id;
	return true;
}

/* Residency is expensive for a big heap: its cost decides how often. */
static void measure(struct ht_source *s, const struct ht_snap *snap)
{
	uint64_t now = now_ns(), age = now - s->resident.taken_ns;

	if (s->has_resident && !s->measure_always && age < s->resident.cost_ns * MEASURE_SHARE)
		return;
	struct ht_span_fact *facts = ht_span_facts(snap);
	if (ht_resident_measure(s->pid, snap, facts, &s->resident) == 0)
		s->has_resident = true;
	free(facts);
}

static void note_seen(struct ht_source *s, const struct ht_model *m)
{
	if (m->state != HT_LIVE || !m->n_history)
		return;
	if (s->n_seen == SEEN_MOST) {
		memmove(s->seen, s->seen + 1, (SEEN_MOST - 1) * sizeof(*s->seen));
		s->n_seen--;
	}
	s->seen[s->n_seen++] = m->history[m->n_history - 1];
}

static void feed_symbolizer(struct ht_source *s)
{
	const struct ht_snap *snap = &s->snap;
	struct ht_sym_module *rows;
	char(*paths)[sizeof(snap->modules->path) + 1];
	size_t n = 0;

	if (!s->sym)
		return;
	rows = ht_xcalloc(snap->n_modules, sizeof(*rows));
	paths = ht_xcalloc(snap->n_modules, sizeof(*paths));
	/* the loaded ones first: an unloaded one must not hide what took its place */
	for (int unloaded = 0; unloaded < 2; unloaded++)
		for (size_t i = 0; i < snap->n_modules; i++) {
			const struct heapspy_module *m = &snap->modules[i];
			bool taken = m->end <= m->start || (m->flags & 1) != (uint32_t)unloaded;

			for (size_t k = 0; unloaded && k < n && !taken; k++)
				taken = m->start < rows[k].end && rows[k].start < m->end;
			if (taken)
				continue;
			memcpy(paths[n], m->path, sizeof(m->path));
			rows[n] = (struct ht_sym_module){ .start = m->start,
							  .end = m->end,
							  .bias = m->bias,
							  .build_id = m->build_id,
							  .build_id_bytes = m->build_id_bytes <= sizeof(m->build_id)
										    ? m->build_id_bytes
										    : 0,
							  .path = paths[n] };
			n++;
		}
	ht_sym_set_modules(s->sym, rows, n);
	free(rows);
	free(paths);
}

static void install(struct ht_source *s, struct ht_snap *snap, struct ht_model *model)
{
	ht_model_done(&s->model);
	s->model = *model;
	s->has_model = true;
	ht_snap_done(&s->snap);
	s->snap = *snap;
	feed_symbolizer(s);
}

static enum ht_state state_of(const struct ht_source *s, const struct heapspy_header *header, bool alive)
{
	struct stat st;

	if (alive)
		return HT_LIVE;
	/* who removed the file left by exit(), whatever the header still says */
	bool removed = s->pid && !s->at.base && fstat(s->at.fd, &st) == 0 && st.st_nlink == 0;
	return header->state == HEAPSPY_STATE_EXITED || removed ? HT_EXITED : HT_DEAD;
}

/* The target has gone since the frame before. */
static void settle(struct ht_source *s)
{
	struct heapspy_header now;
	struct ht_err why;

	/* exit() marks the segment, or removes it */
	if (ht_snap_header(&now, s->at, s->what, &why) < 0)
		now = s->snap.header;
	s->model.state = state_of(s, &now, /* alive */ false);
	s->model.alloc_rate = s->model.live_rate = NAN;
	s->settled = true;
}

int ht_source_refresh(struct ht_source *s, const struct ht_model **ret, struct ht_err *reterr)
{
	struct ht_proc proc;
	struct ht_snap snap;
	struct ht_model model;
	bool alive;
	int r;

	if (s->settled) {
		*ret = &s->model;
		return 0;
	}
	alive = is_alive(s);
	if (!alive && s->has_model) {
		/* what was seen last is whole; the segment alone no longer says what the kernel knew */
		settle(s);
		*ret = &s->model;
		return 0;
	}
	if (alive)
		follow_exec(s);
	r = ht_snap_take(&snap, s->at, s->what, reterr);
	if (r < 0)
		return r;
	/* the kernel's RSS last: right behind the mappings it is compared with */
	if (alive)
		measure(s, &snap);
	if (alive && ht_proc_read(s->pid, &proc) < 0)
		alive = false;
	struct ht_build in = {
		.snap = &snap,
		.proc = alive ? &proc : NULL,
		.resident = s->has_resident ? &s->resident : NULL,
		.before = s->has_model ? &s->model : NULL,
		.seen = s->seen,
		.n_seen = s->n_seen,
		.state = state_of(s, &snap.header, alive),
		.pid = s->pid ? s->pid : (pid_t)snap.header.pid,
	};
	ht_model_build(&model, &in);
	if (alive) {
		ht_proc_done(&proc);
		memcpy(model.comm, s->ident.comm, sizeof(model.comm));
	}
	if (s->has_wss) {
		model.wss_heap_bytes = s->wss.heap_bytes;
		model.wss_other_bytes = s->wss.other_bytes;
		model.wss_bytes = s->wss.heap_bytes + s->wss.other_bytes;
		model.wss_ns = s->wss.ns;
	}
	note_seen(s, &model);
	s->settled = !alive;
	install(s, &snap, &model);
	*ret = &s->model;
	return 0;
}

const struct ht_model *ht_source_model(const struct ht_source *source)
{
	return source->has_model ? &source->model : NULL;
}

struct ht_sym *ht_source_sym(struct ht_source *s)
{
	if (!s->sym) {
		s->sym = ht_sym_create(s->settled ? 0 : s->pid);
		feed_symbolizer(s);
	}
	return s->sym;
}

void ht_source_measure_always(struct ht_source *source, bool always)
{
	source->measure_always = always;
}

int ht_source_wss_begin(struct ht_source *s, struct ht_err *reterr)
{
	int r;

	if (!s->pid || s->settled)
		return ht_err_set(reterr, -ESRCH, HT_EXIT_TARGET,
				  "%s: the working set can only be measured while the process lives", s->what);
	r = ht_wss_begin(s->pid, &s->wss, reterr);
	s->wss_running = r == 0;
	return r;
}

int ht_source_wss_end(struct ht_source *s, struct ht_err *reterr)
{
	struct ht_snap snap;
	int r;

	if (!s->wss_running)
		return ht_err_set(reterr, -EINVAL, HT_EXIT_TARGET, "no measurement of the working set is running");
	s->wss_running = false;
	r = ht_snap_take(&snap, s->at, s->what, reterr);
	if (r < 0)
		return r;
	r = ht_wss_end(s->pid, &snap, &s->wss, reterr);
	s->has_wss = r == 0;
	ht_snap_done(&snap);
	return r;
}

int ht_source_measure_wss(struct ht_source *s, double seconds, struct ht_err *reterr)
{
	struct timespec ts = { .tv_sec = (time_t)seconds,
			       .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
	int r = ht_source_wss_begin(s, reterr);

	if (r < 0)
		return r;
	if (nanosleep(&ts, NULL) < 0) {
		s->wss_running = false;
		return ht_err_set(reterr, -EINTR, HT_EXIT_TARGET, "%s: the measurement was interrupted", s->what);
	}
	return ht_source_wss_end(s, reterr);
}

void ht_source_close(struct ht_source *s)
{
	if (!s)
		return;
	ht_sym_destroy(s->sym);
	ht_model_done(&s->model);
	ht_snap_done(&s->snap);
	close(s->at.fd);
	free(s->seen);
	free(s);
}
