/* SPDX-License-Identifier: MIT */
/* secure_main.c - prints whether the process runs in secure mode; linked with the library (at_secure.sh). */
#include <sys/auxv.h>

#include "check.h"

int main(void)
{
	exercise(20000, 1);
	printf("secure %lu\n", getauxval(AT_SECURE));
	return 0;
}
