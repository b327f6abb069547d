#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""overhead.py [OPTIONS]: what looking costs: each thing switched alone, against the same allocator without it.

Ours: sampling at 512 KiB, every allocation sampled, a viewer at 1 Hz.  Peers: jemalloc's prof:true, gperftools' sampler and
heap profile, heaptrack.  Statistics cannot be switched off at run time; their cost is in the instruction counts.
"""
import argparse
import math
import os
import random
import statistics
import sys
import time
from collections import defaultdict

import allocators
import driver
import real
import table
from allocators import Variant
from measure import Context
from service import Place

HEAPTRACK = "/usr/lib/heaptrack/libheaptrack_preload.so"
# Recording everything takes so long, and is so far from 1, that some rounds must do (for HEAPPROFILE, at thirty times
# as long and more, one round of two programs).
FEW = 2
# What records everything does not serve: only programs that end.
PROGRAMS = ("python", "lua", "perl", "sqlite", "gs", "cc1plus", "node")
# benchmark: its size here; the viewer comes once a second, so a run must last some
SCALES = {"larson": 5.0}
# What each variant is compared with.
BASES = {
	"heapspy": "heapspy, no samples",
	"heapspy, viewer": "heapspy",
	"heapspy, sample:1": "heapspy, no samples",
	"jemalloc, prof:true": "jemalloc",
	"tcmalloc, sampler": "tcmalloc",
	"tcmalloc, HEAPPROFILE": "tcmalloc",
	"glibc, heaptrack": "glibc",
}


def ours(library, segments):
	"""Our library with each thing switched alone."""
	def one(name, conf="", **more):
		return allocators.ours(library, segments, name, conf, **more)
	return [
		one("heapspy, no samples", "sample:0"),
		one("heapspy"),
		one("heapspy, viewer", viewer=True),
		one("heapspy, sample:1", "sample:1", most=FEW, only=PROGRAMS),
	]


def theirs(folder):
	"""The peers with and without their own profilers; and what this machine does not have, as text."""
	found, lacking = [], []
	jemalloc, tcmalloc = allocators.library("libjemalloc.so.2"), allocators.library("libtcmalloc.so.4")
	if jemalloc:
		preload = {"LD_PRELOAD": jemalloc}
		found.append(Variant("jemalloc", preload))
		found.append(Variant("jemalloc, prof:true", {**preload, "MALLOC_CONF": "prof:true,lg_prof_sample:19"}))
	else:
		lacking.append("libjemalloc2 is not installed")
	if tcmalloc:
		preload = {"LD_PRELOAD": tcmalloc}
		found.append(Variant("tcmalloc", {**preload, "TCMALLOC_SAMPLE_PARAMETER": "0"}))
		found.append(Variant("tcmalloc, sampler", {**preload, "TCMALLOC_SAMPLE_PARAMETER": "524288"}))
		found.append(Variant("tcmalloc, HEAPPROFILE", {**preload, "TCMALLOC_SAMPLE_PARAMETER": "0",
			"HEAPPROFILE": folder + "/profile"}, most=1, only=("perl", "cc1plus")))
	else:
		lacking.append("libgoogle-perftools4 is not installed (tcmalloc-minimal has no sampler)")
	if os.path.exists(HEAPTRACK):
		found.append(Variant("glibc", only=PROGRAMS, most=FEW))
		found.append(Variant("glibc, heaptrack", {"LD_PRELOAD": HEAPTRACK, "DUMP_HEAPTRACK_OUTPUT": folder + "/heaptrack"},
			most=FEW, only=PROGRAMS))
	else:
		lacking.append("heaptrack is not installed")
	return found, lacking


class Ratios:
	"""CPU time over the base's of the same round: the machine's mood cancels out."""

	def __init__(self, runs):
		self.base = {name: base for name, base in BASES.items() if any(r["variant"] == name for r in runs)}
		cpu = defaultdict(dict)
		for r in runs:
			cpu[r["bench"], r["variant"]][r["round"]] = r["cpu_s"] / r["ops"]
		self.benches = sorted({r["bench"] for r in runs}, key=lambda b: (b == "larson", b))
		self.viewer = {b: [r["viewer_s"] / r["wall_s"] for r in runs if r["bench"] == b and r["viewer_s"]]
			for b in self.benches}
		self.of = defaultdict(dict)
		for bench in self.benches:
			for name, base in self.base.items():
				both = [cpu[bench, name][t] / cpu[bench, base][t] for t in cpu[bench, name] if cpu[bench, base].get(t)]
				if both:
					self.of[name][bench] = table.spread(both)

	def mean(self, name):
		"""Geometric mean over the real programs: (mean, how many)."""
		found = [x[3] for b, x in self.of[name].items() if b != "larson"]
		return (math.exp(statistics.fmean(map(math.log, found))), len(found)) if found else (None, 0)


def markdown(header, ratios, bad):
	names = "; ".join(f"{name} against {base}" for name, base in ratios.base.items())
	yield f"# What looking costs, {dict(header).get('date', '')}\n"
	yield from table.header_table(header)
	yield "CPU time of the process over that of the same allocator without, in the same round: median ± half the"
	yield "interquartile range. Statistics cannot be switched off at run time: they are in both, and in the instruction"
	yield "counts. `heapspy, viewer` is heaptop at 1 Hz over heapspy as by default; heaptop's own time is below.\n"
	body = []
	for bench in ratios.benches:
		cells = [ratios.of[name].get(bench) for name in ratios.base]
		body.append([bench, *("-" if c is None else f"{c[3]:.3f} ±{(c[4] - c[2]) / 2 * 100:.1f}%" for c in cells)])
	body.append(["**mean of the programs**", *(table.show(ratios.mean(name)[0], ".3f") for name in ratios.base)])
	yield from table.rows(["benchmark", *ratios.base], body)
	yield f"Bases: {names}.\n"
	yield "tcmalloc is libtcmalloc.so.4 with its sampler off as the base; HEAPPROFILE records every allocation, and so do"
	yield "sample:1 and heaptrack (its preloaded library, writing to memory; interpreting comes on top).\n"
	shares = [x for found in ratios.viewer.values() for x in found]
	if shares:
		yield (f"heaptop itself took {statistics.median(shares) * 100:.2f} % of a core (median of {len(shares)} runs), "
			"start included.\n")
	yield "## The figures to reach\n"
	body = []
	mean, storm = ratios.mean("heapspy")[0], ratios.of["heapspy"].get("larson")
	for what, most, value in (("sampling on / off, real programs, geometric mean", 1.01, mean),
			("sampling on / off, larson-like storm", 1.05, storm and storm[3]),
			("every allocation recorded (sample:1), real programs", 1.5, ratios.mean("heapspy, sample:1")[0]),
			("viewer attached at 1 Hz, real programs", 1.002, ratios.mean("heapspy, viewer")[0])):
		if value:
			body.append([what, f"{most:g}", f"{value:.3f}", "yes" if value <= most else "**no**"])
	yield from table.rows(["figure", "at most", "measured", "reached"], body)
	yield from table.failure_table(bad)


def arguments():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--build", default="build-release", help="build folder (%(default)s)")
	parser.add_argument("--lib", help="our library, instead of the build folder's")
	parser.add_argument("--rounds", type=int, default=7)
	parser.add_argument("--only", default="", help="names of benchmarks, by comma")
	parser.add_argument("--part", choices=("ours", "peers", "all"), default="all", help="whose looking (%(default)s)")
	parser.add_argument("--quick", action="store_true", help="3 rounds of less work")
	parser.add_argument("--budget", type=float, default=0, metavar="MINUTES", help="start nothing that would end later")
	parser.add_argument("--table", metavar="RAW.csv", help="only make the table again from raw runs")
	parser.add_argument("--seed", type=int, help="of the order of the runs")
	parser.add_argument("--out", default="", help="name of the results without suffix (a dated one in /tmp)")
	return parser.parse_args()


def benchmarks(paths, scale, only):
	"""Real programs and the storm."""
	found = real.programs(scale)
	if "micro" in paths:
		found += [driver.Micro(b.program, f"{b.mode} {b.count} {b.threads} {b.what}", scale * SCALES[b.name])
			for b in driver.micros(paths["micro"], 1.0) if b.name in SCALES]
	return driver.choose(found, [n for n in only.split(",") if n])


def write(path, out):
	"""Writes OUT.md from raw runs and says it on stdout; true when no run failed."""
	header, good, bad = table.load(path)
	text = "\n".join(markdown(header, Ratios(good), bad)).rstrip("\n") + "\n"
	with open(out + ".md", "w", encoding="utf-8") as md:
		md.write(text)
	print(text[text.index("CPU time of"):])
	print(f"table in {out}.md", file=sys.stderr)
	return not bad


def main():
	args = arguments()
	driver.stoppable()
	if args.table:
		return 0 if write(args.table, args.out or args.table.removesuffix("-raw.csv")) else 1
	seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
	out = args.out or time.strftime("/tmp/overhead-%Y-%m-%d-%H%M")
	with Place("overhead") as place:
		context = Context(place, heaptop=os.path.join(args.build, "heaptop", "heaptop"))
		paths = driver.copies(context, args.lib or os.path.join(args.build, "libheapspy", "libheapspy.so"),
			{"micro": os.path.join(args.build, "tests", "bench", "bench-micro"), "heaptop": context.heaptop})
		if "library" not in paths or "heaptop" not in paths:
			sys.exit(f"no library or no heaptop in {args.build}")
		context.heaptop = paths["heaptop"]
		mine, (peers, lacking) = ours(paths["library"], place.segments), theirs(place.segments)
		variants = {"ours": mine, "peers": peers, "all": mine + peers}[args.part]
		benches = benchmarks(paths, 0.3 if args.quick else 1.0, args.only)
		raw = driver.Raw(out + "-raw.csv", allocators.machine() + [("seed", seed), ("command", " ".join(sys.argv))] +
			[("not measured", text) for text in lacking])
		print(f"seed {seed}; raw runs in {raw.path}", file=sys.stderr)
		schedule = driver.Schedule(context, benches, variants, raw, 3 if args.quick else args.rounds, args.budget, seed)
		schedule.run()
	return 0 if write(raw.path, out) and not schedule.stopped else 1


if __name__ == "__main__":
	sys.exit(main())
