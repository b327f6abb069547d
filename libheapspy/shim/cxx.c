/* SPDX-License-Identifier: MIT */
/*
 * cxx.c - operator new and delete, by their Itanium ABI names, so that the library needs no libstdc++.
 *
 * When memory is refused, the new-handler is asked like libstdc++ does; without one, std::bad_alloc is thrown
 * by libstdc++'s own __throw_bad_alloc, which a program that uses throwing new has loaded.
 */
#include <stdlib.h>

#include "base/cc.h"
#include "base/rawio.h"
#include "shim/family.h"

typedef void (*new_handler)(void);

extern new_handler _ZSt15get_new_handlerv(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak, noreturn));

/* One more try after the handler has freed something; NULL when there is no handler. */
static HS_COLD void *alloc_again(size_t bytes, size_t align)
{
	for (;;) {
		new_handler handler = _ZSt15get_new_handlerv != NULL ? _ZSt15get_new_handlerv() : NULL;
		void *p;

		if (handler == NULL)
			return NULL;
		handler();
		p = hs_alloc_aligned(align, bytes);
		if (p != NULL)
			return p;
	}
}

static void *new_or_throw(size_t bytes, size_t align)
{
	void *p = align == 0 ? malloc(bytes) : hs_alloc_aligned(align, bytes);

	if (hs_likely(p != NULL))
		return p;
	p = alloc_again(bytes, align);
	if (p == NULL) {
		if (_ZSt17__throw_bad_allocv == NULL)
			hs_fatal("operator new of %zu bytes failed, and there is no libstdc++ to throw with", bytes);
		_ZSt17__throw_bad_allocv();
	}
	return p;
}

/* A handler may throw bad_alloc; a nothrow form must answer NULL then, which C cannot catch: it is not asked. */
static void *new_nothrow(size_t bytes, size_t align)
{
	return align == 0 ? malloc(bytes) : hs_alloc_aligned(align, bytes);
}

#define FORMS_OF_NEW(name, nothrow_name, aligned_name, aligned_nothrow_name)                                           \
	HS_EXPORT void *name(size_t bytes);                                                                            \
	HS_EXPORT void *nothrow_name(size_t bytes, const void *tag);                                                   \
	HS_EXPORT void *aligned_name(size_t bytes, size_t align);                                                      \
	HS_EXPORT void *aligned_nothrow_name(size_t bytes, size_t align, const void *tag);                             \
	void *name(size_t bytes)                                                                                       \
	{                                                                                                              \
		return new_or_throw(bytes, 0);                                                                         \
	}                                                                                                              \
	void *nothrow_name(size_t bytes, const void *tag)                                                              \
	{                                                                                                              \
		(void)tag;                                                                                             \
		return new_nothrow(bytes, 0);                                                                          \
	}                                                                                                              \
	void *aligned_name(size_t bytes, size_t align)                                                                 \
	{                                                                                                              \
		return new_or_throw(bytes, align);                                                                     \
	}                                                                                                              \
	void *aligned_nothrow_name(size_t bytes, size_t align, const void *tag)                                        \
	{                                                                                                              \
		(void)tag;                                                                                             \
		return new_nothrow(bytes, align);                                                                      \
	}

FORMS_OF_NEW(_Znwm, _ZnwmRKSt9nothrow_t, _ZnwmSt11align_val_t, _ZnwmSt11align_val_tRKSt9nothrow_t)
FORMS_OF_NEW(_Znam, _ZnamRKSt9nothrow_t, _ZnamSt11align_val_t, _ZnamSt11align_val_tRKSt9nothrow_t)

#define FORM_OF_DELETE(name, ...)                                                                                      \
	HS_EXPORT void name(void *p, ##__VA_ARGS__);                                                                   \
	void name(void *p, ##__VA_ARGS__)                                                                              \
	{                                                                                                              \
		free(p);                                                                                               \
	}

#define FORMS_OF_DELETE(op)                                                                                            \
	FORM_OF_DELETE(op##Pv)                                                                                         \
	FORM_OF_DELETE(op##Pvm, size_t bytes)                                                                          \
	FORM_OF_DELETE(op##PvRKSt9nothrow_t, const void *tag)                                                          \
	FORM_OF_DELETE(op##PvSt11align_val_t, size_t align)                                                            \
	FORM_OF_DELETE(op##PvmSt11align_val_t, size_t bytes, size_t align)                                             \
	FORM_OF_DELETE(op##PvSt11align_val_tRKSt9nothrow_t, size_t align, const void *tag)

FORMS_OF_DELETE(_Zdl)
FORMS_OF_DELETE(_Zda)
