# SPDX-License-Identifier: MIT
"""driver.py: runs benchmarks under variants in turns, and writes every run to a CSV file at once.

Within a round the benchmarks come in random order, and within each benchmark the variants do, so that whatever else the
machine does hits all alike.  A round that would begin after the budget is left out; nothing that has run is lost.
"""
import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from measure import Result, Viewer, clean_env
from service import Failed

FIELDS = ("round", "group", "bench", "variant", "ok", "cpu_s", "wall_s", "peak_kib", "end_kib", "ops", "rate",
	"viewer_s", "note")
# A variant that failed so often in a benchmark is not asked again.
TRIES = 2
# Modes that take so long that some rounds must do.
MOST = {"fragment": 3}
# Modes that wait, so many seconds: without waiting for the costs, and once more with it for what is left then.
WAITING = {"spike-rss": 15, "idle-threads": 3}


class Micro:
	"""A mode of the program bench-micro, which measures itself."""
	group = "micro"

	def __init__(self, program, line, scale):
		self.mode, count, self.threads, *what = line.split(None, 3)
		self.program, self.name, self.what = program, self.mode, "".join(what)
		self.count = max(1, int(int(count) * scale))
		self.most = MOST.get(self.mode, 0)
		self.wait = ["--wait", "0"] if self.mode in WAITING else []

	def missing(self):
		return []

	def run(self, context, variant):
		argv = [self.program, self.mode, str(self.count), self.threads, *self.wait]
		p = subprocess.Popen(argv, env=clean_env(variant.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, text=True, errors="replace", cwd=context.place.dir)
		try:
			with Viewer(context, p.pid) if variant.viewer else nullcontext() as viewer:
				out, said = p.communicate(timeout=240)
		finally:
			p.kill()
			p.wait()
		if p.returncode != 0 or "heapspy:" in said:
			raise Failed(f"status {p.returncode}: {' '.join(argv)}\n{said[-2000:]}")
		ns, _, wall, peak, end, ops = map(float, out.split()[-6:])
		return Result(ns * ops / 1e9, wall, peak, end, ops, viewer=viewer.cpu if viewer else 0)


class Waiting(Micro):
	"""What is left of the memory some seconds later: all allocators wait at the same time, and nothing else counts."""
	parallel = True

	def __init__(self, program, line, scale):
		super().__init__(program, line, scale)
		seconds = WAITING[self.mode]
		self.name, self.wait, self.most = f"{self.mode}-{seconds}s", ["--wait", str(seconds)], 3

	def run(self, context, variant):
		return Result(0, 0, 0, super().run(context, variant).end)


def micros(program, scale):
	"""All modes that the program knows."""
	out = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True, env=clean_env({})).stdout
	lines = [line for line in out.splitlines() if line.strip()]
	return [Micro(program, line, scale) for line in lines] + [Waiting(program, line, scale) for line in lines
		if line.split()[0] in WAITING]


def choose(benches, only):
	"""Those named, and those that are installed; the others are said on stderr."""
	if only:
		unknown = set(only) - {b.name for b in benches} - {b.group for b in benches}
		if unknown:
			sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(b.name for b in benches)}")
		benches = [b for b in benches if b.name in only or b.group in only]
	chosen = []
	for b in benches:
		lacking = b.missing()
		if lacking:
			print(f"{b.name}: left out, not installed: {', '.join(lacking)}", file=sys.stderr)
		else:
			chosen.append(b)
	return chosen


class Raw:
	"""The CSV of all runs."""

	def __init__(self, path, header):
		self.path = path
		self.file = open(path, "w", encoding="utf-8", newline="")
		for key, value in header:
			self.file.write(f"# {key}: {value}\n")
		self.csv = csv.writer(self.file)
		self.csv.writerow(FIELDS)
		self.file.flush()

	def add(self, turn, bench, variant, result, note=""):
		r = result or Result(0, 0, 0, ops=0)
		self.csv.writerow([turn, bench.group, bench.name, variant.name, int(result is not None), f"{r.cpu:.6f}",
			f"{r.wall:.6f}", f"{r.peak:.0f}", f"{r.end:.0f}", f"{r.ops:.0f}", f"{r.rate:.1f}", f"{r.viewer:.4f}",
			" ".join(note.split())[:300]])
		self.file.flush()


