#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""table.py RAW.csv [OUT]: tables of a run, as Markdown (OUT.md) and CSV (OUT.csv), from its raw runs."""
import csv
import math
import statistics
import sys
from collections import defaultdict

PEERS = ("glibc", "jemalloc", "tcmalloc", "mimalloc")
OURS = "heapspy"
# metric: (title, value of a run or None, smaller is better)
METRICS = {
	"cpu": ("CPU time per operation", lambda r: r["cpu_s"] / r["ops"] if r["cpu_s"] > 0 else None, True),
	"wall": ("wall time per operation", lambda r: r["wall_s"] / r["ops"] if r["wall_s"] > 0 else None, True),
	"peak": ("peak RSS", lambda r: r["peak_kib"] or None, True),
	"end": ("RSS at the end", lambda r: r["end_kib"] or None, True),
	"rate": ("operations a second, as the client saw them", lambda r: r["rate"] or None, False),
}
NUMBERS = ("cpu_s", "wall_s", "peak_kib", "end_kib", "ops", "rate", "viewer_s")


def load(path):
	"""(header as a list of pairs, runs that went well, runs that failed)."""
	header, good, bad = [], [], []
	with open(path, encoding="utf-8", newline="") as f:
		lines = f.read().splitlines(keepends=True)
	for line in lines:
		if line.startswith("# "):
			key, _, value = line[2:].strip().partition(": ")
			header.append((key, value))
	for row in csv.DictReader(line for line in lines if not line.startswith("# ")):
		for name in NUMBERS:
			row[name] = float(row[name])
		(good if row["ok"] == "1" else bad).append(row)
	return header, good, bad


def spread(values):
	"""(n, least, first quartile, median, third quartile, greatest)."""
	q = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
	return len(values), min(values), q[0], statistics.median(values), q[2], max(values)


class Figures:
	"""Medians and spreads of all runs: of[metric][bench][variant]."""

	def __init__(self, runs):
		self.group, self.variants = {}, []
		collected = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
		for r in runs:
			self.group.setdefault(r["bench"], r["group"])
			if r["variant"] not in self.variants:
				self.variants.append(r["variant"])
			for metric, (_, value, _) in METRICS.items():
				v = value(r)
				if v is not None:
					collected[metric][r["bench"]][r["variant"]].append(v)
		order = [*PEERS, OURS]
		self.variants.sort(key=lambda v: order.index(v) if v in order else len(order))
		self.benches = sorted(self.group, key=lambda b: (self.group[b], b))
		self.of = {m: {b: {v: spread(x) for v, x in by.items()} for b, by in benches.items()}
			for m, benches in collected.items()}

	def median(self, metric, bench, variant):
		found = self.of.get(metric, {}).get(bench, {}).get(variant)
		return found[3] if found else None

	def best(self, metric, bench):
		"""The best peer's median or None."""
		found = [self.median(metric, bench, p) for p in PEERS]
		found = [x for x in found if x]
		return (min(found) if METRICS[metric][2] else max(found)) if found else None

	def ratio(self, metric, bench, variant):
		"""Cost over the best peer's: above 1 is worse, for throughput too."""
		mine, best = self.median(metric, bench, variant), self.best(metric, bench)
		if not mine or not best:
			return None
		return mine / best if METRICS[metric][2] else best / mine

	def mean(self, metric, benches, variant):
		"""Geometric mean of the ratios over the benchmarks that every allocator has; (mean, how many)."""
		who = [v for v in self.variants if v in PEERS or v == OURS]
		ratios = {b: [self.ratio(metric, b, v) for v in who] for b in benches}
		common = [b for b, row in ratios.items() if None not in row]
		if not common or variant not in who:
			return None, 0
		return math.exp(sum(math.log(self.ratio(metric, b, variant)) for b in common) / len(common)), len(common)

	def groups(self):
		"""Names of groups with their benchmarks, and all."""
		found = {g: [b for b in self.benches if self.group[b] == g] for g in sorted(set(self.group.values()))}
		return {**found, "all": self.benches} if len(found) > 1 else found


def show(x, form=".2f"):
	return "-" if x is None else format(x, form)


def rows(head, body, text=False):
	"""Lines of a Markdown table; all columns but the first to the right, unless it is text."""
	yield "| " + " | ".join(head) + " |"
	yield "|---|" + ("---|" if text else "---:|") * (len(head) - 1)
	for row in body:
		yield "| " + " | ".join(row) + " |"
	yield ""


def unit(metric, x):
	"""(name, factor) that make a value readable."""
	if metric in ("peak", "end"):
		return "MiB", 1 / 1024
	if metric == "rate":
		return "1/s", 1.0
	for name, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
		if x * factor < 10000:
			return name, factor
	return "s", 1.0


def digits(x):
	return f"{x:.0f}" if x >= 1000 else f"{x:.1f}" if x >= 100 else f"{x:.2f}"


def metric_table(f, metric):
	"""A benchmark a row: median and half the interquartile range in percent; ours over the best peer's."""
	def cell(bench, variant, factor):
		found = f.of[metric][bench].get(variant)
		if not found:
			return "-"
		return f"{digits(found[3] * factor)} ±{(found[4] - found[2]) / 2 / found[3] * 100:.1f}%"
	body = []
	for bench in f.benches:
		if bench not in f.of[metric]:
			continue
		name, factor = unit(metric, max(x[3] for x in f.of[metric][bench].values()))
		ratio = f.ratio(metric, bench, OURS)
		mark = "" if ratio is None or ratio <= 1.10 else " **!**"
		runs = sorted({x[0] for x in f.of[metric][bench].values()})
		body.append([f"{f.group[bench]}/{bench}", name, *(cell(bench, v, factor) for v in f.variants),
			show(ratio, ".3f") + mark, "-".join(str(n) for n in {runs[0]: 0, runs[-1]: 0})])
	yield f"## {METRICS[metric][0][0].upper()}{METRICS[metric][0][1:]}\n"
	better = "cost over the best peer's" if METRICS[metric][2] else "the best peer's over ours"
	yield f"Median ± half the interquartile range; `ratio` is {better}, above 1.10 marked.\n"
	yield from rows(["benchmark", "unit", *f.variants, "ratio", "runs"], body)


