/* SPDX-License-Identifier: MIT */
/*
 * list.h - all segments of this machine: of the living, the dead and those who left one behind.
 *
 * The living are found through their memory maps, so those with a directory of their own or in a container
 * are there too; what then remains in the directory belongs to nobody alive.
 *
 * Layer:   seg/ (uses util/)
 * Memory:  ht_list_done() frees the rows
 */
#ifndef HT_SEG_LIST_H
#define HT_SEG_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

#define HT_LIST_DIR "/dev/shm"

enum ht_list_state {
	HT_LIST_LIVE,
	HT_LIST_DEAD,	 /* killed or crashed; prune removes it */
	HT_LIST_EXITED,	 /* left by exit() and kept on request */
	HT_LIST_DAMAGED, /* nobody's, and unreadable as a segment; prune removes it */
	HT_LIST_DENIED,	 /* another user's, or of a pid namespace that we cannot see into */
};

struct ht_list_entry {
	pid_t pid;     /* as we see it; of the dead: as it saw itself */
	char comm[16]; /* hostile */
	enum ht_list_state state;
	char path[512];	     /* of the file here; hostile */
	uint64_t rss_bytes;  /* UINT64_MAX unknown, as below */
	uint64_t live_bytes; /* newest point of its history */
	uint64_t age_ns;     /* since the process (its statistics) began; of the dead: since the last heartbeat */
	uint64_t disk_bytes; /* blocks of the file */
	uid_t uid;
	uint64_t scan_ns; /* realtime when the scan began */
};

struct ht_list {
	struct ht_list_entry *rows; /* living first, each group by pid */
	size_t n, room;
};

/* `dir`: where files of the dead are looked for, NULL: HT_LIST_DIR. */
int ht_list_scan(struct ht_list *ret, const char *dir, struct ht_err *reterr);
void ht_list_done(struct ht_list *list);
const char *ht_list_state_name(enum ht_list_state state);

/*
 * Removes the file of a dead or exited entry.  A file that was made or changed about when the scan ran may be that
 * of a process born meanwhile, so /proc is looked through once more then.  0, -EBUSY (alive), or negative errno.
 */
int ht_list_remove(const struct ht_list_entry *entry);

#endif /* HT_SEG_LIST_H */
