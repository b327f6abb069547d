#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py [--rounds N] [--no-instructions] [--conf CONF] [MODE...]: malloc's cost under each allocator, side by side.

All allocators take turns within a round, so that a busy machine hits all alike; medians over the rounds, ratios to the
best of the peers.  Instructions come from `valgrind --tool=cachegrind` as a difference of two runs, so that start-up
does not count.  HEAPSPY_LIB names our library, BENCH_PAIR the program.
"""
import argparse
import glob
import os
import re
import shutil
import statistics
import subprocess
import sys

COUNTS = {"pair": 20000000, "replace": 8000000, "batch": 15000000, "overflow": 4000000, "doubling": 8000000,
	"large": 6000, "prodcons": 6000000}
LIBDIRS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
PEERS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2*"}


def allocators(conf):
	"""name: environment, in the order of the columns; those that are not installed are left out."""
	found = {"glibc": {}}
	for name, pattern in PEERS.items():
		for folder in LIBDIRS:
			paths = sorted(glob.glob(os.path.join(folder, pattern)))
			if paths:
				found[name] = {"LD_PRELOAD": paths[0]}
				break
	ours = os.environ.get("HEAPSPY_LIB", "build/libheapspy/libheapspy.so")
	if os.access(ours, os.R_OK):
		found["heapspy"] = {"LD_PRELOAD": os.path.abspath(ours), "HEAPSPY_CONF": conf}
		found["no samples"] = {"LD_PRELOAD": os.path.abspath(ours), "HEAPSPY_CONF": ",".join(filter(None, [conf, "sample:0"]))}
	return found


def clean_env(extra):
	env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "HEAPSPY_CONF")}
	env.update(extra)
	return env


def instructions(program, mode, env, count):
	"""Instructions of one operation, or None."""
	def refs(n):
		# valgrind must not be preloaded itself; it passes the variable on to the client
		argv = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, mode, str(n)]
		p = subprocess.run(argv, env=clean_env(env), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
			errors="replace", check=False, timeout=300)
		match = re.search(r"I\s+refs:\s+([\d,]+)", p.stderr)
		return int(match.group(1).replace(",", "")) if p.returncode == 0 and match else None
	few, many = refs(count), refs(3 * count)
	return None if few is None or many is None else (many - few) / (2 * count)


def table(title, rows, columns, form):
	print(f"\n{title}")
	print(f"{'':12}" + "".join(f"{c:>12}" for c in columns))
	for name, row in rows.items():
		print(f"{name:12}" + "".join(f"{form(row.get(c)):>12}" for c in columns))
		peers = [row[c] for c in columns if c not in ("heapspy", "no samples") and row.get(c)]
		if row.get("heapspy") and peers:
			print(f"{'':12}ours / glibc {row['heapspy'] / row['glibc']:.2f}, ours / best peer "
				f"{row['heapspy'] / min(peers):.2f}")


def main():
	parser = argparse.ArgumentParser()
	parser.add_argument("--rounds", type=int, default=5)
	parser.add_argument("--no-instructions", action="store_true")
	parser.add_argument("--conf", default="")
	parser.add_argument("modes", nargs="*")
	args = parser.parse_args()
	program = os.environ.get("BENCH_PAIR", "build/tests/bench/bench-pair")
	if not os.access(program, os.X_OK):
		sys.exit(f"no program {program}; set BENCH_PAIR")
	modes = args.modes or list(COUNTS)
	who = allocators(args.conf)
	ns = {m: {a: [] for a in who} for m in modes}
	rss = {m: {a: [] for a in who} for m in modes}
	for turn in range(args.rounds):
		for mode in modes:
			for name, env in who.items():
				p = subprocess.run([program, mode, str(COUNTS[mode])], env=clean_env(env), stdout=subprocess.PIPE,
					text=True, check=False, timeout=300)
				if p.returncode == 0:
					n, _, peak = p.stdout.split()
					ns[mode][name].append(float(n))
					rss[mode][name].append(float(peak))
		print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
	medians = {m: {a: statistics.median(v) for a, v in r.items() if v} for m, r in ns.items()}
	peaks = {m: {a: statistics.median(v) for a, v in r.items() if v} for m, r in rss.items()}
	show = lambda x: "-" if x is None else f"{x:.1f}"
	table(f"CPU ns per operation, median of {args.rounds}", medians, who, show)
	table("peak RSS, MiB", {m: {a: v / 1024 for a, v in r.items()} for m, r in peaks.items()}, who, show)
	if not args.no_instructions and shutil.which("valgrind"):
		counts = {"pair": 300000, "replace": 300000, "batch": 300000}
		rows = {m: {a: instructions(program, m, e, counts[m]) for a, e in who.items()} for m in modes if m in counts}
		table("instructions per operation (cachegrind)", rows, who, show)


main()
