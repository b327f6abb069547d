#!/bin/sh
# SPDX-License-Identifier: MIT
# hostile_dir.sh PROGRAM: the directory of the segment is full, read-only, missing, no directory, or has planted names.
# The program's output and status stay the same; at most one line of the library on stderr.
set -u
program=$1
tmp=$(mktemp -d /tmp/heapspy-dir.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0
if [ "${2-}" != inner ]; then
	if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
		unshare -m sh "$0" "$program" inner
		exit $?
	fi
	echo "mounts need root; only the plain cases run"
fi

# one NAME DIR: runs the program with `dir:DIR`
one() {
	timeout 60 env HEAPSPY_CONF="dir:$2" LD_PRELOAD="$HEAPSPY_LIB" "$program" >"$tmp/out" 2>"$tmp/err"
	rc=$?
	if [ $rc -ne 0 ] || ! cmp -s "$tmp/out" "$tmp/want" || [ "$(wc -l <"$tmp/err")" -gt 1 ] ||
		grep -qv '^heapspy: ' "$tmp/err"; then
		echo "$1: status $rc"; diff "$tmp/want" "$tmp/out"; head -5 "$tmp/err"
		bad=1
	else
		echo "$1: ok, $(wc -l <"$tmp/err") line"
	fi
}

"$program" >"$tmp/want" || exit 99
one 'no such directory' "$tmp/none"
: >"$tmp/file"
one 'not a directory' "$tmp/file"
one 'empty name' ''
one 'relative name' 'relative/none'
one 'a very long name' "$tmp/$(printf '%0400d' 0)"
one 'a device' /dev/null
if [ "${2-}" = inner ]; then
	mkdir "$tmp/full" "$tmp/ro" "$tmp/small"
	mount -t tmpfs -o size=64k none "$tmp/full" || exit 77
	dd if=/dev/zero of="$tmp/full/fill" bs=4k 2>/dev/null
	one 'full file system' "$tmp/full"
	[ "$(ls -A "$tmp/full")" = fill ] || { echo "full: left $(ls -A "$tmp/full")"; bad=1; }
	mount -t tmpfs -o size=128k none "$tmp/small"
	one '128 KiB file system' "$tmp/small"
	[ -z "$(ls -A "$tmp/small")" ] || { echo "small: left $(ls -A "$tmp/small")"; bad=1; }
	mount -t tmpfs -o ro none "$tmp/ro"
	one 'read-only file system' "$tmp/ro"
	mount --bind "$tmp/ro" /dev/shm
	timeout 60 env LD_PRELOAD="$HEAPSPY_LIB" "$program" >"$tmp/out" 2>"$tmp/err" &&
		cmp -s "$tmp/out" "$tmp/want" || { echo "read-only /dev/shm"; head -5 "$tmp/err"; bad=1; }
	umount /dev/shm
	mount --bind "$tmp/full" /dev/shm
	timeout 60 env LD_PRELOAD="$HEAPSPY_LIB" "$program" >"$tmp/out" 2>"$tmp/err" &&
		cmp -s "$tmp/out" "$tmp/want" || { echo "full /dev/shm"; head -5 "$tmp/err"; bad=1; }
	umount /dev/shm "$tmp/full" "$tmp/ro" "$tmp/small"
fi
exit $bad
