#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""gcc, g++, as and ld under the library: byte for byte the same objects and programs, none left behind."""
import hashlib
import os

from service import check, main, must, need

C = "\n".join(f"int f{i}(int x) {{ int a[{i % 50 + 1}]; for (int k = 0; k < {i % 50 + 1}; k++) a[k] = x * k + {i}; "
	f"return a[x % {i % 50 + 1}] + {i}; }}" for i in range(1500)) + \
	"\n#include <stdio.h>\nint main(void) { printf(\"%d\\n\", " + " + ".join(f"f{i}({i})" for i in range(0, 1500, 10)) + "); }\n"
CC = """
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
template <int N> struct deep { static int v() { return deep<N - 1>::v() + N; } };
template <> struct deep<0> { static int v() { return 0; } };
int main() {
	std::map<std::string, std::vector<int>> m;
	for (int i = 0; i < 100; i++) m[std::to_string(i % 7)].push_back(deep<300>::v() + i);
	std::regex r("([a-z]+)([0-9]*)");
	std::cout << m.size() << std::regex_match("abc123", r) << std::endl;
}
"""


def digest(path):
	with open(path, "rb") as f:
		return hashlib.sha256(f.read()).hexdigest()


def build(place, spy):
	"""Compiles the same names in the same folder, so that paths in the objects agree."""
	made = {}
	for name, compiler, flags in (("a.c", "gcc", "-O2 -g"), ("a.c", "gcc", "-O0"), ("b.cc", "g++", "-O1 -g -pipe"),
			("a.c", "gcc", "-O2 -flto=2")):
		out = place.path("out")
		must([compiler, *flags.split(), "-frandom-seed=1", "-o", out, name], timeout=200, cwd=place.dir,
			env=place.env(spy, TMPDIR=place.dir))
		made[(name, flags)] = digest(out) if "lto" not in flags else must([out])
		made[(name, flags, "runs")] = must([out], env=place.env(spy))
		os.unlink(out)
	return made


def body(place):
	need("gcc", "g++")
	for name, text in (("a.c", C), ("b.cc", CC)):
		with open(place.path(name), "w", encoding="ascii") as f:
			f.write(text)
	check(build(place, False) == build(place, True), "same programs with and without the library")
	check(place.left() == [], f"no segment left behind {place.left()}")


main("gcc", body)
