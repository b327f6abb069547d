#!/bin/sh
# SPDX-License-Identifier: MIT
# leftovers.sh PROGRAM: a normal exit removes the segment, keep:on keeps it, a kill leaves it; mode 0600 throughout.
set -u
program=$1
dir=$(mktemp -d /dev/shm/heapspy-left.XXXXXX) || exit 77
pid=
trap '[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
bad=0
say() { echo "$*"; bad=1; }

umask 0
HEAPSPY_CONF="dir:$dir" LD_PRELOAD="$HEAPSPY_LIB" "$program" quick >/dev/null || say "status $?"
[ -z "$(ls -A "$dir")" ] || say "normal exit left: $(ls -lA "$dir")"
HEAPSPY_CONF="dir:$dir,keep:on" LD_PRELOAD="$HEAPSPY_LIB" "$program" quick >/dev/null || say "status $?"
[ "$(ls -A "$dir" | wc -l)" -eq 1 ] || say "keep:on left: $(ls -lA "$dir")"
rm -f "$dir"/*
HEAPSPY_CONF="dir:$dir" LD_PRELOAD="$HEAPSPY_LIB" "$program" wait >/dev/null &
pid=$!
i=0
while [ -z "$(ls -A "$dir")" ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
file=$(ls -A "$dir")
start=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
[ "$file" = "heapspy-$pid-$start" ] || say "name is '$file', not heapspy-$pid-$start"
[ "$(stat -c '%a %h' "$dir/$file")" = "600 1" ] || say "mode and links: $(stat -c '%a %h' "$dir/$file")"
kill -9 $pid
wait $pid 2>/dev/null
[ "$(ls -A "$dir")" = "$file" ] || say "after kill -9: $(ls -lA "$dir")"
pid=
# What a killed process left may be reaped by the next one, or stay; it must not disturb it.
HEAPSPY_CONF="dir:$dir" LD_PRELOAD="$HEAPSPY_LIB" "$program" quick >/dev/null || say "status $?"
[ "$(ls -A "$dir" | wc -l)" -le 1 ] || say "then: $(ls -lA "$dir")"
exit $bad
