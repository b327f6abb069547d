#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""layers.py [TREE]: a file includes headers of its own folder and of folders to its left; no cycles; foreign
libraries come in by one door each."""
import re

import tree

LAYERS = {
	"libheapspy": ["base", "os", "core", "prof", "stat", "shim"],
	"heaptop": ["util", "seg", "sym", "model", "diag", "out", "tui", "views", ""],
}
# header pattern: the only file that may include it
DOORS = {
	r"(n?curses|panel|ncursesw/.*)\.h": "heaptop/tui/term.c",
	r"(elfutils/.*|dwarf)\.h": "heaptop/sym/symbolize.c",
	r"(libunwind.*|unwind)\.h": "libheapspy/prof/unwind.c",
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)


def rank(part, name):
	"""Rank of a path such as core/arena.c within its part, or None when the folder is not one of the house."""
	folder = name.rsplit("/", 1)[0] if "/" in name else ""
	return LAYERS[part].index(folder) if folder in LAYERS[part] else None


def cycles(graph):
	"""Include cycles, each as a list of files."""
	state, path, found = {}, [], []

	def visit(node):
		state[node] = "open"
		path.append(node)
		for to in sorted(graph.get(node, ())):
			if state.get(to) == "open":
				found.append(path[path.index(to):] + [to])
			elif to not in state:
				visit(to)
		path.pop()
		state[node] = "done"

	for node in sorted(graph):
		if node not in state:
			visit(node)
	return found


def main():
	top = tree.root()
	problems, graph, count = [], {}, 0
	for part in LAYERS:
		for name in tree.files(top, (".c", ".h"), (part + "/",)):
			inner = name[len(part) + 1:]
			mine = rank(part, inner)
			count += 1
			if mine is None:
				problems.append(f"{name}: folder is not one of {' '.join(LAYERS[part])}")
				continue
			for kind, header in INCLUDE.findall(tree.read(top, name)):
				for pattern, door in DOORS.items():
					if re.fullmatch(pattern, header) and name != door:
						problems.append(f"{name}: includes <{header}>, only {door} may")
				if kind == "<":
					continue
				if header.startswith(("libheapspy/", "heaptop/", "../")):
					problems.append(f"{name}: path of {header} crosses the parts")
					continue
				theirs = rank(part, header)
				if theirs is None:
					problems.append(f"{name}: {header} is not a path from the part's root")
				elif theirs > mine:
					problems.append(f"{name}: includes {header}, which lies to its right")
				graph.setdefault(f"{part}/{inner}", set()).add(f"{part}/{header}")
	for c in cycles(graph):
		problems.append("cycle: " + " -> ".join(c))
	for name in tree.files(top, (".c", ".h"), ("libheapspy/", "heaptop/")):
		other = "heaptop" if name.startswith("libheapspy/") else "libheapspy"
		if re.search(rf'#include [<"]{other}/', tree.read(top, name)):
			problems.append(f"{name}: includes a header of {other}")
	tree.finish(problems, count, f"files, {sum(map(len, graph.values()))} includes")


main()
