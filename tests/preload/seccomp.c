/* SPDX-License-Identifier: MIT */
/*
 * A sandbox that allows only what a quiet program needs.  After it is in place the library must not come
 * with a new kind of system call; anything else than memory, futex, time and write is answered by death.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "check.h"

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(void)
{
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
		ALLOW(unlink), /* removing its segment at exit cannot be avoided */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	free(hide(malloc(100)));
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	exercise(30000, 1);
	for (int i = 0; i < 100; i++)
		free(memset(malloc(1 << 20), 1, 1 << 20));
	printf("worked inside the sandbox\n");
	return 0;
}
