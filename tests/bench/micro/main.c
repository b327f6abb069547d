/* SPDX-License-Identifier: MIT */
/*
 * main.c - bench-micro MODE [COUNT [THREADS]] [--wait SECONDS]; bench-micro --list
 *
 * Prints `ns-per-op cpu-seconds wall-seconds peak-rss-KiB end-rss-KiB ops`.  ns are of CPU time of the whole
 * process: the machine may be busy.  The peak is VmHWM and not getrusage's, which begins with the peak of
 * whoever forked us.
 *
 *   small.c    one thread, small objects      blocks.c   zeroed, resized, aligned, large
 *   threads.c  objects and threads that move  sharing.c  two threads on one cache line
 *   memory.c   what stays when the load is gone
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "micro.h"

enum { MAX_THREADS = 4096 };

static const struct micro_mode *const themes[] = { micro_small, micro_blocks, micro_threads, micro_sharing,
						   micro_memory };

void micro_die(const char *text)
{
	fprintf(stderr, "bench-micro: %s\n", text);
	_exit(1);
}

void *micro_table(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		micro_die("no memory for a table");
	return p;
}

void micro_drop(void *table, size_t bytes)
{
	munmap(table, bytes);
}

void micro_threads_run(int n, void *(*fn)(void *), void *args, size_t arg_bytes)
{
	pthread_t *t = micro_table((size_t)n * sizeof(*t));

	for (int i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, fn, (char *)args + (size_t)i * arg_bytes) != 0)
			micro_die("no thread");
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	micro_drop(t, (size_t)n * sizeof(*t));
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void micro_slow_activity(double seconds)
{
	const struct timespec pause = { 0, 10000000 };
	double end = now(CLOCK_MONOTONIC) + seconds;
	uint64_t seed = 7;

	while (now(CLOCK_MONOTONIC) < end) {
		for (int i = 0; i < 100; i++)
			free(make(16 + rnd(&seed) % 1009));
		nanosleep(&pause, NULL);
	}
}

long micro_status_kib(const char *field)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	const char *at;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, field);
	return at ? atol(at + strlen(field)) : 0;
}

/* One thread's share of a mode that knows nothing of threads. */
struct share {
	void (*run)(struct micro *m);
	struct micro m;
};

static void *share_run(void *arg)
{
	struct share *s = arg;

	s->run(&s->m);
	return NULL;
}

static void run_copies(const struct micro_mode *mode, struct micro *m)
{
	size_t bytes = (size_t)m->threads * sizeof(struct share);
	struct share *s = micro_table(bytes);

	for (int i = 0; i < m->threads; i++) {
		s[i] = (struct share){ mode->run, *m };
		s[i].m.count = m->count / m->threads;
		s[i].m.seed = m->seed + (uint64_t)i;
	}
	micro_threads_run(m->threads, share_run, s, sizeof(*s));
	for (int i = 0; i < m->threads; i++)
		m->ops += s[i].m.ops ? s[i].m.ops : s[i].m.count;
	micro_drop(s, bytes);
}

static void measure(const struct micro_mode *mode, struct micro *m)
{
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
	long peak;

	if (mode->copies && m->threads > 1)
		run_copies(mode, m);
	else
		mode->run(m);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	peak = micro_status_kib("VmHWM:");
	if (m->end_rss == 0)
		m->end_rss = micro_status_kib("VmRSS:");
	if (peak < m->end_rss)
		peak = m->end_rss; /* the kernel's counters are exact to some pages a CPU */
	if (m->ops == 0)
		m->ops = m->count;
	printf("%.2f %.3f %.3f %ld %ld %ld\n", cpu * 1e9 / (double)m->ops, cpu, wall, peak, m->end_rss, m->ops);
}

static const struct micro_mode *find(const char *name)
{
	for (size_t i = 0; i < sizeof(themes) / sizeof(themes[0]); i++)
		for (const struct micro_mode *mode = themes[i]; mode->name; mode++)
			if (strcmp(mode->name, name) == 0)
				return mode;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(themes) / sizeof(themes[0]); i++)
		for (const struct micro_mode *mode = themes[i]; mode->name; mode++)
			printf("%s %ld %d %s\n", mode->name, mode->count, mode->threads, mode->op);
}

static int usage(void)
{
	fprintf(stderr, "usage: bench-micro MODE [COUNT [THREADS]] [--wait SECONDS]\n       bench-micro --list\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct micro_mode *mode;
	struct micro m = { .seed = 99 };
	double wait = -1;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list();
		return 0;
	}
	if (argc > 3 && strcmp(argv[argc - 2], "--wait") == 0) {
		wait = atof(argv[argc - 1]);
		argc -= 2;
	}
	mode = argc > 1 && argc <= 4 ? find(argv[1]) : NULL;
	if (!mode)
		return usage();
	m.count = argc > 2 ? atol(argv[2]) : mode->count;
	m.threads = argc > 3 ? atoi(argv[3]) : mode->threads;
	m.wait = wait >= 0 ? wait : mode->wait;
	if (m.count < 1 || m.threads < 1 || m.threads > MAX_THREADS)
		return usage();
	measure(mode, &m);
	return 0;
}
