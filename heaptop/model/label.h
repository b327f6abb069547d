/* SPDX-License-Identifier: MIT */
/*
 * label.h - one line that names a site.
 *
 * Layer:   model/ (uses sym/, util/)
 * Memory:  the caller frees; the text is hostile and unescaped, as symbols are
 */
#ifndef HT_MODEL_LABEL_H
#define HT_MODEL_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ht_site;
struct ht_sym;
struct ht_sym_frame;

/* "dictExpand dict.c:214 < dictAdd < main": innermost frame of the program and at most `callers` above it. */
char *ht_site_label(const struct ht_site *site, struct ht_sym *sym, unsigned callers);

/*
 * All frames of a site, innermost first, inline ones included; those of the allocator in front are left out
 * when `fold`.  The caller frees `*ret`; its strings belong to the symbolizer.
 */
size_t ht_site_frames(const struct ht_site *site, struct ht_sym *sym, bool fold, struct ht_sym_frame **ret);

/* "dictExpand dict.c:214", "libfoo.so+0x12ab", "0x7f12..." into `out`. */
void ht_frame_text(char *out, size_t room, const struct ht_sym_frame *frame, bool with_line);

#endif /* HT_MODEL_LABEL_H */
