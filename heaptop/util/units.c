/* SPDX-License-Identifier: MIT */
#include "util/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three significant figures or more with one letter; `base` is the step between letters. */
static char *scaled(char buf[HT_UNIT_ROOM], double v, double base)
{
	static const char letters[] = " KMGTPE";
	const char *sign = v < 0 ? "-" : "";
	double a = fabs(v);
	unsigned i = 0;

	if (!isfinite(v)) {
		snprintf(buf, HT_UNIT_ROOM, "-");
		return buf;
	}
	/* 999.95 would be printed as 1000.0 */
	while (a >= (i ? base - 0.05 : base - 0.5) && letters[i + 1]) {
		a /= base;
		i++;
	}
	if (i == 0)
		snprintf(buf, HT_UNIT_ROOM, "%s%.0f", sign, a);
	else if (letters[i] == 'G' && a < 9.995)
		snprintf(buf, HT_UNIT_ROOM, "%s%.2f%c", sign, a, letters[i]);
	else
		snprintf(buf, HT_UNIT_ROOM, "%s%.1f%c", sign, a, letters[i]);
	return buf;
}

char *ht_fmt_bytes(char buf[HT_UNIT_ROOM], double bytes)
{
	return scaled(buf, bytes, 1024);
}

char *ht_fmt_count(char buf[HT_UNIT_ROOM], double n)
{
	return scaled(buf, n, 1000);
}

char *ht_fmt_rate(char buf[HT_UNIT_ROOM], double bytes_per_s)
{
	scaled(buf, bytes_per_s, 1024);
	if (isfinite(bytes_per_s))
		strcat(buf, "/s");
	return buf;
}

char *ht_fmt_percent(char buf[HT_UNIT_ROOM], double ratio)
{
	if (!isfinite(ratio))
		snprintf(buf, HT_UNIT_ROOM, "-");
	else
		snprintf(buf, HT_UNIT_ROOM, "%.1f", ratio * 100 + 0.0);
	return buf;
}

char *ht_fmt_ns(char buf[HT_UNIT_ROOM], double ns)
{
	static const struct {
		double ns;
		const char *unit;
		unsigned sub; /* of the smaller unit in this one */
		const char *sub_unit;
	} big[] = {
		{ 86400e9, "d", 24, "h" },
		{ 3600e9, "h", 60, "m" },
		{ 60e9, "m", 60, "s" },
	};
	if (!isfinite(ns)) {
		snprintf(buf, HT_UNIT_ROOM, "-");
		return buf;
	}
	if (ns < 0)
		ns = 0;
	for (unsigned i = 0; i < sizeof(big) / sizeof(big[0]); i++) {
		if (ns < big[i].ns)
			continue;
		double n = floor(ns / big[i].ns);
		unsigned sub = (unsigned)((ns - n * big[i].ns) / big[i].ns * big[i].sub);

		if (sub && n < 100)
			snprintf(buf, HT_UNIT_ROOM, "%.0f%s%u%s", n, big[i].unit, sub, big[i].sub_unit);
		else
			snprintf(buf, HT_UNIT_ROOM, "%.0f%s", n, big[i].unit);
		return buf;
	}
	if (ns >= 10e9)
		snprintf(buf, HT_UNIT_ROOM, "%.0fs", floor(ns / 1e9));
	else if (ns >= 1e9)
		snprintf(buf, HT_UNIT_ROOM, "%.1fs", floor(ns / 1e8) / 10);
	else if (ns >= 1e6)
		snprintf(buf, HT_UNIT_ROOM, "%.1fms", floor(ns / 1e5) / 10);
	else if (ns >= 1e3)
		snprintf(buf, HT_UNIT_ROOM, "%.1fus", floor(ns / 1e2) / 10);
	else
		snprintf(buf, HT_UNIT_ROOM, "%.0fns", ns);
	return buf;
}

char *ht_fmt_time(char buf[HT_UNIT_ROOM], uint64_t realtime_ns, bool utc)
{
	time_t t = (time_t)(realtime_ns / 1000000000u);
	struct tm tm;

	if (!(utc ? gmtime_r(&t, &tm) : localtime_r(&t, &tm)) || !strftime(buf, HT_UNIT_ROOM, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, HT_UNIT_ROOM, "-");
	return buf;
}

bool ht_parse_bytes(const char *s, uint64_t *ret)
{
	char *end;
	double scale = 1;

	if (!isdigit((unsigned char)s[0]))
		return false;
	double v = strtod(s, &end);
	switch (tolower((unsigned char)*end)) {
	case 'g':
		scale *= 1024; /* fall through */
	case 'm':
		scale *= 1024; /* fall through */
	case 'k':
		scale *= 1024;
		end++;
		break;
	case '\0':
		break;
	default:
		return false;
	}
	if (*end || !isfinite(v) || v * scale > 9e18)
		return false;
	*ret = (uint64_t)(v * scale);
	return true;
}

bool ht_parse_seconds(const char *s, double least, double *ret)
{
	char *end;

	if (!isdigit((unsigned char)s[0]) && s[0] != '.')
		return false;
	double v = strtod(s, &end);
	if (*end || end == s || !isfinite(v) || v < least || v > 86400.0 * 365)
		return false;
	*ret = v;
	return true;
}

bool ht_parse_u64(const char *s, uint64_t most, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return false;
	errno = 0;
	unsigned long long v = strtoull(s, &end, 10);
	if (errno || *end || v > most)
		return false;
	*ret = v;
	return true;
}
