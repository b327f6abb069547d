/* SPDX-License-Identifier: MIT */
/* realloc of a block that was freed. */
#include "abuse.h"

int main(void)
{
	void *p = hide(malloc(48)), *q;

	announce(p);
	free(p);
	q = hide(realloc(hide(p), 5000));
	if (q && q != p)
		free(q);
	return after();
}
