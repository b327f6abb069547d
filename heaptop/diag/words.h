/* SPDX-License-Identifier: MIT */
/*
 * words.h - how findings are put into words.
 *
 * Sentences need another form than table cells: units are spelled out with a space before them, 412 MiB,
 * 18 %.  Names of functions and threads stay as they are; whoever prints a finding escapes it.
 *
 * Layer:   diag/
 * Memory:  texts belong to the finding
 */
#ifndef HT_DIAG_WORDS_H
#define HT_DIAG_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "diag/findings.h"
#include "diag/rule.h"

#define HT_WORD_ROOM 48
#define HT_NAME_ROOM 256

/* 412 MiB, 3.1 MiB, 17 B; negative ones with their sign. */
char *ht_word_bytes(char buf[HT_WORD_ROOM], double bytes);
/* 412 MiB +- 13 MiB of a sampled figure. */
char *ht_word_sampled(char buf[HT_WORD_ROOM], double bytes, double se);
/* 3.1 MiB/s. */
char *ht_word_rate(char buf[HT_WORD_ROOM], double bytes_per_s);
/* 18 %, 0.4 %. */
char *ht_word_share(char buf[HT_WORD_ROOM], double share);
/* ", rising 3 MiB/s" or ", falling ..."; empty when the slope is unknown or nothing against `bytes`. */
char *ht_word_slope(char buf[HT_WORD_ROOM], double bytes_per_s, double bytes);

/* "function (file.c:12), called by caller": the first frames that are not the allocator's own. */
char *ht_word_site(char buf[HT_NAME_ROOM], const struct ht_case *c, uint32_t site);
/* The function alone, for an option; NULL when it has no name. */
const char *ht_site_function(const struct ht_case *c, uint32_t site);

#define HT_PRINTF __attribute__((format(printf, 2, 3)))
void ht_say_text(struct ht_finding *f, const char *format, ...) HT_PRINTF;
void ht_say_evidence(struct ht_finding *f, const char *format, ...) HT_PRINTF;
void ht_say_disproof(struct ht_finding *f, const char *format, ...) HT_PRINTF;
void ht_say_action(struct ht_finding *f, const char *format, ...) HT_PRINTF;
#undef HT_PRINTF

/* Adds a site to the list of the finding. */
void ht_say_site(struct ht_finding *f, uint32_t site);

#endif /* HT_DIAG_WORDS_H */
