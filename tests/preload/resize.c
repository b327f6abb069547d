/* SPDX-License-Identifier: MIT */
/* realloc keeps the contents over every kind of growth and shrinkage. */
#include <malloc.h>

#include "check.h"

static void step(size_t from, size_t to)
{
	unsigned char *p = hide(malloc(from));
	size_t least = from < to ? from : to;

	CHECK(p);
	for (size_t i = 0; i < from; i += 61)
		p[i] = (unsigned char)(i >> 4);
	p = hide(realloc(p, to));
	CHECK(p && malloc_usable_size(p) >= to);
	for (size_t i = 0; i < least; i += 61)
		CHECK(p[i] == (unsigned char)(i >> 4));
	memset(p, 0x33, to);
	free(p);
}

/* Vectors that grow in turn by little and by much: places run out, spans are extended, pages move. */
static void grow_in_turn(void)
{
	enum { N = 7 };
	unsigned char *v[N] = { 0 };
	size_t size[N] = { 0 };
	uint64_t seed = 3;

	for (int i = 0; i < 6000; i++) {
		int k = rnd(&seed) % N;
		size_t more = 1 + rnd(&seed) % (rnd(&seed) % 16 ? 900 : 2 * size[k] + 16);

		if (size[k] > (3u << 20) && rnd(&seed) % 4 == 0) {
			/* what is left of it, and from the beginning */
			size_t least = rnd(&seed) % 2000 + 1;

			v[k] = hide(realloc(v[k], least));
			CHECK(v[k] && v[k][least / 2] == (unsigned char)(least / 2 * 7 + (size_t)k));
			free(v[k]);
			v[k] = NULL;
			size[k] = 0;
			continue;
		}
		v[k] = hide(realloc(v[k], size[k] + more));
		CHECK(v[k] && malloc_usable_size(v[k]) >= size[k] + more);
		for (size_t j = size[k]; j < size[k] + more; j++)
			v[k][j] = (unsigned char)(j * 7 + (size_t)k);
		size[k] += more;
		for (size_t j = 0; j < size[k]; j += size[k] / 50 + 1)
			CHECK(v[k][j] == (unsigned char)(j * 7 + (size_t)k));
	}
	for (int k = 0; k < N; k++)
		free(v[k]);
	printf("growing in turn keeps the contents\n");
}

int main(void)
{
	static const size_t sizes[] = { 1,	 15,	  16,	 17,	100,	1000,	4000,	4096,	 5000,
					16384,	 32768,	  40000, 65536, 100000, 131072, 200000, 1 << 20, (1 << 20) + 1,
					5 << 20, 33 << 20 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	unsigned char *p = NULL, *others[64] = { 0 };
	size_t n = 1;

	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			step(sizes[i], sizes[k]);
	printf("every step keeps the contents\n");

	/* A vector that doubles while other allocations come between. */
	for (int i = 0; i < 26; i++, n *= 2) {
		p = hide(realloc(p, n));
		CHECK(p);
		for (size_t k = 0; k < n / 2; k += n / 64 + 1)
			CHECK(p[k] == (unsigned char)(k * 3));
		for (size_t k = 0; k < n; k++)
			p[k] = (unsigned char)(k * 3);
		free(others[i % 64]);
		others[i % 64] = hide(malloc(n / 3 + 1));
		CHECK(others[i % 64]);
		memset(others[i % 64], 0xff, n / 3 + 1);
	}
	/* And shrinks again by thirds. */
	for (n /= 2; n > 16; n = n * 2 / 3) {
		p = hide(realloc(p, n));
		CHECK(p);
		for (size_t k = 0; k < n; k += n / 64 + 1)
			CHECK(p[k] == (unsigned char)(k * 3));
	}
	free(p);
	for (int i = 0; i < 64; i++)
		free(others[i]);
	printf("doubling and shrinking keep the contents\n");
	grow_in_turn();
	return 0;
}
