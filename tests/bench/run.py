#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py [OPTIONS]: CPU time, wall time and memory of micro benchmarks and real programs under each allocator.

The raw runs go to a CSV file as they come, the tables to Markdown and CSV beside it.  README.md has the method.
"""
import argparse
import os
import random
import sys
import time

import allocators
import driver
import real
import table
from measure import Context
from service import Place


def arguments():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument("--build", default="build-release", help="build folder with library and bench-micro (%(default)s)")
	parser.add_argument("--lib", help="our library, instead of the build folder's")
	parser.add_argument("--rounds", type=int, help="rounds (7; 3 with --quick)")
	parser.add_argument("--only", default="", help="names of benchmarks or groups (micro, real), by comma")
	parser.add_argument("--without", default="", help="names of benchmarks to leave out, by comma")
	parser.add_argument("--allocators", default="", help="names, by comma (all)")
	parser.add_argument("--conf", default="", help="more of HEAPSPY_CONF (statistics and sampling are on by default)")
	parser.add_argument("--quick", action="store_true", help="3 rounds of less work")
	parser.add_argument("--budget", type=float, default=0, metavar="MINUTES", help="start nothing that would end later")
	parser.add_argument("--seed", type=int, help="of the order of the runs")
	parser.add_argument("--out", default="", help="name of the results without suffix (a dated one in /tmp)")
	parser.add_argument("--list", action="store_true", help="name the benchmarks and end")
	return parser.parse_args()


def variants(args, library, segments):
	"""The allocators that take part."""
	who = allocators.peers()
	if library:
		who.append(allocators.ours(library, segments, conf=args.conf))
	who.append(allocators.Variant("stock", only=("redis",)))
	if args.allocators:
		who = [v for v in who if v.name in args.allocators.split(",")]
	return who


def main():
	args = arguments()
	driver.stoppable()
	scale = 0.3 if args.quick else 1.0
	rounds = args.rounds or (3 if args.quick else 7)
	seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
	library = args.lib or os.path.join(args.build, "libheapspy", "libheapspy.so")
	micro = os.path.join(args.build, "tests", "bench", "bench-micro")
	out = args.out or time.strftime("/tmp/bench-%Y-%m-%d-%H%M")
	with Place("bench") as place:
		context = Context(place, scale)
		paths = driver.copies(context, library, {"micro": micro})
		for name, path in (("library", library), ("micro", micro)):
			if name not in paths:
				print(f"no {path}: left out", file=sys.stderr)
		benches = (driver.micros(paths["micro"], scale) if "micro" in paths else []) + real.programs(scale)
		benches = [b for b in driver.choose(benches, [n for n in args.only.split(",") if n])
			if b.name not in args.without.split(",")]
		if args.list:
			print("\n".join(f"{b.group:6} {b.name}" for b in benches))
			return 0
		who = variants(args, paths.get("library"), place.segments)
		raw = driver.Raw(out + "-raw.csv", allocators.machine() + [("seed", seed), ("command", " ".join(sys.argv)),
			("ours", args.conf or "as by default")])
		print(f"seed {seed}; raw runs in {raw.path}", file=sys.stderr)
		schedule = driver.Schedule(context, benches, who, raw, rounds, args.budget, seed)
		schedule.run()
	table.write(raw.path, out)
	return 1 if schedule.failures or schedule.stopped else 0


if __name__ == "__main__":
	sys.exit(main())
