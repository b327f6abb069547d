/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "sym/symbolize.h"

bool ht_sym_is_own(const struct ht_sym_frame *frame)
{
	static const char *const names[] = {
		"malloc",
		"calloc",
		"realloc",
		"reallocarray",
		"free",
		"cfree",
		"free_sized",
		"memalign",
		"aligned_alloc",
		"posix_memalign",
		"valloc",
		"pvalloc",
		"free_aligned_sized",
	};

	if (frame->module && strncmp(frame->module, "libheapspy.so", strlen("libheapspy.so")) == 0)
		return true;
	if (!frame->function)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(frame->function, names[i]) == 0)
			return true;
	return strncmp(frame->function, "operator new", strlen("operator new")) == 0 ||
	       strncmp(frame->function, "operator delete", strlen("operator delete")) == 0;
}
