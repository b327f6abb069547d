#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""schema.py PROGRAM: the JSON of `-b -O json` and of `report --json` has the keys and types that formats.md section 5
pins, numbers are numbers, parts add up; CSV and text come with the same figures."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../services"))
from service import HEAPTOP, check, frames, main, must, wait_for  # noqa: E402

NUMBER = (int, float)
MAYBE = (int, float, type(None))
TOP = {
	"schema": str, "pid": int, "exe": str, "state": str, "time_ns": int, "uptime_ns": int, "policy": str,
	"sample_interval_bytes": int, "rss_bytes": MAYBE, "wss_bytes": MAYBE, "live_bytes": int, "live_objects": int,
	"allocated_bytes": int, "freed_bytes": int, "ledger": list, "classes": list, "arenas": list, "locks": list,
	"threads": list, "sites": list, "findings": list, "lost": dict,
}
ROWS = {
	"ledger": {"part": str, "bytes": int, "share": NUMBER, "slope_bytes_per_s": MAYBE},
	"classes": {"size_bytes": MAYBE, "live_objects": int, "live_bytes": int, "free_slots": int, "spans": int,
		"nonfull_spans": int},
	"arenas": {"id": int, "live_bytes": int, "span_free_bytes": int, "dirty_bytes": int, "retained_bytes": int,
		"threads": int},
	"locks": {"name": str, "acquisitions": int, "contended": int, "wait_ns": int, "max_wait_ns": int},
	"threads": {"tid": int, "name": str, "cached_bytes": int, "idle_ns": MAYBE},
	"sites": {"id": int, "live_bytes": NUMBER, "live_objects": NUMBER, "allocated_bytes": NUMBER,
		"pinned_bytes": NUMBER, "samples": int, "stack": list},
	"findings": {"id": str, "severity": str, "confidence": str, "bytes": MAYBE, "share": MAYBE, "text": str,
		"evidence": list, "action": str, "sites": list},
}
FRAME = {"function": (str, type(None)), "file": (str, type(None)), "line": (int, type(None)),
	"module": (str, type(None)), "offset": (int, type(None))}
PARTS = ["live", "rounding", "span_free", "thread_cache", "dirty", "metadata", "heapspy", "thp_slack", "stacks", "file",
	"shmem", "other_anon", "unexplained"]


def typed(row, keys, where):
	wrong = [f"{where}.{k}: {type(row.get(k)).__name__ if k in row else 'missing'}" for k, t in keys.items()
		if k not in row or not isinstance(row[k], t) or isinstance(row[k], bool)]
	check(not wrong, f"{where} has its keys {wrong}") if wrong else None


def examine(f, what):
	typed(f, TOP, what)
	check(f["schema"] == "heapspy/1", f"{what}: schema")
	for table, keys in ROWS.items():
		for i, row in enumerate(f[table]):
			typed(row, keys, f"{what}.{table}[{i}]")
	check(sorted(p["part"] for p in f["ledger"]) == sorted(PARTS), f"{what}: parts of the ledger")
	check(sum(p["bytes"] for p in f["ledger"]) == f["rss_bytes"], f"{what}: ledger adds up")
	for i, site in enumerate(f["sites"]):
		check("live_bytes_se" in site, f"{what}.sites[{i}]: standard error") if "live_bytes_se" not in site else None
		for k, step in enumerate(site["stack"]):
			typed(step, FRAME, f"{what}.sites[{i}].stack[{k}]")
	check(len(f["classes"]) > 10 and len(f["arenas"]) >= 1 and len(f["threads"]) >= 1, f"{what}: tables are filled")
	check(f["live_bytes"] == sum(c["live_bytes"] for c in f["classes"]), f"{what}: classes add up to live_bytes")
	check(f["live_bytes"] == sum(a["live_bytes"] for a in f["arenas"]), f"{what}: arenas add up to live_bytes")
	check(f["state"] in ("live", "exited", "dead"), f"{what}: state {f['state']}")


def body(place):
	p = place.start([os.path.abspath(sys.argv[1]), "wait"], True, "sample:64k")
	wait_for("a segment", place.left)
	wait_for("its work", lambda: frames(place, "-n", "1", "-p", str(p.pid))[0]["live_bytes"] > 30 << 20)
	got = frames(place, "-n", "2", "-d", "0.5", "-p", str(p.pid))
	check(len(got) == 2, "two frames, one a line")
	for i, f in enumerate(got):
		examine(f, f"frame {i}")
		check(f["pid"] == p.pid and f["state"] == "live", f"frame {i}: pid and state")
	check(got[1]["time_ns"] > got[0]["time_ns"], "time goes on")
	check(any(s["stack"] for s in got[1]["sites"]), "sites have stacks")
	names = {x["function"] for s in got[1]["sites"] for x in s["stack"]}
	check("main" in names, "main is among the functions")
	# 32 blocks of 1 MiB at a mean of 64 KiB: nearly all are sampled, so the estimate is close.
	site = max(got[1]["sites"], key=lambda s: s["live_bytes"])
	check(abs(site["live_bytes"] - (32 << 20)) < 2 << 20, f"the top site holds 32 MiB: {site['live_bytes']}")
	examine(json.loads(must([HEAPTOP, "report", "--json", "-p", str(p.pid)])), "report")
	text = must([HEAPTOP, "-b", "-n", "1", "-p", str(p.pid)])
	check(str(p.pid) in text and text.isprintable() is False and "\x1b" not in text, "text without escape sequences")
	csv = must([HEAPTOP, "-b", "-n", "1", "-O", "csv", "--view", "classes", "-p", str(p.pid)]).splitlines()
	check(len(csv) > 10 and len({line.count(",") for line in csv}) == 1, "CSV: every row has as many columns")


main("schema", body)
