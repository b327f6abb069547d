/* SPDX-License-Identifier: MIT */
/* fork of a single-threaded program: chains of children that allocate and free the parent's blocks. */
#include "check.h"

enum { N = 3000 };
static void *p[N];
static size_t n[N];

static void populate(uint64_t seed)
{
	for (int i = 0; i < N; i++) {
		free(p[i]);
		n[i] = rnd(&seed) % 3000;
		p[i] = malloc(n[i]);
		CHECK(p[i]);
		fill(p[i], n[i], (unsigned)i);
	}
}

static void verify(void)
{
	for (int i = 0; i < N; i++)
		CHECK(intact(p[i], n[i], (unsigned)i));
}

static void generation(int depth)
{
	pid_t pid;

	verify();
	exercise(2000, (uint64_t)depth);
	if (depth == 0)
		return;
	pid = fork();
	if (pid == 0) {
		verify();
		populate((uint64_t)depth + 100);
		generation(depth - 1);
		verify();
		exit(7);
	}
	populate((uint64_t)depth + 200);
	reap(pid, 7);
	verify();
}

int main(void)
{
	pid_t kids[20];

	populate(1);
	generation(5);
	for (int i = 0; i < 20; i++) {
		kids[i] = fork();
		if (kids[i] == 0) {
			verify();
			exercise(5000, (uint64_t)i);
			populate((uint64_t)i);
			verify();
			exit(i);
		}
	}
	for (int i = 0; i < 20; i++)
		reap(kids[i], i);
	verify();
	printf("parents and children intact\n");
	return 0;
}
