/* SPDX-License-Identifier: MIT */
/*
 * A sandbox that allows what a quiet program needs and refuses all the rest with EPERM.  Whatever the library wanted to
 * do after it is in place (a file, a name for a mapping, the history) fails, and the program must not notice.
 * With the argument "kill" all the rest is answered by death, as some sandboxes do.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	int kill = argc > 1 && strcmp(argv[1], "kill") == 0;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		ALLOW(mprotect),
		ALLOW(brk),
		ALLOW(futex),
		ALLOW(write),
		ALLOW(exit_group),
		ALLOW(clock_gettime),
		ALLOW(getrandom),
		ALLOW(newfstatat),
		ALLOW(getpid),
		ALLOW(gettid),
		ALLOW(sched_yield),
		ALLOW(rt_sigprocmask),
		ALLOW(unlink),
		BPF_STMT(BPF_RET | BPF_K, kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	free(hide(malloc(100)));
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	exercise(30000, 1);
	/* past the next tick of the history */
	for (int i = 0; i < 12; i++) {
		struct timespec now, start;

		clock_gettime(CLOCK_MONOTONIC, &start);
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while (now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9 < 0.1);
		exercise(2000, (uint64_t)i);
	}
	for (int i = 0; i < 100; i++)
		free(memset(malloc(1 << 20), 1, 1 << 20));
	printf("worked inside the sandbox\n");
	return 0;
}
