/* SPDX-License-Identifier: MIT */
/* The second free comes when the page of the block was given back: nothing stands there that says that it is free. */
#include <malloc.h>

#include "abuse.h"

int main(void)
{
	enum { N = 1000 };
	void *p[N];

	for (int i = 0; i < N; i++)
		p[i] = hide(malloc(400));
	for (int i = 0; i < N; i++)
		if (i % 60 != 0) /* one survivor in each span */
			free(p[i]);
	malloc_trim(0);
	announce(p[535]);
	free(hide(p[535]));
	return after();
}
