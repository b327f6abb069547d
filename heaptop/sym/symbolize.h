/* SPDX-License-Identifier: MIT */
/*
 * symbolize.h - addresses to functions, files and lines.
 *
 * The only user of libdw.  Resolves through the module table of the segment (path, bias, build-id), through
 * /proc/PID/root for a live target in another mount namespace, with separate debug files; inline frames;
 * C++ and Rust demangled.  Results are cached.
 *
 * Layer:   sym/ (uses util/, seg/)
 * Memory:  strings belong to the symbolizer and live as long as it
 * Errors:  what cannot be resolved comes back as module+offset, or as the bare address; never fails
 */
#ifndef HT_SYM_SYMBOLIZE_H
#define HT_SYM_SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ht_sym;

/* One loaded object of the target. */
struct ht_sym_module {
	uint64_t start, end, bias;
	const uint8_t *build_id;
	size_t build_id_bytes;
	const char *path; /* as the target sees it; hostile */
};

struct ht_sym_frame {
	const char *function; /* demangled; NULL unknown */
	const char *symbol;   /* as in the file; NULL unknown */
	const char *file;     /* NULL unknown */
	int line;	      /* 0 unknown */
	const char *module;   /* base name; NULL unknown */
	uint64_t offset;      /* address in the module, or the bare address */
	bool inlined;
};

/* `pid` > 0: a live target whose files are opened through /proc/PID/root; 0: this machine's. */
struct ht_sym *ht_sym_create(pid_t pid);
void ht_sym_destroy(struct ht_sym *sym);

/* Makes the module list current; unchanged modules keep their caches.  Copies what it needs. */
int ht_sym_set_modules(struct ht_sym *sym, const struct ht_sym_module *modules, size_t n);

/*
 * Frames of one return address (1 is taken off unless `exact`), innermost inline frame first; at least one,
 * at most `cap` (the outermost ones are dropped).  Returns how many.
 */
size_t ht_sym_lookup(struct ht_sym *sym, uint64_t address, bool exact, struct ht_sym_frame *ret, size_t cap);

/* True for frames of the allocator itself (libheapspy.so, malloc, operator new ...), folded by default. */
bool ht_sym_is_own(const struct ht_sym_frame *frame);

#endif /* HT_SYM_SYMBOLIZE_H */
