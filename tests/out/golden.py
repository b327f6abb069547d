#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""golden.py [--update] HEAPTOP MKSEG: what heaptop prints of synthetic segments, letter by letter, and the rules of
the formats themselves (OpenMetrics families, JSON keys that add up, CSV that a CSV reader reads)."""
import csv
import difflib
import io
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "data", "out")
# The healthy process has no findings, so its text is this folder's alone.
CASES = {
	"batch": ["healthy", "-b", "-n", "1"],
	"batch80": ["healthy", "-b", "-n", "1", "--ascii"],
	"bytes": ["healthy", "-b", "-n", "1", "--bytes", "--view", "ledger"],
	"classes": ["healthy", "-b", "--view", "classes"],
	"arenas": ["healthy", "-b", "--view", "arenas"],
	"threads": ["healthy", "-b", "--view", "threads", "--sort", "+tid"],
	"locks": ["contended", "-O", "csv", "--view", "locks", "--top", "5"],
	"sites": ["contended", "-O", "csv", "--view", "sites", "--top", "5"],
	"openmetrics": ["healthy", "-O", "openmetrics"],
	"report": ["healthy", "report"],
}
problems = []


def check(holds, what):
	if not holds:
		problems.append(what)


def tool(*argv, columns=None):
	env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
	if columns:
		env["COLUMNS"] = str(columns)
	p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, env=env, timeout=30)
	check(p.returncode == 0 and not p.stderr, f"{' '.join(argv[1:])}: status {p.returncode} {p.stderr[:200]}")
	return p.stdout.decode("utf-8")


def goldens(heaptop, segments, update):
	for name, (scenario, *args) in CASES.items():
		got = tool(heaptop, *args, "--input", segments[scenario], columns=80 if name.endswith("80") else None)
		path = os.path.join(GOLDEN, name + ".txt")
		if name.endswith("80") or name == "report":
			wide = [line for line in got.splitlines() if len(line) > 80]
			check(not wide, f"{name}: wider than 80 columns: {wide[:1]}")
		if update:
			os.makedirs(GOLDEN, exist_ok=True)
			with open(path, "w", encoding="utf-8") as f:
				f.write(got)
			continue
		with open(path, encoding="utf-8") as f:
			want = f.read()
		if want != got:
			problems.append(f"{name} differs from {path}; --update after a look:\n" + "\n".join(
				list(difflib.unified_diff(want.splitlines(), got.splitlines(), "golden", "now", lineterm=""))[:30]))


def openmetrics(text, what):
	"""The rules of OpenMetrics 1.0 that a scraper insists on."""
	lines = text.split("\n")
	check(lines[-1] == "" and lines[-2] == "# EOF", f"{what}: ends with # EOF")
	family, kinds, seen = None, {}, []
	for line in lines[:-2]:
		match = re.fullmatch(r"# (TYPE|UNIT|HELP) (\w+) (.+)", line)
		if match:
			word, name, rest = match.groups()
			if word == "TYPE":
				check(name not in kinds, f"{what}: family {name} is there twice")
				family, kinds[name], seen = name, rest, ["TYPE"]
			else:
				check(name == family, f"{what}: {word} of {name} in the family {family}")
				seen.append(word)
			check(word != "UNIT" or name.endswith("_" + rest), f"{what}: unit {rest} of {name}")
			continue
		match = re.fullmatch(r"(\w+)(\{.*\})? (\S+)", line)
		check(match, f"{what}: '{line}'")
		if not match:
			continue
		suffix = {"counter": "_total", "info": "_info"}.get(kinds[family], "")
		check(match.group(1) == family + suffix, f"{what}: sample {match.group(1)} in the family {family}")
		check(seen == sorted(seen, key=["TYPE", "UNIT", "HELP"].index), f"{what}: order of {seen}")
		float(match.group(3))


def others(heaptop, segments):
	for scenario, path in segments.items():
		frame = json.loads(tool(heaptop, "-b", "-n", "1", "-O", "json", "--input", path))
		report = json.loads(tool(heaptop, "report", "--json", "--input", path))
		check(set(frame) <= set(report), f"{scenario}: a report has all that a frame has")
		for f in (frame, report):
			check(sum(p["bytes"] or 0 for p in f["ledger"]) == f["rss_bytes"], f"{scenario}: ledger adds up")
			check(sum(c["live_bytes"] for c in f["classes"]) == f["live_bytes"], f"{scenario}: classes add up")
			check(f["wss_bytes"] is None, f"{scenario}: what was not measured is null")
		live = sum(s["live_bytes"] for s in report["sites"])
		se = sum(s["live_bytes_se"] ** 2 for s in report["sites"]) ** 0.5
		if len(report["sites"]) < 1000:
			check(abs(live - f["live_bytes"]) < 5 * se + f["live_bytes"] * 0.08,
				f"{scenario}: sites estimate {live} of {f['live_bytes']}")
		openmetrics(tool(heaptop, "-O", "openmetrics", "--input", path), scenario)
		rows = list(csv.reader(io.StringIO(tool(heaptop, "-O", "csv", "--view", "locks", "--input", path))))
		check(len(rows) > 10 and len({len(row) for row in rows}) == 1, f"{scenario}: CSV")
	ids = {s: [f["id"] for f in json.loads(tool(heaptop, "-O", "json", "--input", p))["findings"]]
		for s, p in segments.items()}
	for scenario, first in (("fragmented", "external-fragmentation"), ("contended", "lock-contention"), ("leak", "leak")):
		check(ids[scenario][:1] == [first], f"{scenario} is found to be {ids[scenario]}")
	check(ids["healthy"] == [], f"healthy is found to be {ids['healthy']}")


def main():
	args = [a for a in sys.argv[1:] if a != "--update"]
	with tempfile.TemporaryDirectory() as place:
		segments = {}
		for scenario in ("healthy", "fragmented", "contended", "leak", "big"):
			segments[scenario] = os.path.join(place, scenario + ".seg")
			subprocess.run([args[1], scenario, segments[scenario]], check=True, timeout=30)
		goldens(args[0], segments, "--update" in sys.argv)
		others(args[0], segments)
	for problem in problems:
		print(problem)
	print(f"{len(CASES)} goldens, {len(problems)} problems")
	sys.exit(1 if problems else 0)


main()
