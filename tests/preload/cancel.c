/* SPDX-License-Identifier: MIT */
/* Threads cancelled while they allocate: malloc is no cancellation point and leaves nothing locked. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

static atomic_int turns;

static void *work(void *arg)
{
	(void)arg;
	for (;;) {
		void *volatile p = NULL;

		pthread_cleanup_push(free, (void *)p);
		for (int i = 0; i < 50; i++) {
			void *q = malloc(hide_size((size_t)i * 30));

			CHECK(q);
			free(hide(q));
		}
		pthread_cleanup_pop(1);
		turns++;
		pthread_testcancel();
	}
	return NULL;
}

int main(void)
{
	void *how;

	for (int i = 0; i < 300; i++) {
		pthread_t t;
		int before = turns;

		CHECK(pthread_create(&t, NULL, work, NULL) == 0);
		while (turns == before)
			usleep(50);
		pthread_cancel(t);
		pthread_join(t, &how);
		CHECK(how == PTHREAD_CANCELED);
	}
	exercise(1000, 1);
	printf("300 cancelled\n");
	return 0;
}
