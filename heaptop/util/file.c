/* SPDX-License-Identifier: MIT */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/mem.h"

int ht_read_file(const char *path, size_t most, char **ret, size_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t room = 4096, n = 0;
	char *buf;

	if (fd < 0)
		return -errno;
	buf = ht_xmalloc(room + 1);
	while (n < most) {
		if (n == room) {
			room *= 2;
			buf = ht_xrealloc(buf, room + 1, 1);
		}
		size_t want = room - n < most - n ? room - n : most - n;
		ssize_t r = read(fd, buf + n, want);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			int e = errno;

			free(buf);
			close(fd);
			return -e;
		}
		if (r == 0)
			break;
		n += (size_t)r;
	}
	close(fd);
	buf[n] = '\0';
	*ret = buf;
	if (ret_bytes)
		*ret_bytes = n;
	return 0;
}

int64_t ht_pread_full(int fd, void *buf, size_t bytes, uint64_t offset)
{
	size_t n = 0;

	while (n < bytes) {
		ssize_t r = pread(fd, (char *)buf + n, bytes - n, (off_t)(offset + n));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (int64_t)n;
}
