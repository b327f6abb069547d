/* SPDX-License-Identifier: MIT */
/* A pointer to nowhere. */
#include "abuse.h"

int main(void)
{
	void *p = hide((void *)(uintptr_t)0x123456789000);

	announce(p);
	free(p);
	return after();
}
