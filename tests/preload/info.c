/* SPDX-License-Identifier: MIT */
/* mallinfo, mallinfo2, malloc_info, malloc_stats, mallopt, malloc_trim: harmless, plausible, parseable. */
#include <malloc.h>

#include "check.h"

/* Every opened element is closed in order; returns the number of elements or -1. */
static int xml_elements(const char *s)
{
	const char *stack[32];
	size_t length[32];
	int depth = 0, n = 0;

	while ((s = strchr(s, '<'))) {
		const char *end = strchr(s, '>');
		int close = s[1] == '/';
		const char *name = s + 1 + close;
		size_t len = strcspn(name, " />");

		if (!end || len == 0)
			return -1;
		if (close) {
			if (depth == 0 || length[depth - 1] != len || memcmp(stack[depth - 1], name, len) != 0)
				return -1;
			depth--;
		} else if (end[-1] != '/') {
			if (depth == 32)
				return -1;
			stack[depth] = name;
			length[depth++] = len;
		}
		n += !close;
		s = end;
	}
	return depth == 0 ? n : -1;
}

int main(void)
{
	enum { N = 1000 };
	static void *p[N];
	char *text = NULL;
	size_t length = 0;
	struct mallinfo2 before = mallinfo2(), with, after;
	struct mallinfo old;
	FILE *f;

	for (int i = 0; i < N; i++)
		CHECK((p[i] = hide(malloc(5000))));
	with = mallinfo2();
	printf("in use grew: %s\n",
	       with.uordblks + with.hblkhd >= before.uordblks + before.hblkhd + (size_t)N * 5000 ? "yes" : "no");
	printf("arena holds what is in use: %s\n", with.arena + with.hblkhd >= with.uordblks ? "yes" : "no");
	old = mallinfo();
	printf("mallinfo agrees: %s\n", old.uordblks > 0 ? "yes" : "no");

	f = open_memstream(&text, &length);
	CHECK(f);
	printf("malloc_info(0) %d\n", malloc_info(0, f));
	fclose(f);
	CHECK(length > 0 && strncmp(text, "<malloc version=\"1\">", 20) == 0);
	CHECK(xml_elements(text) > 5);
	CHECK(strstr(text, "<heap nr=\"0\">") && strstr(text, "<sizes>"));
	CHECK(strstr(text, "<system type=\"current\"") && strstr(text, "<total type=\"mmap\""));
	free(text);
	f = tmpfile();
	CHECK(f);
	errno = 0;
	printf("malloc_info(1) %d EINVAL %d\n", malloc_info(hide_size(1), f), errno == EINVAL);
	fclose(f);

	for (int i = 0; i < N; i++)
		free(p[i]);
	after = mallinfo2();
	printf("in use fell: %s\n", after.uordblks + after.hblkhd < with.uordblks + with.hblkhd ? "yes" : "no");
	printf("mallopt %d\n", mallopt(M_MMAP_THRESHOLD, 1 << 20));
	CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1);
	CHECK(mallopt(M_ARENA_MAX, 2) == 1);
	CHECK(malloc_trim(0) <= 1);
	malloc_stats();
	exercise(2000, 5);
	return 0;
}
