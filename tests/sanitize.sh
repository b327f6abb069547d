#!/bin/sh
# SPDX-License-Identifier: MIT
# sanitize.sh - the unit tests of the library under AddressSanitizer with UBSan, and under ThreadSanitizer.
#
#   tests/sanitize.sh BUILD_ROOT [TEST...]
#
# Makes BUILD_ROOT/asan and BUILD_ROOT/tsan when they are missing (without the viewer, with all checks), builds only
# the unit tests, runs them, and prints what meson prints.  CC chooses the compiler.
# Exit status: 0 when both passed, 1 when a test failed, 2 when something could not be built.
set -u
[ $# -ge 1 ] || { echo "usage: $0 BUILD_ROOT [TEST...]" >&2; exit 2; }
source=$(cd "$(dirname "$0")/.." && pwd) || exit 2
mkdir -p "$1" || exit 2
root=$(cd "$1" && pwd) || exit 2
shift
unset LD_PRELOAD HEAPSPY_CONF CFLAGS LDFLAGS
jobs=$(nproc 2>/dev/null || echo 2)
status=0

quietly() {
	log=$(mktemp)
	"$@" >"$log" 2>&1 || { cat "$log"; rm -f "$log"; echo "sanitize: failed: $*" >&2; exit 2; }
	rm -f "$log"
}

for kind in asan:address,undefined tsan:thread; do
	dir=$root/${kind%%:*}
	[ -f "$dir/build.ninja" ] ||
		quietly meson setup "$dir" "$source" -Dheaptop=false -Ddebug_checks=full -Db_lundef=false \
			-Db_sanitize="${kind#*:}" --buildtype=debugoptimized
	quietly ninja -C "$dir" unit-tests
	echo "+ unit tests, ${kind#*:}"
	meson test -C "$dir" --no-rebuild --print-errorlogs --suite unit --num-processes "$jobs" --timeout-multiplier 3 \
		"$@" || status=1
done
exit $status
