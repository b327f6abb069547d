#!/bin/sh
# SPDX-License-Identifier: MIT
# bad_conf.sh PROGRAM: each wrong option gives exactly one warning line that names it; right ones are silent.
set -u
program=$1
tmp=$(mktemp -d /tmp/heapspy-conf.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0
"$program" >"$tmp/want" || exit 99

run() {
	timeout 60 env HEAPSPY_CONF="$1" LD_PRELOAD="$HEAPSPY_LIB" "$program" >"$tmp/out" 2>"$tmp/err"
	rc=$?
	[ $rc -eq 0 ] && cmp -s "$tmp/out" "$tmp/want" || { echo "'$1': status $rc"; bad=1; }
}

# wrong CONF WORD: one line, starting with heapspy:, naming WORD
wrong() {
	run "$1"
	if [ "$(wc -l <"$tmp/err")" -ne 1 ] || ! grep -q "^heapspy: .*$2" "$tmp/err"; then
		echo "'$1' should give one line with '$2', gave:"; cat "$tmp/err"
		bad=1
	else
		cat "$tmp/err"
	fi
}

right() {
	run "$1"
	[ -s "$tmp/err" ] && { echo "'$1' should be silent, gave:"; cat "$tmp/err"; bad=1; }
	true
}

wrong bogus:1 bogus
wrong sample:abc sample
wrong sample: sample
wrong sample:5x sample
wrong sample:99999999999999999999999 sample
wrong arenas:many arenas
wrong arenas:-3 arenas
wrong decay_ms:soon decay_ms
wrong policy:fancy policy
wrong tcache:maybe tcache
wrong thp:sometimes thp
wrong helper:2x helper
wrong on_corruption:ignore-it on_corruption
wrong sample sample
wrong "arenas:2,$(printf '%0300d' 0):1,sample:1m" 0000
right ''
right sample:1m
right sample:0
right sample:1
right arenas:2,tcache:off,decay_ms:0
right tcache:on,decay_ms:-1,thp:never,helper:off,control:off,keep:off
right tcache:1,control:0,helper:on,thp:default,on_corruption:warn,hardening:0
right sample:2g
right sample:512K
right policy:default
exit $bad
