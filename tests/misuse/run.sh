#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh PROGRAM 'WORDS'
# PROGRAM commits one abuse and prints the pointer that the library must name.  Checked: death by SIGABRT with
# exactly one line `heapspy: fatal: ...` that holds WORDS (an extended regular expression) and the pointer; and
# with on_corruption:warn the same line without "fatal" being the end: the program goes on and exits with 0.
set -u
program=$1 words=$2
[ -r "${HEAPSPY_LIB:?}" ] || { echo "no library $HEAPSPY_LIB"; exit 99; }
tmp=$(mktemp -d /tmp/heapspy-misuse.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0
ulimit -c 0

# In the background: a shell reports the death of what it waits for in the foreground, on the same stderr.
run() {
	timeout -k 5 60 env HEAPSPY_CONF="dir:$tmp${1:+,$1}" LD_PRELOAD="$HEAPSPY_LIB" "$program" >"$tmp/out" 2>"$tmp/err" &
	wait $! 2>/dev/null
	rc=$?
}

lines() {
	n=$(wc -l <"$tmp/err")
	pointer=$(sed -n 's/^pointer //p' "$tmp/out")
	if [ "$n" -ne 1 ] || ! grep -Eq "$1.*($words)" "$tmp/err" || ! grep -q "$pointer" "$tmp/err"; then
		echo "$2: expected one line '$1... $words ... $pointer', got $n:"; head -5 "$tmp/err"
		bad=1
	else
		cat "$tmp/err"
	fi
}

for conf in "" sample:1 sample:0; do
	run "$conf"
	# timeout passes the signal on as a status of 128 + 6.
	[ $rc -eq 134 ] || { echo "conf '$conf': status $rc, not by SIGABRT"; bad=1; }
	lines '^heapspy: fatal: ' "conf '$conf'"
	grep -q '^after' "$tmp/out" && { echo "conf '$conf': it went on"; bad=1; }
done
run on_corruption:warn
[ $rc -eq 0 ] || { echo "on_corruption:warn: status $rc"; bad=1; }
grep -q '^after' "$tmp/out" || { echo "on_corruption:warn: it did not go on"; bad=1; }
lines '^heapspy: ' on_corruption:warn
exit $bad
