#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs patients under libheapspy and compares what heaptop says with the truth that they print.

usage: run.py BUILD [CASE ...]      all cases when none is named; BUILD is the meson build directory
Exit status: 0 all as expected, 1 something is not, 77 nothing to run with.
"""

import json
import os
import subprocess
import sys

PATIENCE_S = 60


class Wrong(Exception):
    """What heaptop says differs from the truth."""


def check(condition, text):
    if not condition:
        raise Wrong(text)


def near(name, got, truth, tolerance, se=0):
    """Within the tolerance, or within three standard errors of a sampled figure."""
    margin = max(abs(truth) * tolerance, 3 * (se or 0))
    check(got is not None and abs(got - truth) <= margin, f"{name} is {got}, the truth is {truth} (margin {margin:.0f})")


class Patient:
    """One patient: started with the library, read line by line, ended with the block."""

    def __init__(self, build, program, arguments=(), conf=""):
        self.build = build
        env = dict(os.environ, LD_PRELOAD=f"{build}/libheapspy/libheapspy.so", HEAPSPY_CONF=conf)
        path = f"{build}/tests/patients/patient_{program}"
        self.process = subprocess.Popen([path, *map(str, arguments)], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def truth(self):
        """The key=value pairs before the next "ready"; numbers where they are numbers."""
        pairs = {}
        for line in self.process.stdout:
            if line == "ready\n":
                return pairs
            for word in line.split():
                key, value = word.split("=")
                pairs[key] = int(value) if value.isdigit() else value
        raise Wrong(f"the patient ended early, status {self.process.wait()}")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def frame(self, *options):
        """What heaptop says now, as JSON."""
        command = [f"{self.build}/heaptop/heaptop", "-b", "-n", "1", "-O", "json", *options, "-p", str(self.process.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        check(done.returncode == 0, f"heaptop exits with {done.returncode}: {done.stderr.strip()}")
        frame = json.loads(done.stdout)
        parts = sum(part["bytes"] for part in frame["ledger"])
        check(abs(parts - frame["rss_bytes"]) <= frame["rss_bytes"] / 100,
              f"the ledger adds up to {parts}, RSS is {frame['rss_bytes']}")
        return frame


def functions_of(frame, site):
    for row in frame["sites"]:
        if row["id"] == site:
            return [level.get("function") for level in row["stack"]]
    return []


def site_of(frame, function):
    """The largest site with that function on its stack."""
    rows = [row for row in frame["sites"] if function in [level.get("function") for level in row["stack"]]]
    check(rows, f"no site with {function}()")
    return max(rows, key=lambda row: row["live_bytes"] or 0)


def first_finding(frame, wanted):
    found = [finding["id"] for finding in frame["findings"]]
    check(found and found[0] == wanted, f"the findings are {found}, the first should be {wanted}")
    finding = frame["findings"][0]
    print(f"    {finding['severity']}, {finding['confidence']}: {finding['text']}")
    return finding


def blames(frame, finding, function):
    """The function is on the stack of the first site; sites that only wait have no row of their own."""
    site = finding["sites"][0] if finding["sites"] else None
    names = functions_of(frame, site)
    told = [line for line in finding["evidence"] if f"waiting at {function} " in line] if not names else []
    check(function in names or told, f"{function}() is not blamed, but {names}: {finding['evidence']}")


def no_finding(frame, unwanted):
    found = [f"{finding['id']} ({finding['text']})" for finding in frame["findings"] if finding["id"] == unwanted]
    check(not found, f"must not be found: {found}")


def class_counts(frame):
    """live objects and bytes by class; what is above the classes is row 0."""
    return {row["size_bytes"] or 0: (row["live_objects"], row["live_bytes"]) for row in frame["classes"]}


def population(build, seed, conf=""):
    with Patient(build, "population", (100000, seed), conf) as patient:
        patient.truth()
        before = patient.frame()
        patient.go_on()
        truth = patient.truth()
        after = patient.frame()
    old, new = class_counts(before), class_counts(after)
    expected = {}
    for key, objects in truth.items():
        if key.startswith("class:"):
            usable = int(key[len("class:"):])
            row = usable if usable in new else 0
            have = expected.get(row, (0, 0))
            expected[row] = (have[0] + objects, have[1] + objects * usable)
    for size in sorted(set(new) | set(expected)):
        was, now = old.get(size, (0, 0)), new.get(size, (0, 0))
        change = (now[0] - was[0], now[1] - was[1])
        check(change == expected.get(size, (0, 0)),
              f"class {size}: {change} objects and bytes, the truth is {expected.get(size, (0, 0))}")
    for key in ("live_objects", "live_bytes"):
        check(after[key] - before[key] == truth[key], f"{key}: {after[key] - before[key]}, the truth is {truth[key]}")
    check(sum(row[0] for row in new.values()) == after["live_objects"], "the classes do not add up to live_objects")
    check(sum(row[1] for row in new.values()) == after["live_bytes"], "the classes do not add up to live_bytes")


def fragmentation(build):
    with Patient(build, "fragmentation", (192,), "sample:64k") as patient:
        truth = patient.truth()
        frame = patient.frame()
    finding = first_finding(frame, "external-fragmentation")
    near("free bytes", finding["bytes"], truth["free_bytes"], 0.1)
    near("free slots", frame["span_free_bytes"] + frame["thread_cache_bytes"], truth["free_bytes"], 0.02)
    blames(frame, finding, truth["site"])
    site = site_of(frame, truth["site"])
    near("pinned bytes", site["pinned_bytes"], frame["span_free_bytes"], 0.1, site.get("pinned_bytes_se"))


def fragmentation_freed(build):
    """The look-alikes: a burst that is all freed; a heap of the same size that is in use."""
    with Patient(build, "fragmentation", (192, 1, 0)) as patient:
        patient.truth()
        no_finding(patient.frame(), "external-fragmentation")
    with Patient(build, "healthy", (2, 192)) as patient:
        patient.truth()
        no_finding(patient.frame(), "external-fragmentation")


def contention(build):
    with Patient(build, "contention", (8, 3), "arenas:1,tcache:off") as patient:
        truth = patient.truth()
        frame = patient.frame()
    finding = first_finding(frame, "lock-contention")
    blames(frame, finding, truth["site"])
    check(sum(lock["contended"] for lock in frame["locks"]) > 0, "no lock was contended")


def contention_cured(build):
    with Patient(build, "contention", (8, 3)) as patient:
        patient.truth()
        no_finding(patient.frame(), "lock-contention")


def leak(build):
    with Patient(build, "leak", (12, 4096), "sample:64k") as patient:
        truth = patient.truth()
        frame = patient.frame()
    finding = first_finding(frame, "leak")
    blames(frame, finding, truth["site"])
    site = site_of(frame, truth["site"])
    near("lost bytes of the site", site["live_bytes"], truth["lost_bytes"], 0.1, site.get("live_bytes_se"))
    near("bytes of the finding", finding["bytes"], truth["lost_bytes"], 0.1, site.get("live_bytes_se"))


def healthy(build):
    with Patient(build, "healthy", (12, 64)) as patient:
        patient.truth()
        frame = patient.frame()
    found = [f"{finding['id']}: {finding['text']}" for finding in frame["findings"]]
    check(not found, f"a healthy process has findings: {found}")


def cold(build):
    with Patient(build, "cold", (128, 20)) as patient:
        truth = patient.truth()
        finding = first_finding(patient.frame("--wss", "2"), "cold-memory")
    near("cold bytes", finding["bytes"], truth["cold_bytes"], 0.1)


def cold_hot(build):
    with Patient(build, "cold", (128, 100)) as patient:
        patient.truth()
        no_finding(patient.frame("--wss", "2"), "cold-memory")


def sparse(build):
    """Pages given back inside spans: taken off the free slots, and the ledger closes without measured corrections."""
    with Patient(build, "sparse", (192, 100)) as patient:
        truth = patient.truth()
        frame = patient.frame()
    part = {row["part"]: row for row in frame["ledger"]}
    check(frame["live_bytes"] - truth["live_bytes"] < 1 << 20, f"live_bytes: {frame['live_bytes']}, truth {truth}")
    check(frame["hole_bytes"] > truth["spike_bytes"] / 4, f"only {frame['hole_bytes']} bytes given back in spans")
    left = truth["page_bytes"] + (4 << 20)
    check(frame["span_free_bytes"] < left, f"{frame['span_free_bytes']} bytes of free slots, at most {left} can be there")
    check(frame["rss_bytes"] < truth["spike_bytes"] / 4, f"RSS is {frame['rss_bytes']}")
    check(abs(part["unexplained"]["bytes"]) < 1 << 20, f"unexplained: {part['unexplained']['bytes']}")
    # what the rows say is there is there: pages of free slots are not counted and then found missing
    near("free slots in memory", part["span_free"]["bytes"], frame["span_free_bytes"], 0.1)


CASES = {
    "population": lambda build: population(build, 1),
    "population-seed": lambda build: population(build, 20260101),
    "population-sampled": lambda build: population(build, 3, "sample:2k"),
    "population-arena": lambda build: population(build, 4, "arenas:1"),
    "population-locked": lambda build: population(build, 5, "tcache:off"),
    "fragmentation": fragmentation,
    "fragmentation-not": fragmentation_freed,
    "contention": contention,
    "contention-not": contention_cured,
    "leak": leak,
    "healthy": healthy,
    "cold": cold,
    "cold-not": cold_hot,
    "sparse": sparse,
}


def main():
    if len(sys.argv) < 2 or any(name not in CASES for name in sys.argv[2:]):
        print(__doc__, "cases: " + " ".join(CASES), sep="\n", file=sys.stderr)
        return 2
    build = os.path.abspath(sys.argv[1])
    for needed in ("libheapspy/libheapspy.so", "heaptop/heaptop"):
        if not os.path.exists(f"{build}/{needed}"):
            print(f"skipped: {build}/{needed} was not built")
            return 77
    failed = 0
    for name in sys.argv[2:] or CASES:
        try:
            CASES[name](build)
            print(f"ok      {name}", flush=True)
        except (Wrong, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
