#!/bin/sh
# SPDX-License-Identifier: MIT
# redis.sh [ROUNDS]: redis-benchmark as Debian ships redis (linked with jemalloc), under the peers and under our library, in
# turns; requests per second, CPU time, RSS, and ratios to the stock server.
set -u
rounds=${1:-3}
lib=${HEAPSPY_LIB:-build/libheapspy/libheapspy.so}
lib=$(readlink -f "$lib")
tmp=$(mktemp -d /tmp/heapspy-redis-bench.XXXXXX) || exit 1
server=
trap '[ -n "$server" ] && kill "$server" 2>/dev/null; rm -rf "$tmp"' EXIT

one() { # NAME PRELOAD CONF
	port=$(shuf -i 20000-32000 -n 1)
	env LD_PRELOAD="$2" HEAPSPY_CONF="$3" redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$tmp" \
		>"$tmp/log" 2>&1 &
	server=$!
	i=0
	until [ "$(redis-cli -p "$port" PING 2>/dev/null)" = PONG ] || [ $i -ge 50 ]; do sleep 0.1; i=$((i + 1)); done
	redis-benchmark -p "$port" -n 200000 -r 100000 -d 200 -t set,get,lpush,hset -P 16 --csv 2>/dev/null |
		tr -d '"' | awk -F, -v a="$1" '$1 != "test" { print a, $1, $2 }' >>"$tmp/results"
	cpu=$(awk '{ print ($14 + $15) * 10 }' "/proc/$server/stat")
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/$server/status")
	echo "$1 cpu-ms $cpu" >>"$tmp/results"
	echo "$1 rss-KiB $rss" >>"$tmp/results"
	redis-cli -p "$port" SHUTDOWN NOSAVE >/dev/null 2>&1
	wait "$server" 2>/dev/null
	server=
}

n=0
while [ $n -lt "$rounds" ]; do
	one stock "" ""
	for peer in jemalloc:libjemalloc.so.2 tcmalloc:libtcmalloc_minimal.so.4 mimalloc:libmimalloc.so.2; do
		file=$(ldconfig -p | awk -v f="${peer#*:}" '$1 == f { print $NF; exit }')
		[ -n "$file" ] && one "${peer%%:*}" "$file" ""
	done
	[ -r "$lib" ] && one heapspy "$lib" "" && one nosamples "$lib" sample:0
	n=$((n + 1))
done
awk '{ k = $1 " " $2; v[k, ++n[k]] = $3; what[$2] = 1; if (!seen[$1]++) who[++w] = $1 }
	function median(k,   i, j, t, m) {
		m = n[k]
		for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++)
			if (v[k, j] < v[k, i]) { t = v[k, i]; v[k, i] = v[k, j]; v[k, j] = t }
		return m ? v[k, int((m + 1) / 2)] : 0
	}
	END {
		printf "%-10s", ""; for (i = 1; i <= w; i++) printf "%12s", who[i]; print ""
		for (t in what) {
			printf "%-10s", t
			for (i = 1; i <= w; i++) printf "%12.0f", median(who[i] " " t)
			print ""
			base = median(who[1] " " t)
			printf "%-10s", "  ratio"
			for (i = 1; i <= w; i++) printf "%12.3f", base ? median(who[i] " " t) / base : 0
			print ""
		}
	}' "$tmp/results"
