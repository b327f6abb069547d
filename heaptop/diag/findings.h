/* SPDX-License-Identifier: MIT */
/*
 * findings.h - what is wrong with this process, with evidence.
 *
 * One row per rule (id, predicate, evidence, text, advice, manual anchor); rules read the model and nothing
 * else, so a recorded segment gives the same findings as a live one.
 *
 * Layer:   diag/ (uses model/, sym/ for names of sites)
 * Memory:  ht_findings_done() frees all strings
 */
#ifndef HT_DIAG_FINDINGS_H
#define HT_DIAG_FINDINGS_H

#include <stddef.h>
#include <stdint.h>

struct ht_model;
struct ht_sym;

enum ht_severity { HT_INFO, HT_WARN, HT_CRITICAL };
enum ht_confidence { HT_LOW, HT_MEDIUM, HT_HIGH };

struct ht_finding {
	const char *id; /* "external-fragmentation", see formats.md section 5 */
	enum ht_severity severity;
	enum ht_confidence confidence;
	uint64_t bytes;
	double share; /* of RSS (lock-contention: of thread time), 0..1 */
	char *text;   /* one sentence: bytes, share, slope, who */
	char **evidence;
	size_t n_evidence;
	char *disproof; /* what would prove it wrong */
	char *action;
	uint32_t *sites;
	size_t n_sites;
};

struct ht_findings {
	struct ht_finding *rows; /* most important first */
	size_t n;
};

/* Judges one model.  `sym` may be NULL (addresses instead of names).  0 or -ENOMEM. */
int ht_findings_run(struct ht_findings *findings, const struct ht_model *model, struct ht_sym *sym);
void ht_findings_done(struct ht_findings *findings);
const char *ht_severity_name(enum ht_severity severity);
const char *ht_confidence_name(enum ht_confidence confidence);

#endif /* HT_DIAG_FINDINGS_H */
