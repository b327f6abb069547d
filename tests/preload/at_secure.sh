#!/bin/sh
# SPDX-License-Identifier: MIT
# at_secure.sh PROGRAM: a set-uid program that is linked with the library must ignore HEAPSPY_CONF.
# PROGRAM prints AT_SECURE and has the library as a direct dependency.
set -u
[ "$(id -u)" -eq 0 ] || { echo "needs root"; exit 77; }
tmp=$(mktemp -d /tmp/heapspy-secure.XXXXXX) || exit 99
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cp "$1" "$tmp/program" && chown nobody "$tmp/program" && chmod 4755 "$tmp/program" || exit 99
mkdir "$tmp/dir" && chmod 777 "$tmp/dir"
out=$(HEAPSPY_CONF="bogus:1,dir:$tmp/dir,keep:on" timeout 60 "$tmp/program" 2>"$tmp/err")
rc=$?
case $out in
*"secure 1"*) ;;
*)
	echo "cannot run it in secure mode (mounted nosuid, or the library is not readable for nobody): $out"
	cat "$tmp/err"
	exit 77 ;;
esac
[ $rc -eq 0 ] || { echo "status $rc"; cat "$tmp/err"; exit 1; }
[ ! -s "$tmp/err" ] || { echo "it read HEAPSPY_CONF:"; cat "$tmp/err"; exit 1; }
[ -z "$(ls -A "$tmp/dir")" ] || { echo "it obeyed dir:"; ls -A "$tmp/dir"; exit 1; }
echo "$out"
