#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""population.py PROGRAM [CONF]: 100,000 blocks of known sizes in 8 threads; live bytes and objects of each class are
equal to the truth exactly, in every phase (point 3 of the first issue, promise P3)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../services"))
from service import check, frame, main  # noqa: E402  (the path has to come first)


def truth(p):
	"""{usable size: count} as the program says it."""
	out = {}
	while True:
		line = p.stdout.readline()
		if not line:
			raise ValueError(f"the program ended with {p.wait()}")
		if line == b"done\n":
			return out
		usable, count = map(int, line.split())
		out[usable] = count


def population(f):
	"""{class size: (objects, bytes)} of a frame; 0 collects what is above the classes (null in the frame)."""
	return {c["size_bytes"] or 0: (c["live_objects"], c["live_bytes"]) for c in f["classes"]}


def expected(blocks, classes):
	"""The same table from the truth."""
	out = {size: (0, 0) for size in classes}
	for usable, count in blocks.items():
		size = usable if usable in out else 0
		objects, total = out.get(size, (0, 0))
		out[size] = (objects + count, total + usable * count)
	return out


def compare(place, pid, blocks, start, phase):
	f = frame(place, pid)
	now = population(f)
	want = expected(blocks, now)
	wrong = []
	for size, (objects, total) in sorted(now.items()):
		before = start.get(size, (0, 0))
		if (objects - before[0], total - before[1]) != want[size]:
			wrong.append(f"class {size}: {objects - before[0]} objects {total - before[1]} bytes, truth {want[size]}")
	check(not wrong, f"phase {phase}: {sum(blocks.values())} blocks in {len(blocks)} sizes" +
		"".join("\n\t" + w for w in wrong[:10]))
	check(f["live_objects"] == sum(o for o, _ in now.values()) and f["live_bytes"] == sum(b for _, b in now.values()),
		f"phase {phase}: the classes add up to the total {f['live_objects']} objects, {f['live_bytes']} bytes")
	check(f["allocated_bytes"] - f["freed_bytes"] >= 0, "allocated is not less than freed")


def body(place):
	# The helper thread's own thread vector, which libc allocates, would be counted too: truly, but unknown to us.
	conf = ",".join(["helper:off"] + sys.argv[2:])
	p = subprocess.Popen([sys.argv[1]], env=place.env(True, conf), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
	place.running.append(p)
	truth(p)
	start = population(frame(place, p.pid))
	for phase in range(1, 7):
		p.stdin.write(b"x")
		p.stdin.flush()
		compare(place, p.pid, truth(p), start, phase)
	p.stdin.write(b"x")
	p.stdin.flush()
	check(p.wait(20) == 0, "the program ended well")
	check(place.left() == [], "no segment left behind")


main("population", body)
