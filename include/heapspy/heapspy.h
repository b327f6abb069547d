/* SPDX-License-Identifier: MIT */
/*
 * heapspy.h - what a program may ask of libheapspy.
 *
 * A program needs none of this: LD_PRELOAD=libheapspy.so is enough.  One that wants to know whether it runs
 * under the library declares heapspy_version weak, or asks dlsym() for it.
 */
#ifndef HEAPSPY_HEAPSPY_H
#define HEAPSPY_HEAPSPY_H

#define HEAPSPY_VERSION_MAJOR 0
#define HEAPSPY_VERSION_MINOR 1
#define HEAPSPY_VERSION_PATCH 0
#define HEAPSPY_VERSION_STRING "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library in use: HEAPSPY_VERSION_STRING of its build.  Async-signal-safe. */
const char *heapspy_version(void);

#ifdef __cplusplus
}
#endif

#endif /* HEAPSPY_HEAPSPY_H */
