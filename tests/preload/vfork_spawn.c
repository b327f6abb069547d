/* SPDX-License-Identifier: MIT */
/* vfork, posix_spawn, system and popen beside allocating threads: the parent's heap is borrowed, not changed. */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

#include "check.h"

extern char **environ;
static atomic_int stop;

static void *churn(void *arg)
{
	while (!stop)
		exercise(300, (uintptr_t)arg);
	return NULL;
}

static void by_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	reap(pid, 0);
}

static void by_spawn(void)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 5", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	CHECK(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	reap(pid, 5);
}

int main(void)
{
	pthread_t t[2];
	char line[64];

	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	for (int i = 0; i < 30; i++) {
		by_vfork();
		by_spawn();
	}
	CHECK(system("exit 3") == 3 << 8);
	FILE *f = popen("echo from a shell", "r");
	CHECK(f && fgets(line, sizeof(line), f));
	pclose(f);
	stop = 1;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("%s", line);
	return 0;
}
