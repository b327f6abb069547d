/* SPDX-License-Identifier: MIT */
/*
 * check.h - the few macros that the preload programs share.
 *
 * Every program here runs twice, with the library and without, and must print the same on stdout and
 * stderr and end with the same status; so a program prints what it saw, and CHECKs what must hold anyway.
 *
 * Signals: CHECK in a handler is not safe; use CHECK_RAW there
 * Errors:  the first failed CHECK ends the process with status 1
 */
#ifndef TESTS_PRELOAD_CHECK_H
#define TESTS_PRELOAD_CHECK_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno);         \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

#define CHECK_RAW(cond)                                                                                                \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			static const char text[] = __FILE__ ": not true: " #cond "\n";                                 \
			(void)!write(2, text, sizeof(text) - 1);                                                       \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

/* Keeps the compiler from seeing through an allocation. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static inline size_t hide_size(size_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

/* Small fast generator: the state is the caller's, so threads do not share it. */
static inline uint32_t rnd(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/* Fills and later verifies a block; the pattern depends on the size and a tag. */
static inline void fill(void *p, size_t n, unsigned tag)
{
	unsigned char *c = (unsigned char *)p;
	size_t step = n > 4096 ? 509 : 1;

	for (size_t i = 0; i < n; i += step)
		c[i] = (unsigned char)(tag + i * 7);
	if (n)
		c[n - 1] = (unsigned char)(tag ^ 0x5a);
}

static inline int intact(const void *p, size_t n, unsigned tag)
{
	const unsigned char *c = (const unsigned char *)p;
	size_t step = n > 4096 ? 509 : 1;

	for (size_t i = 0; i + 1 < n; i += step)
		if (c[i] != (unsigned char)(tag + i * 7))
			return 0;
	return n == 0 || c[n - 1] == (unsigned char)(tag ^ 0x5a);
}

/* Waits for `pid` and fails unless it ended with `status` as exit code. */
static inline void reap(pid_t pid, int status)
{
	int st;

	CHECK(pid > 0);
	while (waitpid(pid, &st, 0) < 0)
		CHECK(errno == EINTR);
	if (!WIFEXITED(st) || WEXITSTATUS(st) != status) {
		fprintf(stderr, "child %s %d\n", WIFEXITED(st) ? "exited with" : "died by signal",
			WIFEXITED(st) ? WEXITSTATUS(st) : WTERMSIG(st));
		_exit(1);
	}
}

/* A mix of calls that any process, thread or child can make at any time. */
static inline void exercise(unsigned rounds, uint64_t seed)
{
	enum { N = 64 };
	void *p[N] = { 0 };
	size_t n[N] = { 0 };

	for (unsigned i = 0; i < rounds; i++) {
		unsigned k = rnd(&seed) % N;
		unsigned kind = rnd(&seed) % 16;

		if (p[k])
			CHECK_RAW(intact(p[k], n[k], k));
		if (kind < 10) {
			free(p[k]);
			n[k] = rnd(&seed) % (kind == 0 ? 300000 : 2000);
			p[k] = malloc(n[k]);
		} else if (kind < 14) {
			n[k] = 1 + rnd(&seed) % 4000;
			p[k] = realloc(p[k], n[k]);
		} else {
			free(p[k]);
			n[k] = 1 + rnd(&seed) % 3000;
			p[k] = aligned_alloc(64, (n[k] + 63) & ~(size_t)63);
		}
		CHECK_RAW(p[k] != NULL);
		fill(p[k], n[k], k);
	}
	for (unsigned k = 0; k < N; k++) {
		if (p[k])
			CHECK_RAW(intact(p[k], n[k], k));
		free(p[k]);
	}
}

#endif /* TESTS_PRELOAD_CHECK_H */
