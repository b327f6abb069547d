# SPDX-License-Identifier: MIT
# tmux.sh - sourced by the tests that need a terminal: a tmux server for each case, polled for text.
# Wants: dir (scratch folder).  Every failure ends the test: what follows it would only time out.
command -v tmux >/dev/null || { echo "skip: no tmux"; exit 77; }
socket=heaptop-test-$$
n=0
passed=0
export LC_ALL=C.UTF-8
unset NO_COLOR TMUX
# curses keeps some memory to itself at the end; a sanitized build must not fail for that
export ASAN_OPTIONS=detect_leaks=0
tm() { tmux -L "$socket-$n" -f /dev/null "$@"; }

fail() {
	echo "FAIL: ${case:-?}: $1; the screen is:"
	tm capture-pane -p -t 0 | sed -e 's/^/    /' -e '/^ *$/d'
	exit 1
}

# wait_for TEXT: until the screen shows it; at most 6 s
wait_for() {
	local i
	for i in $(seq 300); do
		tm capture-pane -p -t 0 2>/dev/null | grep -qF -- "$1" && return 0
		sleep .02
	done
	fail "never saw '$1'"
}

# start COLSxROWS COMMAND: a server of its own (one that is just ending would take the session along), whose pane
# runs a command and then waits
start() {
	tm kill-server 2>/dev/null
	n=$((n + 1))
	tm new-session -d -x "${1%x*}" -y "${1#*x}" "stty -g >$dir/before; $2; echo RC=\$?; stty -g >$dir/after; echo BACK; exec cat"
	tm set -g status off
	tm resize-window -t 0 -x "${1%x*}" -y "${1#*x}"
}

# ended CODE: the shell is back, with that exit code, and the terminal is as it was
ended() {
	wait_for "RC=$1"
	wait_for BACK
	cmp -s "$dir/before" "$dir/after" || fail "the terminal's settings have changed"
	passed=$((passed + 1))
}

keys() { tm send-keys -t 0 "$@"; }
resize() { tm resize-window -t 0 -x "${1%x*}" -y "${1#*x}"; }
