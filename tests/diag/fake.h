/* SPDX-License-Identifier: MIT */
/*
 * fake.h - a healthy service in figures, for tests to make ill.
 */
#ifndef TESTS_DIAG_FAKE_H
#define TESTS_DIAG_FAKE_H

#include <stdint.h>

#include "diag/findings.h"
#include "model/model.h"

#define MIB (UINT64_C(1) << 20)
#define FAKE_POINTS 1200

struct fake {
	struct ht_model m;
	struct ht_class classes[5];
	struct ht_arena arenas[2];
	struct ht_lock locks[3];
	struct ht_thread threads[8];
	struct ht_site sites[4];
	struct ht_waiter waiters[2];
	struct ht_point history[FAKE_POINTS];
	struct ht_findings found;
};

/* 400 MiB RSS, 300 live, 20 minutes of level history, 8 busy threads, nothing wrong. */
void fake_init(struct fake *f);

/* Fills `seconds` (at most FAKE_POINTS) points with today's values. */
void fake_history(struct fake *f, unsigned seconds);

/* Runs the rules; the finding with this id, or NULL.  The findings before it must be NULL-safe to skip. */
const struct ht_finding *fake_judge(struct fake *f, const char *id);
void fake_done(struct fake *f);

#endif /* TESTS_DIAG_FAKE_H */
