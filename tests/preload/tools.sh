#!/bin/sh
# SPDX-License-Identifier: MIT
# tools.sh: everyday commands give the same output under the library, and a shell full of short ones leaves nothing.
set -u
tmp=$(mktemp -d /tmp/heapspy-tools.XXXXXX) || exit 99
seg=$(mktemp -d /dev/shm/heapspy-tools.XXXXXX) || exit 77
trap 'rm -rf "$tmp" "$seg"' EXIT
bad=0
export HEAPSPY_CONF="dir:$seg"
i=0
while [ $i -lt 20000 ]; do echo "line $((i * 7919 % 10007)) of $i"; i=$((i + 1)); done >"$tmp/text"

same() {
	timeout 60 sh -c "$1" >"$tmp/plain" 2>&1; a=$?
	LD_PRELOAD=$HEAPSPY_LIB timeout 60 sh -c "$1" >"$tmp/spy" 2>&1; b=$?
	if [ $a -ne $b ] || ! cmp -s "$tmp/plain" "$tmp/spy"; then
		echo "differs ($a, $b): $1"; diff "$tmp/plain" "$tmp/spy" | head -5; bad=1
	fi
}

cd "$tmp"
same "sort -n -k2 text | md5sum"
same "sort --parallel=4 -S 1M text | uniq -c | md5sum"
same "awk '{ n[\$2]++ } END { for (k in n) s += n[k] * k; print s }' text"
same "sed 's/line/row/; s/of/out of/' text | grep -c row"
same "perl -e 'my %h; while (<>) { my @f = split; push @{\$h{\$f[1]}}, \$f[3] } print scalar(keys %h), \"\\n\"' text"
same "tar cf - text | gzip -9 | gzip -d | tar tf -"
same "xz -T2 -c text | xz -dc | md5sum"
same "find /usr/share -maxdepth 2 | sort | md5sum"
same "bash -c 'for i in \$(seq 200); do /bin/true; done; echo done; a=(); for i in \$(seq 5000); do a+=(\$i); done; echo \${#a[@]}'"
same "ls -lR /etc | md5sum"
same "ldd /bin/sh >/dev/null; echo \$?"
same "env printf '%s\n' one two"
same "git --version >/dev/null 2>&1; echo \$?"
[ -z "$(ls -A "$seg")" ] || { echo "left behind: $(ls -A "$seg" | wc -l) segments"; bad=1; }
exit $bad
