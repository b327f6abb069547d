#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh DIR: every public header compiles alone as C11, C17, C++11... and C++17 without a warning, includes
# only <stdint.h>, and holds no type whose size depends on the compiler.
set -u
dir=${1:?}
bad=0
tmp=$(mktemp -d /tmp/heapspy-headers.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
compilers=
for c in gcc clang; do command -v $c >/dev/null && compilers="$compilers $c"; done
n=0
for header in "$dir"/heapspy/*.h; do
	name=heapspy/$(basename "$header")
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" >"$tmp/alone.c"
	cp "$tmp/alone.c" "$tmp/alone.cc"
	for c in $compilers; do
		for std in c11 c17; do
			$c -std=$std -I"$dir" -Wall -Wextra -Wpedantic -Wpadded -Werror -fsyntax-only "$tmp/alone.c" ||
				{ echo "$name does not compile alone: $c -std=$std"; bad=1; }
		done
		for std in c++11 c++17; do
			$c -x c++ -std=$std -I"$dir" -Wall -Wextra -Wpedantic -Wpadded -Werror -fsyntax-only "$tmp/alone.cc" ||
				{ echo "$name does not compile alone: $c -std=$std"; bad=1; }
		done
		n=$((n + 4))
	done
done
segment=$dir/heapspy/segment.h
[ "$(grep -c '^#include' "$segment")" -eq 1 ] && grep -q '^#include <stdint.h>' "$segment" ||
	{ echo "segment.h includes more than <stdint.h>"; bad=1; }
# Comments stripped: no pointers, bool, enums, bit fields, or types of varying width in the rows.
sed 's,/\*.*\*/,,; /\/\*/,/\*\//d' "$segment" |
	grep -nE '\b(bool|_Bool|enum|size_t|long|int|short|float|double|time_t)\b|[a-z_]+ \*|: *[0-9]+;' &&
	{ echo "segment.h holds a type that is not of fixed width (lines above)"; bad=1; }
[ $n -gt 0 ] || { echo "no compiler or no header"; bad=1; }
echo "$n compilations"
exit $bad
