#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scaling.py [OPTIONS]: what threads cost each other, counted instead of timed, so that two cores can tell of 512.

Two loads (scaling.c): `own` replaces a thread's own objects and wanders now and then, `cross` frees what others made.

1. Under the library as it is: acquisitions, contended acquisitions and waits of its locks, and the events that make threads
   meet, all read from the segment before and after the operations.  Running freely, on the cores that there are, a thread
   frees mostly what it made itself a moment ago; in lockstep, objects wander as they would with a core for each thread, and
   nothing can be contended.
2. In lockstep under a build that calls a simulation at each load and store (lines.c): how many cache lines would travel
   between cores if each thread had one of its own, which statements fetch them, and which statements had written them.
   Hot: another core used the line within the last round of turns, so that on real cores one would have waited.

Ticks are driven by time, and lockstep makes operations a hundred times slower: what the process-wide tick does is left out.
"""
import argparse
import collections
import glob
import os
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS = [2, 8, 64, 512]
LOADS = ["own", "cross"]
# segment.h: ids and rows of the tables that are read here
BINS, LOCKS, THREADS_TABLE, CLASSES_OF_THREADS, ARENAS = 4, 5, 6, 7, 3
LOCK_KINDS = {1: "bin", 2: "arena"}	# the sampler's have no rows of their own
# Lines fetched for one operation by each of 8 cores, at most; two runs differ by 1 %.
LIMITS = {"own": 4.8, "cross": 5.8}
LIMIT_CORES, LIMIT_OPS = 8, 80000
# Functions that run by the clock and not by operations.
BY_CLOCK = ("hs_heap_totals", "hs_history", "run_tick", "hs_mailbox", "hs_livetab_count")


def tables(path):
	"""{id: list of rows as bytes} of a segment."""
	with open(path, "rb") as f:
		header = f.read(4096)
		size, n_tables = struct.unpack_from("<II", header, 16)
		found = {}
		for i in range(n_tables):
			entry = struct.unpack_from("<IIQQQ", header, size - 32 * 32 + 32 * i)
			ident, row, offset, capacity, count = entry
			if ident in (BINS, LOCKS, THREADS_TABLE, CLASSES_OF_THREADS, ARENAS):
				f.seek(offset)
				text = f.read(row * min(count, capacity))
				found[ident] = [text[k:k + row] for k in range(0, len(text) - row + 1, row)]
	return found


def figures(path):
	"""Counter of everything that is counted from the beginning."""
	sums = collections.Counter()
	found = tables(path)
	for row in found[LOCKS]:
		kind, = struct.unpack_from("<I", row, 0)
		acquired, contended, wait = struct.unpack_from("<QQQ", row, 16)
		sums["acquired"] += acquired
		sums["contended"] += contended
		sums["wait_ns"] += wait
		sums["acquired " + LOCK_KINDS.get(kind, "other")] += acquired
	for row in found[BINS]:
		checkouts, returns, _, retired = struct.unpack_from("<QQQQ", row, 0)
		sums["checkouts"] += checkouts
		sums["returns"] += returns
		sums["retired"] += retired
	for row in found[ARENAS]:
		sums["made"] += struct.unpack_from("<Q", row, 64)[0]
	for row in found[THREADS_TABLE]:
		sums["slow"] += struct.unpack_from("<Q", row, 56)[0]
		sums["remote"] += struct.unpack_from("<Q", row, 64)[0]
	return sums


def start(program, lib, folder, words, helper):
	env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "HEAPSPY_CONF")}
	env.update({"LD_PRELOAD": lib, "HEAPSPY_CONF": f"dir:{folder},helper:{helper}"})
	return subprocess.Popen([program, *map(str, words)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def expect(process, word):
	line = process.stdout.readline().strip()
	if line != word:
		sys.exit(f"scaling: expected {word!r} from the program, got {line!r}")


def go_on(process):
	process.stdin.write("\n")
	process.stdin.flush()


def counted_run(program, lib, load, threads, ops, schedule):
	"""What the operations added to the figures of the segment."""
	with tempfile.TemporaryDirectory(prefix="heapspy-scaling.", dir="/dev/shm") as folder:
		with start(program, lib, folder, [load, threads, ops, schedule], "auto") as process:
			expect(process, "ready")
			path = glob.glob(f"{folder}/heapspy-{process.pid}-*")
			if not path:
				sys.exit("scaling: the library wrote no segment")
			before = figures(path[0])
			go_on(process)
			expect(process, "done")
			after = figures(path[0])
			go_on(process)
	after.subtract(before)
	return after


def build_simulation(folder, source):
	"""The library, instrumented, in `folder`; its path."""
	flags = ("-std=gnu11 -O2 -g -D_GNU_SOURCE -DHS_DEBUG=0 -fPIC -fvisibility=hidden -fno-builtin-malloc -fno-builtin-calloc "
		"-fno-builtin-realloc -fno-builtin-free -ftls-model=initial-exec -fsanitize=thread "
		"--param=tsan-instrument-func-entry-exit=0 -Wno-tsan").split()
	objects = []
	for layer in ("base", "os", "core", "prof", "stat", "shim"):
		for name in sorted(glob.glob(os.path.join(source, layer, "*.c"))):
			objects.append(os.path.join(folder, layer + "_" + os.path.basename(name) + ".o"))
			subprocess.run(["gcc", *flags, "-I" + source, "-I" + source + "/../include", "-c", name, "-o", objects[-1]], check=True)
	lib = os.path.join(folder, "libheapspy-lines.so")
	# the run-time library must not be instrumented itself
	subprocess.run(["gcc", "-std=gnu11", "-O2", "-fPIC", "-shared", "-Wl,-z,now", "-Wl,-Bsymbolic", "-Wl,-z,initfirst", "-o", lib,
		os.path.join(HERE, "lines.c"), *objects, "-pthread"], check=True)
	return lib


def statements(lib, offsets):
	"""{offset: list of (function, file:line), the innermost inlined one first}."""
	# the address is that after the call
	addresses = "\n".join(hex(int(x, 16) - 1) for x in offsets if x != "0")
	out = subprocess.run(["addr2line", "-a", "-f", "-s", "-i", "-e", lib], input=addresses, stdout=subprocess.PIPE, text=True,
		check=True).stdout
	stacks, key, function = {"0": [("the program", "")]}, "", ""
	for line in out.splitlines():
		if line.startswith("0x"):
			key, function = hex(int(line, 16) + 1), ""
			stacks[key] = []
		elif not function:
			function = line
		else:
			stacks[key].append((function, line.split(" (")[0]))
			function = ""
	return stacks


def places(lib, report):
	"""{(fetched by, written by): Counter} of the statements that met; without what runs by the clock."""
	with open(report, encoding="ascii") as f:
		rows = [line.split() for line in f]
	stacks = statements(lib, sorted({x for row in rows for x in row[:2]}))
	found = collections.defaultdict(collections.Counter)
	for row in rows:
		if any(f.startswith(BY_CLOCK) for x in row[:2] for f, _ in stacks[x]):
			continue
		key = tuple(" ".join(stacks[x][0]).strip() for x in row[:2])
		found[key].update({"transfers": int(row[2]), "hot": int(row[3]), "slots": int(row[4])})
	return found


def lockstep_run(program, lib, folder, load, threads, ops):
	report = os.path.join(folder, "report")
	with start(program, lib, folder, [load, threads, ops, "lockstep", report], "off") as process:
		for word in ("ready", "done"):
			expect(process, word)
			go_on(process)
	if process.returncode != 0:
		sys.exit(f"scaling: the program ended with {process.returncode}")
	return places(lib, report)


def markdown(head, rows, n_texts):
	"""A table whose first columns are text."""
	print("| " + " | ".join(head) + " |")
	print("|" + "---|" * n_texts + "---:|" * (len(head) - n_texts))
	for row in rows:
		print("| " + " | ".join(map(str, row)) + " |", flush=True)


def locks_table(args):
	print(f"Read from the segment; {args.ops:,} operations (a malloc and a free each) running freely on {os.cpu_count()} cores, "
		f"{args.ops // 5:,} in lockstep; per million operations:\n")
	keys = ["acquired", "acquired bin", "acquired arena", "acquired other", "contended", "wait_ns", "slow", "remote", "checkouts",
		"returns", "made"]
	rows = []
	for load in LOADS:
		for schedule, ops in (("free", args.ops), ("lockstep", args.ops // 5)):
			for threads in args.threads:
				found = counted_run(args.program, args.lib, load, threads, ops, schedule)
				scale = 1e6 / (ops // threads * threads)
				rows.append([load, schedule, threads] +
					[f"{found[k] * scale / (1000 if k == 'wait_ns' else 1):,.0f}" for k in keys])
	markdown(["load", "schedule", "threads", "locks taken", "bin", "arena", "other", "contended", "waited, us", "slow paths",
		"remote frees", "spans checked out", "spans given back", "spans made"], rows, 2)


def lines_tables(args):
	with tempfile.TemporaryDirectory(prefix="heapspy-scaling.", dir="/dev/shm") as folder:
		lib = build_simulation(folder, args.source)
		rows, where = [], {}
		ops = args.ops // 5
		for load in LOADS:
			for threads in args.threads:
				found = lockstep_run(args.program, lib, folder, load, threads, ops)
				sums = sum(found.values(), collections.Counter())
				scale = 1.0 / (ops // threads * threads)
				rows.append([load, threads] + [f"{sums[k] * scale:.3f}" for k in ("transfers", "slots", "hot")])
				where[load] = [[load, *key] + [f"{c[k] * scale:.3f}" for k in ("transfers", "hot")] for key, c in
					sorted(found.items(), key=lambda item: -item[1]["transfers"])[:args.top]]
	print(f"\nIn lockstep, a core for each thread, {ops:,} operations; lines fetched from other cores for one operation:\n")
	markdown(["load", "threads", "lines", "of them the objects' own", "hot"], rows, 1)
	print(f"\nWhere, with {args.threads[-1]} threads:")
	for load in LOADS:
		print()
		markdown(["load", "fetched by", "written by", "lines", "hot"], where[load], 3)


def check(program, source):
	"""Holds the simulation against LIMITS; returns the exit status, 77 without tools."""
	status = 0
	if not shutil.which("gcc") or not shutil.which("addr2line"):
		print("skipped: gcc and addr2line make and read the simulation")
		return 77
	with tempfile.TemporaryDirectory(prefix="heapspy-scaling.", dir="/dev/shm") as folder:
		lib = build_simulation(folder, source)
		for load, limit in LIMITS.items():
			found = sum(lockstep_run(program, lib, folder, load, LIMIT_CORES, LIMIT_OPS).values(), collections.Counter())
			lines = found["transfers"] / LIMIT_OPS
			good = 0 < lines <= limit
			print(f"{load}, {LIMIT_CORES} cores: {lines:.2f} lines fetched for an operation, the limit in scaling.py is {limit}"
				+ ("" if good else ": exceeded" if lines else ": the simulation counted nothing"))
			status |= not good
	return status


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--check", metavar="PROGRAM", help="hold this tree's sources against the limits, with PROGRAM as the load")
	parser.add_argument("--build", default="build-release", help="build folder with library and program (%(default)s)")
	parser.add_argument("--lib", help="our library, instead of the build folder's")
	parser.add_argument("--source", default=os.path.join(HERE, "..", "..", "libheapspy"), help="what is simulated (this tree)")
	parser.add_argument("--no-locks", action="store_true", help="only the simulation")
	parser.add_argument("--ops", type=int, default=2000000, help="operations; a fifth of it in lockstep (%(default)s)")
	parser.add_argument("--threads", default=",".join(map(str, THREADS)), help="numbers of threads, by comma (%(default)s)")
	parser.add_argument("--top", type=int, default=12, help="statements shown (%(default)s)")
	parser.add_argument("--no-lines", action="store_true", help="only what the segment tells")
	args = parser.parse_args()
	if args.check:
		sys.exit(check(args.check, args.source))
	args.threads = [int(n) for n in args.threads.split(",")]
	args.lib = os.path.abspath(args.lib or os.path.join(args.build, "libheapspy", "libheapspy.so"))
	args.program = os.path.join(args.build, "tests", "bench", "bench-scaling")
	for path in (args.lib, args.program):
		if not os.access(path, os.R_OK):
			sys.exit(f"scaling: {path} is missing; build it or name --build")
	sys.path.insert(0, HERE)
	import allocators
	print("# Scaling, counted\n\n" + "\n".join(f"* {k}: {v}" for k, v in allocators.machine() if k not in ("packages", "thp")))
	print(f"* method: {os.path.basename(__file__)}; its head says what is counted\n")
	if not args.no_locks:
		locks_table(args)
	if not args.no_lines:
		lines_tables(args)


if __name__ == "__main__":
	main()
