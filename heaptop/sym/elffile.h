/* SPDX-License-Identifier: MIT */
/*
 * elffile.h - is this file the one that the target has loaded?
 *
 * A path from a segment may name anything: another build of the program, half of a file, a fifo.
 *
 * Layer:   sym/
 * Errors:  -1 for whatever is not that file
 */
#ifndef HT_SYM_ELFFILE_H
#define HT_SYM_ELFFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Opens `path` when it is a whole ELF program or library with this build-id.  An unknown build-id
 * (id_bytes 0) fits any file, unless `must_match`.
 */
int ht_elf_open(const char *path, const uint8_t *id, size_t id_bytes, bool must_match);

#endif /* HT_SYM_ELFFILE_H */
