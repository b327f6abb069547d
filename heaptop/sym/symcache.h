/* SPDX-License-Identifier: MIT */
/*
 * symcache.h - what the symbolizer remembers: strings, and frames by address.
 *
 * A DWARF lookup walks a tree and costs up to milliseconds; a screen asks for the same thousands of
 * addresses once a second.  Strings are kept apart from the frames because they outlive their module.
 *
 * Layer:   sym/
 * Memory:  strings live until ht_strtab_done(), frames until ht_addrcache_done()
 * Errors:  without memory nothing is remembered and NULL comes back
 */
#ifndef HT_SYM_SYMCACHE_H
#define HT_SYM_SYMCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ht_sym_frame;

struct ht_strtab {
	char **slots;	    /* open addressing, NULL is empty */
	size_t n, capacity; /* capacity is 0 or a power of two, n < capacity */
};

/* The one copy of `text`; NULL for NULL. */
const char *ht_strtab_intern(struct ht_strtab *tab, const char *text);
void ht_strtab_done(struct ht_strtab *tab);

struct ht_addrcache_entry {
	uint64_t address;
	struct ht_sym_frame *frames; /* NULL: empty slot */
	size_t n_frames;
};

struct ht_addrcache {
	struct ht_addrcache_entry *slots;
	size_t n, capacity; /* as above */
};

/* NULL when the address has not been added. */
const struct ht_addrcache_entry *ht_addrcache_find(const struct ht_addrcache *cache, uint64_t address);

/* Takes a copy of the frames, at least one. */
const struct ht_addrcache_entry *ht_addrcache_add(struct ht_addrcache *cache, uint64_t address,
						  const struct ht_sym_frame *frames, size_t n_frames);
void ht_addrcache_done(struct ht_addrcache *cache);

#endif /* HT_SYM_SYMCACHE_H */
