/* SPDX-License-Identifier: MIT */
/*
 * file.h - small files read whole, as those of /proc.
 *
 * Layer:   util/
 */
#ifndef HT_UTIL_FILE_H
#define HT_UTIL_FILE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads a whole file of unknown size, NUL-terminated; the caller frees `*ret`.  At most `most` bytes are
 * read, the rest is dropped.  0 or negative errno.
 */
int ht_read_file(const char *path, size_t most, char **ret, size_t *ret_bytes);

/* pread() that goes on after short reads and EINTR; returns the bytes read (fewer at the end of the file). */
int64_t ht_pread_full(int fd, void *buf, size_t bytes, uint64_t offset);

#endif /* HT_UTIL_FILE_H */
