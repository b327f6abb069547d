#!/bin/bash
# SPDX-License-Identifier: MIT
# terminal.sh HEAPTOP MKSEG - the few things that need a real terminal: start, keys, resizes, what is left
# behind after quitting and after signals, and terminals that can do less.  Polls for text; never sleeps for it.
set -u
heaptop=$1
mkseg=$2
dir=$(mktemp -d)
. "$(dirname "$0")/tmux.sh"
trap 'tm kill-server 2>/dev/null; rm -rf "$dir"' EXIT
"$mkseg" fragmented "$dir/a.seg" || exit 1

case=keys
start 80x24 "env TERM=tmux-256color $heaptop --input $dir/a.seg"
wait_for 'WHERE RSS IS'
keys 3
wait_for 'Sites]'
keys j Enter
wait_for 'STACK of site'
keys Escape
wait_for 'IN USEv'
keys F1
wait_for 'KEYS, AND WORDS'
keys q
wait_for 'Sites]'
resize 30x5
wait_for 'Terminal too small: 30x5'
resize 120x40
wait_for 'Sites]'
resize 60x16
wait_for 'Sites]'
resize 40x10
wait_for 'Sites]'
keys 1
wait_for 'Overview]'
keys q
ended 0

case=vt100
# vt100 has no F6: its five characters must not act as keys (7 would open the threads)
start 80x24 "env TERM=vt100 $heaptop --input $dir/a.seg"
wait_for 'WHERE RSS IS'
keys 3
wait_for 'Sites]'
keys -l $'\033[17~'
keys /
wait_for 'Filter:'
keys Escape
wait_for 'o Sort'
keys q
ended 0

case=NO_COLOR
start 80x24 "env NO_COLOR=1 TERM=tmux-256color $heaptop --input $dir/a.seg"
wait_for 'WHERE RSS IS'
if tm capture-pane -e -p -t 0 | grep -qE $'\033\\[[0-9;]*3[0-7]m'; then
	fail "colours on the screen"
fi
keys q
ended 0

case=colour
start 80x24 "env TERM=tmux-256color $heaptop --input $dir/a.seg"
wait_for 'WHERE RSS IS'
if ! tm capture-pane -e -p -t 0 | grep -qE $'\033\\[[0-9;]*3[0-7]m'; then
	fail "no colours on the screen"
fi
keys F10
ended 0

case=C-locale
start 80x24 "env LC_ALL=C TERM=tmux-256color $heaptop --input $dir/a.seg"
wait_for 'WHERE RSS IS'
if tm capture-pane -p -t 0 | LC_ALL=C grep -q '[^ -~]'; then
	fail "more than ASCII on the screen"
fi
keys q
ended 0

case=dumb
start 80x24 "env TERM=dumb $heaptop --input $dir/a.seg"
wait_for "terminal 'dumb' cannot position the cursor"
ended 2

case=unknown
start 80x24 "env TERM=nosuchterminal $heaptop --input $dir/a.seg"
wait_for "terminal 'nosuchterminal' is unknown here"
ended 2

for signal in TERM INT HUP SEGV ABRT; do
	case=SIG$signal
	# the pane's shell has no job control: a small launcher records the pid and then becomes heaptop
	start 80x24 "env TERM=tmux-256color sh -c 'echo \$\$ >$dir/pid; exec $heaptop --input $dir/a.seg'"
	wait_for 'WHERE RSS IS'
	kill -"$signal" "$(cat "$dir/pid")"
	ended $((128 + $(kill -l "$signal")))
done

case=stop
start 80x24 "env TERM=tmux-256color bash --norc -i"
keys "PS1='ready> '" Enter
wait_for 'ready>'
keys "$heaptop --input $dir/a.seg" Enter
wait_for 'WHERE RSS IS'
keys C-z
wait_for 'Stopped'
keys fg Enter
wait_for 'WHERE RSS IS'
keys 3
wait_for 'Sites]'
keys q
wait_for 'ready>'
keys exit Enter
ended 0

echo "$passed terminal cases passed"
