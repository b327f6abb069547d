#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""shape.py [TREE]: what a machine can see of the style: blanks, tabs, line ends, invisible characters, licence lines,
open ends without an issue.  Long files and wide lines are reported and do not fail: they ask for a second look."""
import re
import unicodedata

import tree

TEXT = (".c", ".h", ".cc", ".py", ".sh", ".md", ".build", ".txt", ".1", ".3", ".5", ".7", ".supp")
SOURCE = (".c", ".h", ".cc", ".py", ".sh")
# Spelled in two halves, so that this file passes its own check.
OPEN_END = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))")
NEWLINES = re.compile(r"\r")
LONG_FILE = 500
WIDEST = 120


def invisible(text):
	"""The first invisible or direction-changing character, or None."""
	for c in text:
		if ord(c) > 127 and unicodedata.category(c) in ("Cf", "Cc", "Zl", "Zp"):
			return c
	return None


def check(name, text, problems):
	lines = text.split("\n")
	comment = False
	if text and not text.endswith("\n"):
		problems.append(f"{name}: no newline at the end")
	if text.endswith("\n\n"):
		problems.append(f"{name}: blank lines at the end")
	if NEWLINES.search(text):
		problems.append(f"{name}: carriage return")
	for i, line in enumerate(lines, 1):
		if line != line.rstrip():
			problems.append(f"{name}:{i}: trailing blanks")
		if invisible(line):
			problems.append(f"{name}:{i}: invisible character U+{ord(invisible(line)):04X}")
		if name.endswith(SOURCE):
			if OPEN_END.search(line):
				problems.append(f"{name}:{i}: an open end without an issue number")
			if name.endswith((".c", ".h", ".cc")):
				if re.match(r" {4,}[^*\s]", line) and not comment:
					problems.append(f"{name}:{i}: indented with spaces")
				if len(line.expandtabs(8)) > WIDEST:
					print(f"wide: {name}:{i} ({len(line.expandtabs(8))} columns)")
				comment = (comment or "/*" in line) and "*/" not in line.rsplit("/*", 1)[-1]
	if name.endswith(SOURCE) and not any("SPDX-License-Identifier: MIT" in line for line in lines[:2]):
		problems.append(f"{name}: no SPDX line at the top")
	return len(lines) - 1


def main():
	top = tree.root()
	problems, lengths = [], []
	for name in tree.files(top, TEXT):
		if "/data/" in name or name.startswith("tests/tui/golden"):
			continue
		try:
			lengths.append((check(name, tree.read(top, name), problems), name))
		except UnicodeDecodeError:
			problems.append(f"{name}: not UTF-8")
	for n, name in sorted(lengths, reverse=True):
		if n > LONG_FILE and name.endswith(SOURCE):
			print(f"long: {name} ({n} lines)")
	tree.finish(problems, len(lengths), "files")


main()
