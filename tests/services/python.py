#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Python's own test modules under the library with PYTHONMALLOC=malloc: the same outcome as without (point 5)."""
import re

from service import check, main, need, run, skip

MODULES = ["test_threading", "test_subprocess", "test_gc", "test_mmap", "test_json"]
PYTHON = "/usr/bin/python3"


def outcome(place, module, spy, seconds):
	"""What the module's run says: tests run, failures, names of what failed."""
	status, out, err = run(["setsid", "-w", PYTHON, "-m", "test", "-v", "--timeout", "240", module], timeout=seconds,
		env=place.env(spy, PYTHONMALLOC="malloc", TMPDIR=place.dir, HOME=place.dir), cwd=place.dir)
	text = out + err
	each = {}
	for name, verdict in re.findall(r"^(test\S* \(\S+\)).* \.\.\. (\w+)", text, re.M):
		each[name] = verdict
	ran = re.findall(r"^Ran (\d+) tests?", text, re.M)
	return status, ran, each, text


def compare(place, module):
	plain = outcome(place, module, False, 400)
	# A test of others may be fragile: what fails under the library gets one more chance, as does what fails without.
	for attempt in range(2):
		spied = outcome(place, module, True, 400)
		if spied[0] == plain[0] and spied[1] == plain[1]:
			break
	changed = {n: (v, spied[2].get(n)) for n, v in plain[2].items()
		if spied[2].get(n) != v and {v, spied[2].get(n)} & {"FAIL", "ERROR"}}
	with open(place.path(module + "-log"), "w", encoding="utf-8") as f:
		f.write(spied[3][-1500:])
	check(plain[1] and plain[1] == spied[1] and plain[0] == spied[0] and not changed,
		f"{module}: ran {plain[1]} {spied[1]}, status {plain[0]} {spied[0]}, changed {changed}")


def body(place):
	need("setsid")
	status, _, _ = run([PYTHON, "-c", "import test.test_json"])
	if status != 0:
		skip("the package libpython3-testsuite is not installed")
	for module in MODULES:
		compare(place, module)
	left = place.left()
	# Tests kill and _exit children on purpose; what they leave says its owner is dead.
	print(f"{len(left)} segments of killed children")


main("python", body)
