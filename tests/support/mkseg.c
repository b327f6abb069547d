/* SPDX-License-Identifier: MIT */
/* mkseg SCENARIO OUT - writes the segment of a synthetic process. */
#include <stdio.h>
#include <string.h>

#include "synth.h"

int main(int argc, char **argv)
{
	struct synth s;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: mkseg healthy|fragmented|contended|leak|big OUT\n");
		return 2;
	}
	synth_init(&s);
	r = synth_scenario(&s, argv[1]);
	if (r == 0)
		r = synth_write(&s, argv[2]);
	synth_done(&s);
	if (r < 0) {
		fprintf(stderr, "mkseg: %s: %s\n", argv[2], strerror(-r));
		return 1;
	}
	return 0;
}
