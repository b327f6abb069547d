/* SPDX-License-Identifier: MIT */
/*
 * place.h - a temporary folder, and segments written into it.
 *
 * Memory:  place_done() removes the folder with all in it
 */
#ifndef TESTS_SUPPORT_PLACE_H
#define TESTS_SUPPORT_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "synth.h"

struct place {
	char dir[64];
	char path[160]; /* of the last file made */
};

void place_init(struct place *p);
void place_done(struct place *p);
/* Sets p->path. */
const char *place_file(struct place *p, const char *name);
/* Writes a scenario there and leaves the description in `s` (when given: the caller frees it). */
const char *place_scenario(struct place *p, const char *name, struct synth *s);
/* Overwrites bytes of the last file. */
void place_patch(const struct place *p, uint64_t offset, const void *bytes, size_t n);
/* Where a table of the last file lies. */
struct heapspy_table place_table(const struct place *p, uint32_t id);

#endif /* TESTS_SUPPORT_PLACE_H */
