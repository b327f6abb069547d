/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void place_init(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/heaptop-test-XXXXXX");
	if (!mkdtemp(p->dir))
		abort();
	p->path[0] = '\0';
}

void place_done(struct place *p)
{
	DIR *d = opendir(p->dir);

	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(p->dir);
}

const char *place_file(struct place *p, const char *name)
{
	snprintf(p->path, sizeof(p->path), "%s/%s", p->dir, name);
	return p->path;
}

const char *place_scenario(struct place *p, const char *name, struct synth *s)
{
	struct synth own;
	struct synth *x = s ? s : &own;

	synth_init(x);
	if (synth_scenario(x, name) < 0 || synth_write(x, place_file(p, name)) < 0)
		abort();
	if (!s)
		synth_done(x);
	return p->path;
}

void place_patch(const struct place *p, uint64_t offset, const void *bytes, size_t n)
{
	int fd = open(p->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, bytes, n, (off_t)offset) != (ssize_t)n)
		abort();
	close(fd);
}

struct heapspy_table place_table(const struct place *p, uint32_t id)
{
	struct heapspy_header h;
	int fd = open(p->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		abort();
	close(fd);
	for (uint32_t i = 0; i < h.n_tables; i++)
		if (h.tables[i].id == id)
			return h.tables[i];
	abort();
}
