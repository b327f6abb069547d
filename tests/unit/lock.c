/* SPDX-License-Identifier: MIT */
/* lock - mutual exclusion, the statistics of waits, ranks. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model.h"
#include "os/lock.h"
#include "os/sys.h"

static void test_uncontended(void **state)
{
	struct heapspy_lock row = {0};
	struct hs_waited waits = {0};
	struct hs_lock lock;

	hs_lock_init(&lock, HS_RANK_BIN, &row);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(hs_lock_lock(&lock), 0);
		assert_int_equal(lock.xstate, 1);
		assert_false(hs_lock_lock_try(&lock));
		hs_lock_unlock(&lock);
		assert_int_equal(lock.xstate, 0);
	}
	hs_lock_lock_noting(&lock, &waits);
	hs_lock_unlock(&lock);
	assert_int_equal(waits.ns, 0);
	assert_null(waits.longest);
	assert_true(hs_lock_lock_try(&lock));
	hs_lock_unlock(&lock);
	assert_int_equal(row.n_acquired, 102);
	assert_int_equal(row.n_contended, 0);
	assert_int_equal(row.wait_ns, 0);
	/* without a row, statistics go nowhere */
	hs_lock_init(&lock, HS_RANK_META, NULL);
	hs_lock_lock(&lock);
	hs_lock_init_child(&lock);
	assert_int_equal(lock.xstate, 0);
	assert_true(hs_lock_lock_try(&lock) || HS_DEBUG >= 1);
}

/* ---- exclusion ---- */

#define ROUNDS MODEL_STEPS(60000u)

static struct hs_lock counted;
static struct heapspy_lock counted_row;
static uint64_t plain; /* only the lock protects it */
static uint64_t inside;

static void *count(void *arg)
{
	uint64_t *waits = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		*waits += hs_lock_lock(&counted) != 0;
		must(inside++ == 0);
		plain++;
		inside--;
		hs_lock_unlock(&counted);
	}
	return NULL;
}

static void test_exclusion(void **state)
{
	uint64_t waits[4] = {0}, sum = 0, hist = 0;
	pthread_t threads[4];

	hs_lock_init(&counted, HS_RANK_BIN, &counted_row);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, &waits[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		sum += waits[i];
	}
	assert_int_equal(plain, 4 * ROUNDS);
	assert_int_equal(counted_row.n_acquired, 4 * ROUNDS);
	assert_int_equal(counted_row.n_contended, sum);
	for (unsigned i = 0; i < HEAPSPY_LOCK_HIST; i++)
		hist += counted_row.hist[i];
	assert_int_equal(hist, sum);
	assert_true(counted_row.max_wait_ns <= counted_row.wait_ns);
	assert_int_equal(counted.xstate, 0);
}

/* ---- a wait of known length ---- */

static void *wait_for_it(void *arg)
{
	struct hs_waited *waits = arg;

	hs_lock_lock_noting(&counted, waits);
	hs_lock_unlock(&counted);
	return NULL;
}

static void test_wait_is_timed(void **state)
{
	struct heapspy_lock row = {0};
	struct hs_waited waits = {0};
	unsigned bucket;
	pthread_t thread;

	hs_lock_init(&counted, HS_RANK_ARENA, &row);
	hs_lock_lock(&counted);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_it, &waits), 0);
	while (hs_load_relaxed(&counted.xstate) != 2) /* it sleeps, or is about to */
		usleep(1000);
	usleep(20000);
	hs_lock_unlock(&counted);
	pthread_join(thread, NULL);
	assert_true(waits.ns >= 15000000);
	assert_int_equal(waits.longest_ns, waits.ns);
	assert_ptr_equal(waits.longest, &row);
	assert_int_equal(row.n_acquired, 2);
	assert_int_equal(row.n_contended, 1);
	assert_int_equal(row.wait_ns, waits.ns);
	assert_int_equal(row.max_wait_ns, waits.ns);
	for (bucket = 0; row.hist[bucket] == 0; bucket++)
		;
	assert_true(waits.ns >= (uint64_t)1 << (bucket + 7));
	assert_true(bucket == HEAPSPY_LOCK_HIST - 1 || waits.ns < (uint64_t)1 << (bucket + 8));
	assert_true(row.holder != 0 && row.holder != hs_gettid());
}

/* ---- ranks ---- */

static void wrong_order(void *arg)
{
	struct hs_lock bin, meta;

	hs_lock_init(&bin, HS_RANK_BIN, NULL);
	hs_lock_init(&meta, HS_RANK_META, NULL);
	hs_lock_lock(&meta);
	hs_lock_lock(&bin);
}

static void right_order(void *arg)
{
	struct hs_lock locks[2 * HS_N_RANKS];

	for (unsigned i = 0; i < 2 * HS_N_RANKS; i++) {
		hs_lock_init(&locks[i], i / 2, NULL);
		hs_lock_lock(&locks[i]); /* two of one rank are allowed: fork takes all bins */
	}
	for (unsigned i = 0; i < 2 * HS_N_RANKS; i++)
		hs_lock_unlock(&locks[i]);
	/* and when all are free, the first rank may be taken again */
	hs_lock_lock(&locks[0]);
	hs_lock_unlock(&locks[0]);
}

#if HS_DEBUG >= 1
/* A child that was made while its thread held locks begins anew. */
static void forgotten(void *arg)
{
	struct hs_lock bin, meta;

	hs_lock_init(&bin, HS_RANK_BIN, NULL);
	hs_lock_init(&meta, HS_RANK_META, NULL);
	hs_lock_lock(&meta);
	hs_lock_init_child(&meta);
	hs_lock_forget_held();
	hs_lock_lock(&bin);
	hs_lock_lock(&meta);
	hs_lock_unlock(&meta);
	hs_lock_unlock(&bin);
}
#endif

static void test_ranks(void **state)
{
	int status;

	assert_int_equal(model_in_child(right_order, NULL), 0);
	status = model_in_child(wrong_order, NULL);
#if HS_DEBUG >= 1
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_int_equal(model_in_child(forgotten, NULL), 0);
#else
	assert_int_equal(status, 0);
#endif
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion),
		cmocka_unit_test(test_wait_is_timed),
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_uncontended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
