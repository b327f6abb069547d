/* SPDX-License-Identifier: MIT */
/* Clocks: glibc's clock_gettime uses the vdso, sets errno only on failure, and is no cancellation point. */
#include "os/sys.h"

#include <time.h>

static uint64_t now(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

uint64_t hs_now_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t hs_now_coarse_ns(void)
{
	return now(CLOCK_MONOTONIC_COARSE);
}

uint64_t hs_now_realtime_ns(void)
{
	return now(CLOCK_REALTIME);
}
