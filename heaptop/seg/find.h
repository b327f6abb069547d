/* SPDX-License-Identifier: MIT */
/*
 * find.h - opens the segment of a process, or says why there is none.
 *
 * The process's own memory map names the file, so nobody has to guess names or directories, and a process in
 * a container is found with the pid that the viewer sees.
 *
 * Layer:   seg/ (uses util/)
 * Errors:  sentences with a next step; -ESRCH, -EACCES, -ENOENT (library not there), -EAGAIN (not yet)
 */
#ifndef HT_SEG_FIND_H
#define HT_SEG_FIND_H

#include <stdbool.h>
#include <sys/types.h>

#include "seg/ident.h"
#include "seg/snapshot.h"
#include "util/err.h"

struct ht_found {
	struct ht_segment_at at; /* the caller closes at.fd */
	struct ht_ident ident;
	char path[512]; /* as the target sees it */
};

int ht_find_pid(pid_t pid, struct ht_found *ret, struct ht_err *reterr);

/* A segment file by its name; the caller closes `*ret_fd`. */
int ht_find_file(const char *path, int *ret_fd, struct ht_err *reterr);

/* Looks through the text of /proc/PID/maps for the segment of `id`; `ret_library`: libheapspy.so is there. */
struct ht_mapped {
	bool segment, library, deleted;
	unsigned long start, end; /* of the segment's mapping */
	unsigned long inode;
	char path[512];
};
void ht_find_in_maps(const char *maps, const struct ht_ident *id, struct ht_mapped *ret);

/*
 * The one process whose command name, or base name of its program, is `name` and that has a segment.
 * -ENOENT none, -EEXIST several (the message lists their pids).
 */
int ht_find_name(const char *name, pid_t *ret, struct ht_err *reterr);

#endif /* HT_SEG_FIND_H */
