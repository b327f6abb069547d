#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh LIBRARY: exports, undefined symbols, dependencies and TLS model of the preload library.
set -u
lib=${1:?}
here=$(dirname "$0")
tmp=$(mktemp -d /tmp/heapspy-symbols.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
bad=0
[ -r "$lib" ] || { echo "no library $lib"; exit 99; }

# filter FILE: the patterns of an allow-list as one expression for grep -x
patterns() { grep -v '^#' "$1" | grep -v '^$'; }

nm -D --defined-only "$lib" | awk '{ print $3 }' | sed 's/@.*//' | sort -u >"$tmp/exports"
nm -D --undefined-only "$lib" | awk '{ print $2 }' | sed 's/@.*//' | sort -u >"$tmp/undefined"
patterns "$here/exports.allow" >"$tmp/allow"
patterns "$here/undefined.allow" >"$tmp/uallow"
sort "$here/exports.must" >"$tmp/must"

if grep -vxE -f "$tmp/allow" "$tmp/exports"; then echo "^ exported but not allowed"; bad=1; fi
comm -23 "$tmp/must" "$tmp/exports" >"$tmp/missing"
[ -s "$tmp/missing" ] && { cat "$tmp/missing"; echo "^ not exported"; bad=1; }
if grep -vxE -f "$tmp/uallow" "$tmp/undefined"; then echo "^ undefined but not in undefined.allow"; bad=1; fi
readelf -d "$lib" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' >"$tmp/needed"
if grep -vE '^(libc\.so\.6|ld-linux-.*\.so\..*)$' "$tmp/needed"; then echo "^ needed besides libc"; bad=1; fi
# Initial-exec TLS only: a call to __tls_get_addr would allocate.
grep -q '^__tls_get_addr$' "$tmp/undefined" && { echo "dynamic TLS is used"; bad=1; }
readelf -d "$lib" | grep -q TEXTREL && { echo "text relocations"; bad=1; }
readelf -lW "$lib" | grep -q 'GNU_STACK.*RWE' && { echo "executable stack"; bad=1; }
echo "$(wc -l <"$tmp/exports") exported, $(wc -l <"$tmp/undefined") undefined"
exit $bad
