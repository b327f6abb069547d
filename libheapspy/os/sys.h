/* SPDX-License-Identifier: MIT */
/*
 * sys.h - system calls without libc.
 *
 * malloc must not touch errno, must not be a cancellation point and must not be caught by somebody's
 * interposed wrapper; so it calls the kernel itself.  All return the kernel's value: >= 0 or -errno.
 *
 * Layer:   os/
 * Signals: async-signal-safe
 */
#ifndef HS_OS_SYS_H
#define HS_OS_SYS_H

#include <sys/syscall.h>

#include "base/cc.h"

#if defined(__x86_64__)
HS_INLINE long hs_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;
	__asm__ __volatile__("syscall"
			     : "=a"(ret)
			     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			     : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
HS_INLINE long hs_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ __volatile__("svc 0"
			     : "+r"(x0)
			     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			     : "memory");
	return x0;
}
#else
#error "heapspy knows the system call convention of x86-64 and aarch64 only"
#endif

#define hs_syscall0(nr) hs_syscall((nr), 0, 0, 0, 0, 0, 0)
#define hs_syscall1(nr, a) hs_syscall((nr), (long)(a), 0, 0, 0, 0, 0)
#define hs_syscall2(nr, a, b) hs_syscall((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define hs_syscall3(nr, a, b, c) hs_syscall((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define hs_syscall4(nr, a, b, c, d) hs_syscall((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define hs_syscall5(nr, a, b, c, d, e) hs_syscall((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define hs_syscall6(nr, a, b, c, d, e, f)                                                                              \
	hs_syscall((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* CLOCK_MONOTONIC and CLOCK_REALTIME in ns, through the vdso. */
uint64_t hs_now_ns(void);
uint64_t hs_now_realtime_ns(void);

/* CLOCK_MONOTONIC as of the kernel's last timer interrupt: up to 10 ms old, and cheaper. */
uint64_t hs_now_coarse_ns(void);

/* Thread and process id, asked from the kernel each time (a raw clone changes them under us). */
HS_INLINE uint32_t hs_gettid(void)
{
	return (uint32_t)hs_syscall0(SYS_gettid);
}

HS_INLINE uint32_t hs_getpid(void)
{
	return (uint32_t)hs_syscall0(SYS_getpid);
}

#endif /* HS_OS_SYS_H */
