/* SPDX-License-Identifier: MIT */
/* The owner freed the block; another thread frees it again. */
#include <pthread.h>

#include "abuse.h"

static void *again(void *p)
{
	free(hide(p));
	return NULL;
}

int main(void)
{
	void *p = hide(malloc(48));
	pthread_t t;

	announce(p);
	free(p);
	pthread_create(&t, NULL, again, p);
	pthread_join(t, NULL);
	/* A detection may wait until the owner collects what others freed. */
	for (int i = 0; i < 2000; i++)
		free(hide(malloc(48)));
	return after();
}
