/* SPDX-License-Identifier: MIT */
/*
 * ident.h - who a process is, so that a segment can be matched with it.
 *
 * A pid alone is not an identity: it is reused, and a container has its own numbers.  Pid in the innermost
 * namespace plus start time are what the library puts into the name and the header of its segment.
 *
 * Layer:   seg/ (uses util/)
 */
#ifndef HT_SEG_IDENT_H
#define HT_SEG_IDENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ht_ident {
	pid_t pid;	      /* as we see it */
	pid_t ns_pid;	      /* as the process sees itself */
	uint64_t start_ticks; /* field 22 of stat */
	uid_t uid;
	char state;    /* 'R', 'S', 'Z' ... */
	char comm[16]; /* hostile */
};

/* 0, -ESRCH when there is no such process, or another negative errno. */
int ht_ident_read(pid_t pid, struct ht_ident *ret);

/* Boot id of this machine as 16 bytes. */
int ht_ident_boot(uint8_t ret[16]);

#endif /* HT_SEG_IDENT_H */
