#!/bin/bash
# SPDX-License-Identifier: MIT
# live.sh HEAPTOP LIBRARY GROW - the screen on a living process: found by the chooser, refreshed, paused, its working set
# measured, and its last state kept when it is killed.
set -u
heaptop=$1
library=$2
grow=$3
[ -r "$library" ] || { echo "skip: no $library"; exit 77; }
dir=$(mktemp -d)
. "$(dirname "$0")/tmux.sh"
target=
trap 'tm kill-server 2>/dev/null; [ -n "$target" ] && kill -9 "$target" 2>/dev/null; rm -rf "$dir"' EXIT

LD_PRELOAD=$library "$grow" &
target=$!
for i in $(seq 200); do
	ls /dev/shm/heapspy-"$target"-* >/dev/null 2>&1 && break
	sleep .02
done

case=chooser
start 80x24 "$heaptop"
wait_for 'Which process?'
wait_for " $target tui_grow"
keys q
ended 0

case=live
start 80x24 "$heaptop -p $target -d 0.25"
wait_for 'WHERE RSS IS'
wait_for "pid $target tui_grow"
# two frames with different figures: it refreshes
first=$(tm capture-pane -p -t 0 | grep -F 'objects')
for i in $(seq 300); do
	[ "$(tm capture-pane -p -t 0 | grep -F 'objects')" != "$first" ] && break
	sleep .02
done
[ "$i" -lt 300 ] || fail "the figures do not change"
keys p
wait_for PAUSED
keys p
keys 3
wait_for 'IN USEv'
wait_for 'grow_forever'
keys /
keys -l 'grow_f'
keys Enter
wait_for "filter 'grow_f'"
keys Escape
wait_for '/ Filter'
keys w
wait_for 'Measure now?'
keys y
wait_for 'measuring the working set'
keys Escape
wait_for 'cancelled'
keys 1
wait_for 'WHERE RSS IS'
kill -9 "$target"
wait "$target" 2>/dev/null
wait_for 'DEAD: last state'
keys 3
wait_for 'grow_forever'
keys w
wait_for 'on a live process only'
keys q
ended 0
rm -f /dev/shm/heapspy-"$target"-*
target=

echo "$passed live cases passed"
