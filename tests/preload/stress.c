/* SPDX-License-Identifier: MIT */
/* Threads allocate, check, resize and free each other's blocks at random; every block carries a pattern. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

enum { THREADS = 6, SLOTS = 4096, ROUNDS = 120000 };

struct block {
	size_t size;
	unsigned tag;
	unsigned char data[];
};

static _Atomic(struct block *) slots[SLOTS];

static size_t pick_size(uint64_t *seed)
{
	unsigned k = rnd(seed) % 1000;

	if (k < 700)
		return rnd(seed) % 512;
	if (k < 950)
		return rnd(seed) % 8192;
	if (k < 998)
		return rnd(seed) % 100000;
	return rnd(seed) % (2 << 20);
}

static struct block *make(uint64_t *seed)
{
	size_t n = pick_size(seed);
	unsigned kind = rnd(seed) % 8;
	struct block *b;

	if (kind == 0)
		b = calloc(1, sizeof(*b) + n);
	else if (kind == 1)
		b = memalign((size_t)16 << rnd(seed) % 9, sizeof(*b) + n);
	else
		b = malloc(sizeof(*b) + n);
	CHECK(b);
	if (kind == 0)
		for (size_t i = 0; i < n; i += 37)
			CHECK(b->data[i] == 0);
	b->size = n;
	b->tag = rnd(seed);
	fill(b->data, n, b->tag);
	return b;
}

static struct block *resize(struct block *b, uint64_t *seed)
{
	size_t n = pick_size(seed), least = n < b->size ? n : b->size;
	unsigned char first = least > 1 ? b->data[0] : 0;

	b = realloc(b, sizeof(*b) + n);
	CHECK(b);
	if (least > 1)
		CHECK(b->data[0] == first);
	b->size = n;
	fill(b->data, n, b->tag);
	return b;
}

static void *work(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 77 + 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct block *b = atomic_exchange(&slots[rnd(&seed) % SLOTS], NULL);

		if (b) {
			CHECK(intact(b->data, b->size, b->tag));
			CHECK(malloc_usable_size(b) >= sizeof(*b) + b->size);
		}
		if (b && rnd(&seed) % 4 == 0) {
			b = resize(b, &seed);
		} else {
			free(b);
			b = rnd(&seed) % 8 ? make(&seed) : NULL;
		}
		b = atomic_exchange(&slots[rnd(&seed) % SLOTS], b);
		if (b) {
			CHECK(intact(b->data, b->size, b->tag));
			free(b);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (int round = 0; round < 2; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			CHECK(pthread_create(&t[i], NULL, work, (void *)(i + 1)) == 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
	}
	for (int i = 0; i < SLOTS; i++) {
		struct block *b = slots[i];

		if (b)
			CHECK(intact(b->data, b->size, b->tag));
		free(b);
	}
	printf("all blocks intact\n");
	return 0;
}
