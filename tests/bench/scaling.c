/* SPDX-License-Identifier: MIT */
/*
 * scaling.c - scaling LOAD THREADS OPS free|lockstep [REPORT]: two loads whose cost is counted, not timed.
 *
 *   own    each thread replaces random ones of 250 objects, and changes its objects for those of some other thread
 *          each 200 operations: a server whose connections wander
 *   cross  each thread makes an object, swaps it for one at a random place of a common table, and frees that
 *
 * OPS is for all threads together; as many again come first, so that what is counted is the steady state.
 * `free`: the threads run as they can.  `lockstep`: they take turns, a call of malloc or free each, as so many
 * cores of one speed would; on one CPU, so that each memory access of one thread is followed by those of the
 * others, which two cores would never show.
 *
 * Prints `ready` before and `done` after the operations that count and waits for a byte on stdin each time:
 * scaling.py reads the segment meanwhile.  REPORT: where lines.c writes what it counted.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lines.h"
#include "micro/micro.h"

enum { LIVE = 250, TURN = 200, MAX = LINES_CORES };

struct set {
	void *object[LIVE];
};

struct worker {
	int index;
	uint64_t seed;
	struct set *set;
	sem_t turn;
	char pad[64];
};

static struct worker worker[MAX];
static struct set *_Atomic parked[MAX];
static void *_Atomic *common; /* `cross`: 16 places for each thread, each on a line of its own */
static pthread_barrier_t phase;
static int n_threads, lockstep;
static long ops_each;

/* One call of malloc or free is over: the next thread's turn. */
static void pass(struct worker *w)
{
	if (!lockstep)
		return;
	if (lines_turn)
		lines_turn(n_threads);
	sem_post(&worker[(w->index + 1) % n_threads].turn);
	while (sem_wait(&w->turn) != 0)
		;
}

static void *make_one(struct worker *w)
{
	void *p = make(8 + rnd(&w->seed) % 993);

	if (lines_program_write)
		lines_program_write(p);
	return p;
}

static void work_own(struct worker *w)
{
	for (long i = 1; i <= ops_each; i++) {
		void **slot = &w->set->object[rnd(&w->seed) % LIVE];

		free(*slot);
		pass(w);
		*slot = make_one(w);
		pass(w);
		if (i % TURN == 0)
			w->set = atomic_exchange(&parked[rnd(&w->seed) % (unsigned)n_threads], w->set);
	}
}

/* Who gets an object has written to it, as programs do: its line is with the one who frees. */
static void work_cross(struct worker *w)
{
	for (long i = 0; i < ops_each; i++) {
		void *p = make_one(w);

		pass(w);
		p = atomic_exchange(&common[rnd(&w->seed) % (16u * (unsigned)n_threads) * 8], p);
		if (p && lines_program_write)
			lines_program_write(p);
		free(p);
		pass(w);
	}
}

static void (*work)(struct worker *w);

static void *run(void *arg)
{
	struct worker *w = arg;

	if (lines_core)
		lines_core(w->index);
	for (int i = 0; i < 2; i++) {
		pthread_barrier_wait(&phase);
		if (lockstep)
			while (sem_wait(&w->turn) != 0)
				;
		work(w);
		/* the turn that work() has waited for at its end goes on, once */
		if (lockstep)
			sem_post(&worker[(w->index + 1) % n_threads].turn);
		pthread_barrier_wait(&phase);
	}
	/* nobody ends before everything was read: the dead have no row of their own */
	pthread_barrier_wait(&phase);
	return NULL;
}

static void tell(const char *word)
{
	char c;

	printf("%s\n", word);
	fflush(stdout);
	if (read(STDIN_FILENO, &c, 1) != 1)
		_exit(1);
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	return p;
}

static void prepare(void)
{
	struct set *sets = map((size_t)n_threads * 2 * sizeof(*sets));
	cpu_set_t one;

	common = map((size_t)n_threads * 16 * 64);
	for (int i = 0; i < n_threads; i++) {
		worker[i] = (struct worker){ .index = i, .seed = (uint64_t)i + 1, .set = &sets[i] };
		parked[i] = &sets[n_threads + i];
		sem_init(&worker[i].turn, 0, 0);
	}
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (lockstep)
		sched_setaffinity(0, sizeof(one), &one);
	pthread_barrier_init(&phase, NULL, (unsigned)n_threads + 1);
}

int main(int argc, char **argv)
{
	static pthread_t t[MAX];

	n_threads = argc > 4 ? atoi(argv[2]) : 0;
	if (n_threads < 2 || n_threads > MAX || atol(argv[3]) < n_threads) {
		fprintf(stderr, "usage: scaling own|cross THREADS OPS free|lockstep [REPORT]\n");
		return 2;
	}
	work = strcmp(argv[1], "own") == 0 ? work_own : work_cross;
	ops_each = atol(argv[3]) / n_threads;
	lockstep = strcmp(argv[4], "lockstep") == 0;
	prepare();
	for (int i = 0; i < n_threads; i++)
		if (pthread_create(&t[i], NULL, run, &worker[i]) != 0)
			return 1;
	for (int i = 0; i < 2; i++) {
		if (lockstep)
			sem_post(&worker[0].turn);
		pthread_barrier_wait(&phase);
		pthread_barrier_wait(&phase);
		/* the last turn went round to the first thread, who has ended */
		while (sem_trywait(&worker[0].turn) == 0)
			;
		if (i == 0) {
			tell("ready");
			if (lines_start)
				lines_start();
		}
	}
	if (lines_report && argc > 5)
		lines_report(argv[5]);
	tell("done");
	pthread_barrier_wait(&phase);
	for (int i = 0; i < n_threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}
