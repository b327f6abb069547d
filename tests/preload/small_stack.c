/* SPDX-License-Identifier: MIT */
/* Threads with the smallest stack that POSIX allows, and a signal on a small alternate stack. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

static void *work(void *arg)
{
	void *p[50];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 50; i++) {
			p[i] = malloc(i * 40 + (uintptr_t)arg);
			CHECK_RAW(p[i]);
			memset(p[i], 1, i * 40 + (uintptr_t)arg);
		}
		for (int i = 0; i < 50; i++)
			free(p[i]);
	}
	p[0] = calloc(1, 300000);
	p[0] = realloc(p[0], 900000);
	free(p[0]);
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
	work((void *)3);
}

int main(void)
{
	size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + 8192;
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	stack_t alt = { .ss_size = size };
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	for (uintptr_t i = 0; i < 200; i++) {
		CHECK(pthread_create(&t, &attr, work, (void *)i) == 0);
		pthread_join(t, NULL);
	}
	alt.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(sigaltstack(&alt, NULL) == 0 && sigaction(SIGUSR1, &act, NULL) == 0);
	for (int i = 0; i < 50; i++)
		raise(SIGUSR1);
	printf("small stacks suffice\n");
	return 0;
}
