/* SPDX-License-Identifier: MIT */
/*
 * patient.h - what every patient does besides being ill.
 *
 * A patient prints its truth as one line of key=value pairs, then "ready", and waits for a line or the end
 * of its input.  Nothing here allocates: the truth must be the illness and nothing else.
 */
#ifndef TESTS_PATIENTS_PATIENT_H
#define TESTS_PATIENTS_PATIENT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
/* Keeps a function from ending in a jump, which would take it off the stack. */
#define STAY() __asm__ volatile("" ::: "memory")

/* No patient outlives the test that forgot it. */
#define PATIENCE_S 60

/* One write(2); stdio would allocate a buffer. */
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...)
{
	static char buf[8192];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(buf) || write(1, buf, (size_t)n) != n)
		_exit(3);
}

/* Waits for a line; the end of the input ends the patient. */
__attribute__((unused)) static void wait_for_line(void)
{
	char c;

	do {
		if (read(0, &c, 1) != 1)
			exit(0); /* and not _exit(): the segment goes as after any program */
	} while (c != '\n');
}

__attribute__((unused)) static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* xorshift: the same sizes in every run of a seed. */
__attribute__((unused)) static uint32_t draw(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

__attribute__((unused)) static size_t argument(int argc, char **argv, int i, size_t otherwise)
{
	return argc > i ? strtoul(argv[i], NULL, 0) : otherwise;
}

#endif /* TESTS_PATIENTS_PATIENT_H */