class Schedule:
	"""Rounds of benchmarks of variants, until the rounds or the time are over."""

	def __init__(self, context, benches, variants, raw, rounds, minutes, seed):
		self.context, self.benches, self.variants, self.raw = context, benches, variants, raw
		self.rounds, self.minutes = rounds, minutes
		self.random = random.Random(seed)
		self.failures, self.stopped = {}, False
		self.took = {}
		self.start = time.monotonic()

	def one(self, turn, bench, variant):
		"""One run; the text for the progress line."""
		key = bench.name, variant.name
		if self.failures.get(key, 0) >= TRIES:
			return f"{variant.name} -"
		try:
			result = bench.run(self.context, variant)
		except (Failed, OSError, ValueError, IndexError, subprocess.SubprocessError) as e:
			self.failures[key] = self.failures.get(key, 0) + 1
			text = f"{type(e).__name__}: {e}"
			print(f"\nFAILED: {bench.name} under {variant.name}, round {turn}\n{text}\n", file=sys.stderr)
			self.raw.add(turn, bench, variant, None, text)
			return f"{variant.name} FAILED"
		self.raw.add(turn, bench, variant, result)
		return f"{variant.name} {result.cpu:.2f}" if result.cpu else f"{variant.name} {result.end / 1024:.0f} MiB"

	def wanted(self, bench, turn):
		"""True when the benchmark has a run in that round."""
		return not getattr(bench, "most", 0) or turn <= bench.most

	def left(self, turn, done):
		"""Estimated seconds to the end."""
		mean = sum(self.took.values()) / len(self.took)
		rest = 0.0
		for bench in self.benches:
			turns = sum(self.wanted(bench, t) for t in range(turn, self.rounds + 1)) - (bench.name in done)
			rest += turns * self.took.get(bench.name, mean)
		if self.minutes:
			rest = min(rest, max(0.0, self.minutes * 60 - (time.monotonic() - self.start)))
		return rest

	def over(self, bench):
		"""True when the benchmark would not end within the budget (the first round is always whole)."""
		if not self.minutes or bench.name not in self.took:
			return False
		return time.monotonic() - self.start + self.took[bench.name] > self.minutes * 60

	def turn_of(self, turn, bench):
		"""All variants of a benchmark in random order; the line of the progress."""
		variants = [v for v in self.variants if (not v.only or bench.name in v.only or bench.group in v.only) and
			self.wanted(v, turn)]
		order = self.random.sample(variants, len(variants))
		if getattr(bench, "parallel", False):
			with ThreadPoolExecutor(len(order)) as pool:
				said = dict(zip((v.name for v in order), pool.map(lambda v: self.one(turn, bench, v), order)))
		else:
			said = {v.name: self.one(turn, bench, v) for v in order}
		return f"{turn}/{self.rounds} {bench.name:12} " + " ".join(said[v.name] for v in variants)

	def run(self):
		"""All of it, or what there was time for: {benchmark: rounds}."""
		had = {b.name: 0 for b in self.benches}
		try:
			for turn in range(1, self.rounds + 1):
				self.round(turn, had)
		except KeyboardInterrupt:
			self.stopped = True
			print("\nstopped; the tables are of what has run", file=sys.stderr)
		print("rounds: " + ", ".join(f"{name} {n}" for name, n in had.items()), file=sys.stderr)
		failed = ", ".join(f"{b} under {v} ({n})" for (b, v), n in self.failures.items())
		if failed:
			print(f"{sum(self.failures.values())} runs FAILED: {failed}", file=sys.stderr)
		return had

	def round(self, turn, had):
		order = [b for b in self.random.sample(self.benches, len(self.benches)) if self.wanted(b, turn)]
		done = set()
		for bench in order:
			if self.over(bench):
				continue
			start = time.monotonic()
			line = self.turn_of(turn, bench)
			self.took[bench.name] = time.monotonic() - start
			had[bench.name] += 1
			done.add(bench.name)
			print(f"{line}  [{self.took[bench.name]:.0f} s, rest {self.left(turn, done) / 60:.1f} min]",
				file=sys.stderr)


def stoppable():
	"""A polite kill ends a run as Ctrl-C does: servers are stopped, folders removed, tables made of what has run."""
	def stop(*_):
		raise KeyboardInterrupt
	signal.signal(signal.SIGTERM, stop)
	if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:	# nohup means it
		signal.signal(signal.SIGHUP, stop)


def copies(context, library, programs):
	"""Copies of our library and of programs into the temporary place, with their paths: {name: path}."""
	found = {}
	for name, path in {"library": library, **programs}.items():
		if path and os.access(path, os.R_OK):
			found[name] = shutil.copy(path, context.place.path(os.path.basename(path)))
			os.chmod(found[name], 0o755)
	return found
