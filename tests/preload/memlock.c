/* SPDX-License-Identifier: MIT */
/* mlockall(MCL_FUTURE) turns reservations into memory; big lazy tables would show here. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

int main(void)
{
	long locked = 0;
	char line[128];
	FILE *f;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
		printf("mlockall is not allowed here\n");
		return 77;
	}
	exercise(5000, 1);
	f = fopen("/proc/self/status", "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld kB", &locked);
	fclose(f);
	if (locked > 256 << 10)
		fprintf(stderr, "locked %ld KiB\n", locked);
	printf("locked memory is bounded: %s\n", locked <= 256 << 10 ? "yes" : "no");
	return 0;
}
