/* SPDX-License-Identifier: MIT */
/*
 * abuse.h - what the programs of misuse/ share: announce the pointer, do the bad thing, go on.
 *
 * Errors: after the abuse the heap must still work (on_corruption:warn); a program proves it with after()
 */
#ifndef TESTS_MISUSE_ABUSE_H
#define TESTS_MISUSE_ABUSE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keeps the compiler from seeing through the abuse. */
static inline void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

/* Names the pointer that the message must name. */
static inline void announce(const void *p)
{
	printf("pointer %p\n", p);
	fflush(stdout);
}

/* The heap still serves after the abuse. */
static inline int after(void)
{
	void *p[200];

	for (size_t i = 0; i < 200; i++) {
		p[i] = hide(malloc(i * 37));
		if (!p[i])
			return 1;
		memset(p[i], 1, i * 37);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = i + 1; k < 200; k++)
			if (p[i] == p[k])
				return 2;
	for (size_t i = 0; i < 200; i++)
		free(p[i]);
	printf("after\n");
	return 0;
}

#endif /* TESTS_MISUSE_ABUSE_H */
