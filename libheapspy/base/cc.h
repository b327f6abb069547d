/* SPDX-License-Identifier: MIT */
/*
 * cc.h - what we ask of the compiler, and the assertions.
 *
 * hs_verify() stays in release builds: it guards against memory corruption.  hs_assert() is for
 * invariants that only our own mistakes can break; hs_assert_slow() for those that cost a walk.
 *
 * Layer:   base/
 */
#ifndef HS_BASE_CC_H
#define HS_BASE_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define hs_likely(x) __builtin_expect(!!(x), 1)
#define hs_unlikely(x) __builtin_expect(!!(x), 0)
#define HS_NOINLINE __attribute__((noinline))
#define HS_INLINE static inline __attribute__((always_inline))
#define HS_COLD __attribute__((cold, noinline))
#define HS_EXPORT __attribute__((visibility("default")))
/* On declarations of variables: the compiler need not go through the GOT for them. */
#define HS_HIDDEN __attribute__((visibility("hidden")))
#define HS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define HS_CACHE_LINE 64
#define HS_ALIGNED_LINE __attribute__((aligned(HS_CACHE_LINE)))

#define hs_container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define hs_array_size(a) (sizeof(a) / sizeof((a)[0]))

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HS_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define HS_TSAN 1
#endif
#ifndef HS_TSAN
#define HS_TSAN 0
#endif

/* One line to the message descriptor, then abort().  Defined in base/rawio.c. */
_Noreturn void hs_assert_failed(const char *file, int line, const char *text);

#define hs_verify(cond)                                                                                                \
	do {                                                                                                           \
		if (hs_unlikely(!(cond)))                                                                              \
			hs_assert_failed(__FILE__, __LINE__, #cond);                                                   \
	} while (0)

/* HS_DEBUG: 0 none, 1 check, 2 full (meson option debug_checks). */
#ifndef HS_DEBUG
#define HS_DEBUG 0
#endif
#if HS_DEBUG >= 1
#define hs_assert(cond) hs_verify(cond)
#else
#define hs_assert(cond) ((void)sizeof(cond))
#endif
#if HS_DEBUG >= 2
#define hs_assert_slow(cond) hs_verify(cond)
#else
#define hs_assert_slow(cond) ((void)sizeof(cond))
#endif

#endif /* HS_BASE_CC_H */
