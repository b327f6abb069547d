# SPDX-License-Identifier: MIT
"""work.py SCALE: what a Python program does with the heap: JSON, dictionaries, syntax trees, regular expressions,
strings, sorting.  Prints checksums, which do not depend on the allocator."""
import ast
import hashlib
import json
import re
import sys


def records(n):
	seed = 12345
	for i in range(n):
		seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
		yield {"id": i, "name": f"user{seed % 9973}", "tags": [f"t{seed >> s & 63}" for s in range(0, 24, 6)],
			"at": {"x": seed % 1000 / 7, "y": seed // 1000 % 1000 / 11}, "text": "lorem ipsum " * (seed % 9)}


def through_json(n):
	text = json.dumps(list(records(n)))
	back = json.loads(text)
	return hashlib.sha256(json.dumps(back, sort_keys=True, indent=1).encode()).hexdigest()


def dictionaries(n):
	by_name, by_tag = {}, {}
	for r in records(n):
		by_name.setdefault(r["name"], []).append(r)
		for tag in r["tags"]:
			by_tag[tag, r["id"] % 100] = by_tag.get((tag, r["id"] % 100), 0) + 1
	for name in sorted(by_name)[::2]:
		del by_name[name]
	return len(by_name), sum(len(v) for v in by_name.values()), sum(by_tag.values())


def trees(n):
	lines = [f"def f{i}(a, b=({i}, 'x{i}'), *c):\n\treturn [a * {i} + j for j in range({i % 7}) if j != b[0]]\n" for i in range(n)]
	tree = ast.parse("".join(lines))
	return sum(1 for _ in ast.walk(tree)), len(ast.unparse(tree)), len(compile(tree, "x", "exec").co_names)


def expressions(n):
	text = " ".join(f"{r['name']}@{r['tags'][0]}.example.org {r['at']['x']:.3f}" for r in records(n))
	found = re.findall(r"(\w+)@(t\d+)\.example\.org (\d+)\.(\d*)", text)
	swapped = re.sub(r"(\w+)@(t\d+)", lambda m: m.group(2).upper() + "/" + m.group(1), text)
	return len(found), hashlib.sha256(swapped.encode()).hexdigest()


def strings(n):
	words = [format(i * 2654435761 & 0xFFFFFFFF, "x") for i in range(n)]
	words.sort(key=lambda w: w[::-1])
	joined = ",".join(words)
	for a, b in (("a", "xyz"), ("7", ""), (",", ", ")):
		joined = joined.replace(a, b)
	return len(joined), len(set(joined.split(", ")))


def main():
	scale = float(sys.argv[1])
	print(through_json(int(12000 * scale)))
	print(dictionaries(int(40000 * scale)))
	print(trees(int(1500 * scale)))
	print(expressions(int(25000 * scale)))
	print(strings(int(100000 * scale)))


main()
