/* SPDX-License-Identifier: MIT */
/* A daemon: two forks, setsid, every descriptor closed, files opened in their place; then it works on. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "check.h"

static void *work(void *arg)
{
	exercise(3000, (uintptr_t)arg);
	return NULL;
}

static void serve(const char *path)
{
	pthread_t t[3];
	char byte;
	int fd[3];

	for (int i = 0; i < 1024; i++)
		close(i);
	/* The program's own files now have the numbers that the library may have had. */
	for (int i = 0; i < 3; i++) {
		fd[i] = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
		if (fd[i] != i)
			_exit(21);
	}
	exercise(10000, 1);
	for (uintptr_t i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			_exit(22);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	/* Nobody wrote into our file, and nobody closed it. */
	if (lseek(fd[0], 0, SEEK_END) != 0 || pread(fd[0], &byte, 1, 0) != 0)
		_exit(23);
	if (write(fd[2], "done\n", 5) != 5)
		_exit(24);
	exit(0);
}

int main(void)
{
	char path[] = "/tmp/heapspy-daemon.XXXXXX", text[8] = "";
	int fd = mkstemp(path), pipe_fd[2];
	pid_t pid;

	CHECK(fd >= 0 && pipe(pipe_fd) == 0);
	close(fd);
	exercise(1000, 2);
	pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		serve(path);
	}
	reap(pid, 0);
	close(pipe_fd[1]);
	/* The daemon closes its end of the pipe at once; wait for its word in the file instead. */
	for (int i = 0; i < 500 && strcmp(text, "done\n") != 0; i++) {
		usleep(20000);
		fd = open(path, O_RDONLY);
		CHECK(fd >= 0);
		memset(text, 0, sizeof(text));
		(void)!read(fd, text, 5);
		close(fd);
	}
	unlink(path);
	printf("daemon says: %s", text);
	usleep(100000);
	return 0;
}
