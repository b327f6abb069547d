/* SPDX-License-Identifier: MIT */
#include "out/writer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static const struct ht_writer *const writers[] = {
	&ht_writer_table,
	&ht_writer_json,
	&ht_writer_csv,
	&ht_writer_openmetrics,
};

const struct ht_writer *ht_writer_find(const char *name)
{
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		if (strcmp(writers[i]->name, name) == 0)
			return writers[i];
	return NULL;
}

const char *ht_writer_names(void)
{
	return "table, json, csv or openmetrics";
}

int ht_writer_status(FILE *out)
{
	struct pollfd p = { .fd = fileno(out), .events = POLLOUT };

	if (fflush(out) == 0 && !ferror(out))
		return 0;
	/* the write that failed may lie far back, and errno with it: ask the pipe itself */
	return poll(&p, 1, 0) > 0 && p.revents & POLLERR ? -EPIPE : -EIO;
}
