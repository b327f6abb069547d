/* SPDX-License-Identifier: MIT */
/*
 * What POSIX forbids and programs do: malloc and fork in a handler that may interrupt malloc.  glibc can
 * deadlock here, so only the run with the library counts, and it must end.  HEAPSPY_SIGNAL_INSIDE=1 arms it.
 */
#include <signal.h>
#include <sys/time.h>

#include "check.h"

static volatile sig_atomic_t hits;

static void on_alarm(int number)
{
	int keep = errno;

	(void)number;
	if (++hits % 64 == 0) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
	}
	errno = keep;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval tick = { { 0, 1000 }, { 0, 1000 } };

	if (getenv("LD_PRELOAD")) {
		CHECK(sigaction(SIGALRM, &act, NULL) == 0);
		CHECK(setitimer(ITIMER_REAL, &tick, NULL) == 0);
		while (hits < 1500)
			exercise(100, (uint64_t)hits);
		memset(&tick, 0, sizeof(tick));
		setitimer(ITIMER_REAL, &tick, NULL);
	}
	printf("forks in handlers ended\n");
	return 0;
}
