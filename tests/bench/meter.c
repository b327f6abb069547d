/* SPDX-License-Identifier: MIT */
/*
 * meter.c - meter REPORT [NAME=VALUE]... -- PROGRAM [ARG]...: runs a program and writes what it cost.
 *
 * Why a program of its own: the kernel starts a process's peak RSS at that of whoever called exec, so that a child of
 * python would never show less than python's 15 MiB.  This one has 1 MiB.  The variables are set in the child only: the
 * meter itself never runs under the allocator.
 *
 * REPORT gets `pid N` before the program starts, and at the end `STATUS CPU-S WALL-S PEAK-KIB`: the CPU time of the
 * program and all it waited for, the peak RSS of the largest of them.  Exit status: 0 when the report is complete.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int program = 2;
	while (program < argc && strcmp(argv[program], "--"))
		program++;
	if (program + 1 >= argc) {
		fputs("usage: meter REPORT [NAME=VALUE]... -- PROGRAM [ARG]...\n", stderr);
		return 2;
	}
	FILE *report = fopen(argv[1], "we");
	if (!report) {
		perror(argv[1]);
		return 2;
	}

	double start = now();
	pid_t child = fork();
	if (child == 0) {
		for (int i = 2; i < program; i++)
			putenv(argv[i]);
		execvp(argv[program + 1], argv + program + 1);
		perror(argv[program + 1]);
		_exit(127);
	}
	fprintf(report, "pid %d\n", (int)child);
	fflush(report);

	struct rusage used;
	int status = 0;
	if (child < 0 || wait4(child, &status, 0, &used) != child) {
		perror("meter");
		return 1;
	}
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	fprintf(report, "%d %.6f %.6f %ld\n", code, seconds(used.ru_utime) + seconds(used.ru_stime), now() - start,
		used.ru_maxrss);
	return fclose(report) ? 1 : 0;
}
