/* SPDX-License-Identifier: MIT */
#include "seg/ident.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/file.h"

/* comm may hold spaces and parentheses: the fields start after the last one. */
static int parse_stat(const char *s, struct ht_ident *id)
{
	const char *open = strchr(s, '('), *close = strrchr(s, ')');
	unsigned long long ticks;

	if (!open || !close || close < open)
		return -EIO;
	size_t n = (size_t)(close - open - 1);
	if (n >= sizeof(id->comm))
		n = sizeof(id->comm) - 1;
	memcpy(id->comm, open + 1, n);
	id->comm[n] = '\0';
	if (sscanf(close + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &id->state, &ticks) != 2)
		return -EIO;
	id->start_ticks = ticks;
	return 0;
}

static void parse_status(const char *s, struct ht_ident *id)
{
	const char *line = strstr(s, "\nNSpid:");
	unsigned uid;

	id->ns_pid = id->pid;
	if (line) {
		char *end;

		/* one number a namespace, the innermost last */
		for (line += 7; *line && *line != '\n'; line = end) {
			long v = strtol(line, &end, 10);
			if (end == line)
				break;
			id->ns_pid = (pid_t)v;
			while (*end == '\t' || *end == ' ')
				end++;
		}
	}
	line = strstr(s, "\nUid:");
	if (line && sscanf(line, "\nUid: %*u %u", &uid) == 1)
		id->uid = uid;
}

int ht_ident_read(pid_t pid, struct ht_ident *ret)
{
	struct ht_ident id = { .pid = pid };
	char path[64], *buf;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = ht_read_file(path, 8192, &buf, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = parse_stat(buf, &id);
	free(buf);
	if (r < 0)
		return r;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = ht_read_file(path, 16384, &buf, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	parse_status(buf, &id);
	free(buf);
	*ret = id;
	return 0;
}

int ht_ident_boot(uint8_t ret[16])
{
	char *buf;
	unsigned n = 0;
	uint8_t id[16] = { 0 };
	int r = ht_read_file("/proc/sys/kernel/random/boot_id", 64, &buf, NULL);

	if (r < 0)
		return r;
	for (const char *p = buf; *p && n < 32; p++) {
		if (!isxdigit((unsigned char)*p))
			continue;
		unsigned digit = (unsigned)(isdigit((unsigned char)*p) ? *p - '0' : tolower(*p) - 'a' + 10);
		id[n / 2] = (uint8_t)(id[n / 2] << 4 | digit);
		n++;
	}
	free(buf);
	if (n != 32)
		return -EIO;
	memcpy(ret, id, sizeof(id));
	return 0;
}
