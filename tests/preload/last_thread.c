/* SPDX-License-Identifier: MIT */
/*
 * The first thread leaves by pthread_exit(); the process ends when its last one does, and that one runs the exit
 * handlers with the program's descriptors.  Also in a child that a second thread forked.  A helper thread of the
 * library must neither keep the process alive nor be the one that ends it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static void farewell(void)
{
	printf("exit handlers ran\n");
}

static void *work(void *arg)
{
	exercise(200, (uintptr_t)arg);
	usleep(30000);
	return NULL;
}

static void *fork_and_leave(void *arg)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child != 0) {
		CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
		return NULL;
	}
	pthread_t t;

	CHECK(pthread_create(&t, NULL, work, (void *)2) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	return arg; /* the child's only thread ends here */
}

int main(void)
{
	pthread_t t;

	alarm(60);
	CHECK(atexit(farewell) == 0);
	CHECK(pthread_create(&t, NULL, fork_and_leave, NULL) == 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(pthread_create(&t, NULL, work, (void *)1) == 0);
	exercise(200, 3);
	pthread_exit(NULL);
}
