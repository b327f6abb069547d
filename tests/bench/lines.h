/* SPDX-License-Identifier: MIT */
/*
 * lines.h - which cache lines would travel between cores: what scaling.c tells the simulation in lines.c.
 *
 * lines.c is linked into a libheapspy.so whose sources were compiled with -fsanitize=thread, and stands in for
 * that sanitizer's run-time library: the compiler calls it at each load and store of the allocator.  All
 * functions are weak: under an ordinary library they are missing, and the load runs without simulation.
 *
 * The model: each thread has a core of its own, with a cache that never loses a line.  A read of a line that
 * this core has not, or a write to a line that any other core has, is one transfer.  The first touch of a line
 * by anybody is none; a read and then a write of what others keep are two.  A transfer is hot when another core
 * used the line since this core's previous turn: on real cores these two would meet.
 */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H

#include <stddef.h>

#define LINES_CORES 512

/* The calling thread runs on this core, from 0. */
__attribute__((weak)) void lines_core(int core);
/* The next one of so many cores has its turn. */
__attribute__((weak)) void lines_turn(int cores);
/*
 * The program itself writes an object at `p`: moves the line, counts nothing, and tells that the line is of an
 * object.
 */
__attribute__((weak)) void lines_program_write(const void *p);
/* Counts from here on. */
__attribute__((weak)) void lines_start(void);
/*
 * Writes `OFFSET WRITER TRANSFERS HOT SLOTS` for each place in the library's code and place that wrote the line
 * last (0x0: the program) to `path`; SLOTS: of lines of the program's objects.
 */
__attribute__((weak)) void lines_report(const char *path);

#endif /* BENCH_LINES_H */
