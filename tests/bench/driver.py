# SPDX-License-Identifier: MIT
"""driver.py: runs benchmarks under variants in turns, and writes every run to a CSV file at once.

Within a round the benchmarks come in random order, and within each benchmark the variants do, so that whatever else the
machine does hits all alike.  A round that would begin after the budget is left out; nothing that has run is lost.
"""
import csv
import os
import random
import shutil
import subprocess
import sys
import time

from measure import Result, clean_env
from service import Failed

FIELDS = ("round", "group", "bench", "variant", "ok", "cpu_s", "wall_s", "peak_kib", "end_kib", "ops", "rate", "viewer_s", "note")
# A variant that failed so often in a benchmark is not asked again.
TRIES = 2


class Micro:
	"""A mode of the program bench-micro, which measures itself."""
	group = "micro"

	def __init__(self, program, line, scale):
		self.mode, count, self.threads, *what = line.split(None, 3)
		self.program, self.name, self.what = program, self.mode, "".join(what)
		self.count = max(1, int(int(count) * scale))

	def missing(self):
		return []

	def run(self, context, variant):
		argv = [*variant.prefix, self.program, self.mode, str(self.count), self.threads]
		p = subprocess.run(argv, env=clean_env(variant.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, text=True, errors="replace", check=False, timeout=180, cwd=context.place.dir)
		if p.returncode != 0 or "heapspy:" in p.stderr:
			raise Failed(f"status {p.returncode}: {' '.join(argv)}\n{p.stderr[-2000:]}")
		_, cpu, wall, peak, end, ops = map(float, p.stdout.split()[-6:])
		return Result(cpu, wall, peak, end, ops)


def micros(program, scale):
	"""All modes that the program knows."""
	out = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True, env=clean_env({})).stdout
	return [Micro(program, line, scale) for line in out.splitlines() if line.strip()]


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
		self.csv.writerow([turn, bench.group, bench.name, variant.name, int(result is not None), f"{r.cpu:.6f}", f"{r.wall:.6f}",
			f"{r.peak:.0f}", f"{r.end:.0f}", f"{r.ops:.0f}", f"{r.rate:.1f}", f"{r.viewer:.4f}", " ".join(note.split())[:300]])
		self.file.flush()


class Schedule:
	"""Rounds of benchmarks of variants, until the rounds or the time are over."""

	def __init__(self, context, benches, variants, raw, rounds, minutes, seed):
		self.context, self.benches, self.variants, self.raw = context, benches, variants, raw
		self.rounds, self.minutes = rounds, minutes
		self.random = random.Random(seed)
		self.failures = {}
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
		return f"{variant.name} {result.cpu:.2f}"

	def left(self, turn, done):
		"""Estimated seconds to the end."""
		if not self.took:
			return 0
		mean = sum(self.took.values()) / len(self.took)
		whole = sum(self.took.get(b.name, mean) for b in self.benches)
		rest = sum(self.took.get(b.name, mean) for b in self.benches if b.name not in done)
		rest += whole * (self.rounds - turn)
		if self.minutes:
			rest = min(rest, max(0.0, self.minutes * 60 - (time.monotonic() - self.start)))
		return rest

	def over(self, bench):
		"""True when the benchmark would not end within the budget (the first round is always whole)."""
		if not self.minutes or bench.name not in self.took:
			return False
		return time.monotonic() - self.start + self.took[bench.name] > self.minutes * 60

	def run(self):
		"""All of it: {benchmark: rounds}."""
		had = {b.name: 0 for b in self.benches}
		for turn in range(1, self.rounds + 1):
			order = self.random.sample(self.benches, len(self.benches))
			done = set()
			for bench in order:
				if self.over(bench):
					continue
				start = time.monotonic()
				variants = [v for v in self.variants if not v.only or bench.name in v.only or bench.group in v.only]
				said = {v.name: self.one(turn, bench, v) for v in self.random.sample(variants, len(variants))}
				self.took[bench.name] = time.monotonic() - start
				had[bench.name] += 1
				done.add(bench.name)
				print(f"{turn}/{self.rounds} {bench.name:12} {' '.join(said[v.name] for v in variants)}"
					f"  [{self.took[bench.name]:.0f} s, rest {self.left(turn, done) / 60:.1f} min]", file=sys.stderr)
		return had


def copies(context, library, programs):
	"""Copies of our library and of programs into the temporary place, with their paths: {name: path}."""
	found = {}
	for name, path in {"library": library, **programs}.items():
		if path and os.access(path, os.R_OK):
			found[name] = shutil.copy(path, context.place.path(os.path.basename(path)))
			os.chmod(found[name], 0o755)
	return found