def mean_table(f):
	"""Geometric means of the ratios to the best peer of each benchmark."""
	body = []
	for metric in ("cpu", "wall", "peak", "end", "rate"):
		for group, benches in f.groups().items():
			benches = [b for b in benches if b in f.of.get(metric, {})]
			means = {v: f.mean(metric, benches, v) for v in f.variants}
			n = max((c for _, c in means.values()), default=0)
			if not n:
				continue
			peers = [means[p][0] for p in PEERS if p in means and means[p][0]]
			ours = means.get(OURS, (None, 0))[0]
			body.append([f"{metric}, {group} ({n})", *(show(means[v][0], ".3f") for v in f.variants if v in PEERS or v == OURS),
				show(ours / min(peers) if ours and peers else None, ".3f")])
	yield "## Geometric means\n"
	yield "Of the ratios to the best of the peers in each benchmark; the last column is our mean over the best peer's mean.\n"
	yield from rows(["what (benchmarks)", *(v for v in f.variants if v in PEERS or v == OURS), "ours/best"], body)


def figure_table(f):
	"""The figures that the issue asks for, as far as this run has them."""
	body = []

	def add(what, most, value, note=""):
		if value is not None:
			body.append([what, f"{most:.2f}", f"{value:.3f}", ("yes" if value <= most else "**no**") + note])

	for metric, group, most, what in (("cpu", "all", 0.95, "CPU, geometric mean, all, over the best peer's mean"),
			("peak", "real", 1.05, "peak RSS, geometric mean, real programs, over the leanest peer's mean")):
		benches = [b for b in f.groups().get(group, []) if b in f.of.get(metric, {})]
		means = {v: f.mean(metric, benches, v)[0] for v in f.variants}
		peers = {p: means[p] for p in PEERS if means.get(p)}
		if means.get(OURS) and peers:
			best = min(peers, key=peers.get)
			add(what, most, means[OURS] / peers[best], f" ({best})")
	worst = sorted(((f.ratio("cpu", b, OURS), b) for b in f.benches if f.ratio("cpu", b, OURS)), reverse=True)
	if worst:
		add("CPU, any single benchmark, over the fastest peer", 1.10, worst[0][0],
			" (" + ", ".join(f"{b} {r:.2f}" for r, b in worst if r > 1.10) + ")" if worst[0][0] > 1.10 else "")
	for bench in f.benches:
		if bench == "spike-rss-15s" and f.ratio("end", bench, OURS):
			add(f"RSS at the end of {bench}, over the leanest peer", 1.00, f.ratio("end", bench, OURS))
	stock, mine = f.median("rate", "redis", "stock"), f.median("rate", "redis", OURS)
	if stock and mine:
		add("redis: Debian's throughput on jemalloc over ours", 1.00, stock / mine)
	if body:
		yield "## The figures to reach\n"
		yield from rows(["figure", "at most", "measured", "reached"], body)


def header_table(header):
	"""The machine and the method."""
	yield from rows(["run", ""], ([k, v.replace("|", "\\|")] for k, v in header), text=True)


def failure_table(bad):
	"""What did not end well, if anything."""
	if bad:
		yield f"## {len(bad)} runs failed\n"
		yield from rows(["benchmark", "variant", "round", "what"],
			([b["bench"], b["variant"], b["round"], b["note"].replace("|", "\\|")] for b in bad), text=True)


def markdown(header, f, bad):
	yield f"# Allocators side by side, {dict(header).get('date', '')}\n"
	yield from header_table(header)
	yield from figure_table(f)
	yield from mean_table(f)
	for metric in METRICS:
		if metric in f.of:
			yield from metric_table(f, metric)
	yield from failure_table(bad)


def write_csv(path, header, f):
	with open(path, "w", encoding="utf-8", newline="") as out:
		for key, value in header:
			out.write(f"# {key}: {value}\n")
		table = csv.writer(out)
		table.writerow(["metric", "group", "bench", "variant", "runs", "min", "q1", "median", "q3", "max", "ratio"])
		for metric, benches in f.of.items():
			for bench in f.benches:
				for variant, (n, *values) in benches.get(bench, {}).items():
					table.writerow([metric, f.group[bench], bench, variant, n, *(f"{v:.6g}" for v in values),
						show(f.ratio(metric, bench, variant), ".4f")])


def write(raw, out):
	"""Writes OUT.md and OUT.csv and says the means on stdout."""
	header, good, bad = load(raw)
	if not good:
		print("no run went well: no tables", file=sys.stderr)
		return
	f = Figures(good)
	with open(out + ".md", "w", encoding="utf-8") as md:
		md.write("\n".join(markdown(header, f, bad)).rstrip("\n") + "\n")
	write_csv(out + ".csv", header, f)
	print("\n".join([*figure_table(f), *mean_table(f), *(metric_table(f, "cpu") if "cpu" in f.of else ())]))
	print(f"tables in {out}.md and {out}.csv", file=sys.stderr)


if __name__ == "__main__":
	if len(sys.argv) not in (2, 3):
		sys.exit(__doc__)
	write(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else sys.argv[1].removesuffix("-raw.csv").removesuffix(".csv"))
