/* SPDX-License-Identifier: MIT */
/* free of the same small block twice in a row. */
#include "abuse.h"

int main(void)
{
	void *p = hide(malloc(48));

	announce(p);
	free(p);
	free(hide(p));
	return after();
}
