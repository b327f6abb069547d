#!/bin/sh
# SPDX-License-Identifier: MIT
# compare.sh [-k] [-s] [-w] [-c CONF] PROGRAM [ARG...]
# Runs PROGRAM without and with the library and compares stdout, stderr and exit status.
#   -k  leftover segments are allowed (the program ends by a signal or by _exit)
#   -s  stderr may differ (the program prints addresses or figures there)
#   -w  one warning that there is no segment is all right (the program takes away what one needs)
#   -c  more options for HEAPSPY_CONF
# HEAPSPY_LIB names the library; HEAPSPY_TEST_SECONDS bounds each run (default 60).
set -u
keep=no same_err=yes warn=no conf=
while getopts kswc: o; do
	case $o in
	k) keep=yes ;;
	s) same_err=no ;;
	w) warn=yes ;;
	c) conf=,$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -r "${HEAPSPY_LIB:?}" ] || { echo "no library $HEAPSPY_LIB"; exit 99; }
seconds=${HEAPSPY_TEST_SECONDS:-60}
tmp=$(mktemp -d /tmp/heapspy-compare.XXXXXX) || exit 99
seg=$(mktemp -d /dev/shm/heapspy-compare.XXXXXX 2>/dev/null) || { seg=$tmp/seg; mkdir "$seg"; }
chmod 755 "$tmp" "$seg"
trap 'rm -rf "$tmp" "$seg"' EXIT

unset LD_PRELOAD HEAPSPY_CONF
# In the background: a shell reports the death of what it waits for in the foreground, on the same stderr.
timeout -k 5 "$seconds" "$@" >"$tmp/out.plain" 2>"$tmp/err.plain" &
wait $! 2>/dev/null
plain=$?
# env, not the timeout: the limit itself must not run under the library.
timeout -k 5 "$seconds" env HEAPSPY_CONF="dir:$seg$conf" LD_PRELOAD="$HEAPSPY_LIB" "$@" \
	>"$tmp/out.spy" 2>"$tmp/err.spy" &
wait $! 2>/dev/null
spy=$?

if [ $warn = yes ] && [ "$(grep -c '^heapspy: warning: no segment' "$tmp/err.spy")" -eq 1 ]; then
	sed -i '/^heapspy: warning: no segment/d' "$tmp/err.spy"
fi
[ $plain -eq 77 ] && [ $spy -eq 77 ] && { cat "$tmp/out.plain"; exit 77; }
bad=0
if [ $plain -ne 0 ]; then
	echo "without the library: status $plain"; cat "$tmp/err.plain"; bad=1
fi
if [ $spy -ne $plain ]; then
	echo "with the library: status $spy instead of $plain"; bad=1
fi
cmp -s "$tmp/out.plain" "$tmp/out.spy" || {
	echo "stdout differs (- without, + with):"; diff -u "$tmp/out.plain" "$tmp/out.spy" | head -40; bad=1
}
if [ $same_err = yes ] && ! cmp -s "$tmp/err.plain" "$tmp/err.spy"; then
	echo "stderr differs (- without, + with):"; diff -u "$tmp/err.plain" "$tmp/err.spy" | head -40; bad=1
elif [ $bad -ne 0 ]; then
	head -40 "$tmp/err.spy"
fi
if [ $keep = no ] && [ -n "$(ls -A "$seg")" ]; then
	echo "left behind: $(ls -A "$seg" | head -5 | tr '\n' ' ')($(ls -A "$seg" | wc -l) in all)"; bad=1
fi
[ $bad -eq 0 ] || echo "again: HEAPSPY_CONF=${conf#,} LD_PRELOAD=$HEAPSPY_LIB $*"
exit $bad
