#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""layout.py INCLUDE_DIR GOLDEN [--update]: sizes and offsets of all structs of segment.h against a golden file.

The golden is the contract of one major version: a changed line is a break, an added line is a minor version.
"""
import os
import re
import subprocess
import sys
import tempfile


def structs(text):
	"""Yields (struct, [fields]) of a header without nested structs."""
	text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
	for name, body in re.findall(r"struct (\w+) \{(.*?)\n\};", text, flags=re.S):
		fields = []
		for declaration in body.split(";"):
			words = re.sub(r"\[[^]]*\]", "", declaration).replace(",", " ").split()
			start = 2 if words and words[0] == "struct" else 1
			fields += words[start:]
		yield name, fields


def main():
	include, golden = sys.argv[1], sys.argv[2]
	with open(os.path.join(include, "heapspy/segment.h"), encoding="utf-8") as f:
		text = f.read()
	source = ["#include <stddef.h>", "#include <stdio.h>", "#include <heapspy/segment.h>", "int main(void) {"]
	source.append('printf("version %u.%u\\n", HEAPSPY_MAJOR, HEAPSPY_MINOR);')
	for name, fields in structs(text):
		source.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
		for field in fields:
			source.append(
				f'printf("{name}.{field} %zu %zu\\n", offsetof(struct {name}, {field}),'
				f" sizeof(((struct {name} *)0)->{field}));"
			)
	for macro in re.findall(r"^#define (HEAPSPY_\w+) (?:\d|UINT)", text, flags=re.M):
		source.append(f'printf("{macro} %llu\\n", (unsigned long long){macro});')
	source.append("return 0; }")
	with tempfile.TemporaryDirectory() as tmp:
		path = os.path.join(tmp, "layout.c")
		with open(path, "w", encoding="utf-8") as f:
			f.write("\n".join(source))
		program = os.path.join(tmp, "layout")
		subprocess.run([os.environ.get("CC", "gcc"), "-I" + include, path, "-o", program], check=True)
		found = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout
	if "--update" in sys.argv:
		with open(golden, "w", encoding="utf-8") as f:
			f.write(found)
		return 0
	with open(golden, encoding="utf-8") as f:
		want = f.read().splitlines()
	found = found.splitlines()
	lost = [line for line in want if line not in set(found)]
	new = [line for line in found if line not in set(want)]
	for line in lost:
		print("was:", line)
	for line in new:
		print("is: ", line)
	if lost or new:
		print(f"layout of segment.h changed: think about the version, then {sys.argv[0]} {include} {golden} --update")
		return 1
	print(len(found), "lines agree")
	return 0


sys.exit(main())
