#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""orders.py [TREE]: every acquire, release, acq_rel or seq_cst in the library carries a tag [mo:NAME ORDER] on its
line or within the four lines above it, every tag has both sides (the viewer may be the other one), and builtins are
used in base/atomic.h only."""
import os
import re

import tree

ORDERED = re.compile(r"\bhs_\w+_(acquire|release|acq_rel|seq_cst)\(|\bhs_seq_(begin|end|read|retry)\w*\(")
TAG = re.compile(r"\[mo:([a-z0-9-]+) (acquire|release|acq_rel|seq_cst)\]")
BUILTIN = re.compile(r"\b(__atomic_(?!signal)\w+|__sync_\w+|atomic_thread_fence|atomic_\w+_explicit)\(")
REACH = 4


def main():
	top = tree.root()
	problems, sides, used = [], {}, 0
	for name in tree.files(top, (".c", ".h"), ("libheapspy/", "heaptop/")):
		lines = tree.read(top, name).split("\n")
		for i, line in enumerate(lines):
			for tag, order in TAG.findall(line):
				side = sides.setdefault(tag, {})
				both = ("acquire", "release") if order in ("acq_rel", "seq_cst") else (order,)
				for s in both:
					side.setdefault(s, f"{name}:{i + 1}")
			if name.endswith("base/atomic.h") or name.startswith("heaptop/"):
				continue
			code = re.sub(r"/\*.*?\*/|/\*.*|^\s*\*.*|//.*", "", line)
			if BUILTIN.search(code):
				problems.append(f"{name}:{i + 1}: an atomic builtin outside base/atomic.h")
			match = ORDERED.search(code)
			if match and match.group(1) and not code.lstrip().startswith("#define"):
				used += 1
				near = "\n".join(lines[max(0, i - REACH):i + 1])
				if not TAG.search(near):
					problems.append(f"{name}:{i + 1}: {match.group(0)}...) has no [mo:tag {match.group(1)}]")
	for tag, side in sorted(sides.items()):
		for want in ("acquire", "release"):
			if want not in side:
				problems.append(f"{next(iter(side.values()))}: [mo:{tag}] has no {want} side")
	design = os.path.join(top, "libheapspy/DESIGN.md")
	if os.path.exists(design):
		text = tree.read(top, "libheapspy/DESIGN.md")
		for tag, side in sorted(sides.items()):
			if not re.search(rf"\b{re.escape(tag)}\b", text):
				problems.append(f"{next(iter(side.values()))}: [mo:{tag}] is not explained in libheapspy/DESIGN.md")
	tree.finish(problems, used, f"ordered operations, {len(sides)} tags")


main()
