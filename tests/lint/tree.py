# SPDX-License-Identifier: MIT
"""tree.py: which files the checks of this folder look at, and how they report."""
import os
import subprocess
import sys


def root():
	"""The source tree: the argument, or two folders up."""
	if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
		return sys.argv[1]
	return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(top, suffixes=None, under=("",)):
	"""Relative paths of all files of the project; from git when there is a checkout, else by walking."""
	# Root may look at a checkout of somebody else, as CI containers do.
	out = subprocess.run(
		["git", "-c", "safe.directory=*", "-C", top, "ls-files", "-co", "--exclude-standard"],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
	if out.returncode == 0:
		names = out.stdout.decode().split("\n")
	else:
		names = []
		for folder, folders, found in os.walk(top):
			folders[:] = [f for f in folders if not f.startswith((".", "build")) and f != "__pycache__"]
			names += [os.path.relpath(os.path.join(folder, f), top) for f in found]
	names = [n for n in names if n and os.path.isfile(os.path.join(top, n))]
	names = [n for n in names if n.startswith(tuple(under))]
	return sorted(n for n in names if suffixes is None or n.endswith(tuple(suffixes)))


def read(top, name):
	with open(os.path.join(top, name), encoding="utf-8", newline="") as f:
		return f.read()


def finish(problems, count, what):
	"""Prints what was found; the exit status of the check.  A check that saw nothing is no check."""
	if count == 0:
		problems.append("nothing was looked at")
	for p in problems:
		print(p)
	print(f"{count} {what}; {len(problems)} problems")
	sys.exit(1 if problems else 0)
