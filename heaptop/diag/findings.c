/* SPDX-License-Identifier: MIT */
#include "diag/findings.h"

#include <stdlib.h>

#include "diag/rule.h"
#include "util/mem.h"

/* Every illness that heaptop knows; heaptop(1), FINDINGS has a paragraph under each id. */
static const struct rule {
	const char *id;
	ht_rule_fn *judge;
} rules[] = {
	{ "leak", ht_rule_leak },
	{ "external-fragmentation", ht_rule_external_fragmentation },
	{ "internal-fragmentation", ht_rule_internal_fragmentation },
	{ "thread-cache", ht_rule_thread_cache },
	{ "retained-dirty", ht_rule_retained_dirty },
	{ "non-malloc", ht_rule_non_malloc },
	{ "lock-contention", ht_rule_lock_contention },
	{ "cold-memory", ht_rule_cold_memory },
	{ "unknown", ht_rule_unknown },
};

#define N_RULES (sizeof(rules) / sizeof(rules[0]))

/* The share compares bytes of RSS with time of threads; ties keep the order of the table. */
static int by_importance(const void *a, const void *b)
{
	const struct ht_finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->confidence != y->confidence)
		return x->confidence > y->confidence ? -1 : 1;
	if (x->share != y->share)
		return x->share > y->share ? -1 : 1;
	return 0;
}

int ht_findings_run(struct ht_findings *findings, const struct ht_model *model, struct ht_sym *sym)
{
	struct ht_case c = ht_case_of(model, sym);

	*findings = (struct ht_findings){ .rows = ht_xcalloc(N_RULES, sizeof(*findings->rows)) };
	for (size_t i = 0; i < N_RULES; i++) {
		struct ht_finding *f = &findings->rows[findings->n];

		if (rules[i].judge(&c, f)) {
			f->id = rules[i].id;
			findings->n++;
		}
	}
	qsort(findings->rows, findings->n, sizeof(*findings->rows), by_importance);
	return 0;
}

void ht_findings_done(struct ht_findings *findings)
{
	if (!findings)
		return;
	for (size_t i = 0; i < findings->n; i++) {
		struct ht_finding *f = &findings->rows[i];

		for (size_t k = 0; k < f->n_evidence; k++)
			free(f->evidence[k]);
		free(f->evidence);
		free(f->text);
		free(f->disproof);
		free(f->action);
		free(f->sites);
	}
	free(findings->rows);
	*findings = (struct ht_findings){ 0 };
}

const char *ht_severity_name(enum ht_severity severity)
{
	return severity == HT_CRITICAL ? "critical" : severity == HT_WARN ? "warn" : "info";
}

const char *ht_confidence_name(enum ht_confidence confidence)
{
	return confidence == HT_HIGH ? "high" : confidence == HT_MEDIUM ? "medium" : "low";
}
