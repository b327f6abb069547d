/* SPDX-License-Identifier: MIT */
/* Allocation before main in the first constructors, in atexit handlers and in the last destructors. */
#include "check.h"

static void *early_block, *late_block;
static int order;

__attribute__((constructor(101))) static void first(void)
{
	early_block = malloc(1000);
	CHECK(early_block);
	fill(early_block, 1000, 1);
	exercise(1000, 1);
	order = 1;
}

static void at_exit(void)
{
	exercise(1000, 2);
	CHECK(intact(early_block, 1000, 1));
	printf("atexit after %d\n", order);
}

__attribute__((destructor(101))) static void last(void)
{
	exercise(1000, 3);
	free(late_block);
	free(early_block);
	/* stdio is still usable here in a plain C program */
	printf("last destructor\n");
	fflush(stdout);
}

int main(void)
{
	order++;
	atexit(at_exit);
	late_block = malloc(5000);
	setenv("HEAPSPY_EARLY_LATE", "a value that has to be allocated", 1);
	return 0;
}
