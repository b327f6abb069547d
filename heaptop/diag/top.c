/* SPDX-License-Identifier: MIT */
#include "diag/top.h"

size_t ht_top(const void *rows, size_t n, size_t row_bytes, ht_key_fn *key, const void *ret[HT_TOP])
{
	double keys[HT_TOP];
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const void *row = (const char *)rows + i * row_bytes;
		double value = key(row);
		size_t at = found;

		if (!(value > 0))
			continue;
		while (at > 0 && keys[at - 1] < value)
			at--;
		if (at == HT_TOP)
			continue;
		if (found < HT_TOP)
			found++;
		for (size_t k = found - 1; k > at; k--) {
			keys[k] = keys[k - 1];
			ret[k] = ret[k - 1];
		}
		keys[at] = value;
		ret[at] = row;
	}
	return found;
}
