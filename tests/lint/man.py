#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""man.py [TREE]: the manual pages and the code name the same things, both ways: options of HEAPSPY_CONF with their
defaults, options, commands, keys, columns, findings, variables and exit codes of heaptop, and every field of the
segment with its offset.  $HEAPTOP, when set, is asked for --help and --help-keys; $CC compiles the offsets."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

problems = []


def same(what, code, page):
	"""Both are sets (of names) or dicts (of name to detail)."""
	for name in sorted(set(code) - set(page)):
		problems.append(f"{what}: '{name}' is in the code and not in the manual")
	for name in sorted(set(page) - set(code)):
		problems.append(f"{what}: '{name}' is in the manual and not in the code")
	if isinstance(code, dict) and isinstance(page, dict):
		for name in sorted(set(code) & set(page)):
			if code[name] != page[name]:
				problems.append(f"{what}: '{name}' is {code[name]} in the code, {page[name]} in the manual")


def read(top, *path):
	with open(os.path.join(top, *path), encoding="utf-8") as f:
		return f.read()


def section(page, title):
	match = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page, re.S | re.M)
	if not match:
		problems.append(f"the manual has no section {title}")
		return ""
	return match.group(1)


def items(text):
	"""The lines that open list items, without the macro."""
	return [m.strip() for m in re.findall(r"^\.It (.*)$", text, re.M)]


def library_options(top):
	source = read(top, "libheapspy", "shim", "options.c")
	code = {}
	for name, fields in re.findall(r"\{ \"(\w+)\", HS_OPTION_\w+, (.*?)\},", source, re.S):
		# behind offset, least, most and choices comes the default
		strings = re.findall(r"\"((?:[^\"\\]|\\.)*)\"|\b(SWITCH_TEXT|NULL)\b", fields)
		code[name] = strings[1][0]
	page = {}
	text = section(read(top, "man", "libheapspy.3"), "ENVIRONMENT")
	for name, body in re.findall(r"^\.It Cm (\w+) : Ns Ar \w+\n(.*?)(?=^\.It |^\.El)", text, re.S | re.M):
		words = " ".join(body.replace("\n.Cm ", " ").replace("\n.Pa ", " ").split())
		for sentence in ("The default is {}", "The default, {},", "This version has {} only", "{} is the default"):
			match = re.search(re.escape(sentence).replace(r"\{\}", r"([\w/]+)"), words)
			if match:
				page[name] = match.group(1)
		page.setdefault(name, None)
	same("HEAPSPY_CONF", code, page)


def tool_options(top, page):
	source = read(top, "heaptop", "cli.c")
	code, names = set(), set()
	for letter, name in re.findall(r"\{ (?:'.'|OPT_\w+), \{ (?:'(.)'|0), \"([\w-]+)\"", source):
		code |= {"--" + name} | ({"-" + letter} if letter else set())
	for item in items(section(page, "OPTIONS")):
		names |= {"--" + n for n in re.findall(r"\bFl Fl ([\w-]+)", item)}
		names |= {"-" + n for n in re.findall(r"\bFl (\w)(?= |$)", item)}
	same("option of heaptop", code, names)
	commands = re.search(r"ht_cli_command commands\[\] = \{(.*?)\n\};", source, re.S).group(1)
	code = set(re.findall(r"^\t\{ \"(\w+)\"", commands, re.M))
	same("command", code, {i[3:] for i in items(section(page, "DESCRIPTION")) if i.startswith("Cm ")})


def tool_help(page):
	"""What the program itself prints."""
	tool = os.environ.get("HEAPTOP")
	if not tool or not os.access(tool, os.X_OK):
		print("HEAPTOP is not set to a program: --help and --help-keys were not compared")
		return
	text = subprocess.run([tool, "--help"], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
	listed = section(page, "OPTIONS")
	for name in re.findall(r"^  (?:-\w,|   ) --([\w-]+)", text, re.M):
		if f"Fl Fl {name}" not in listed:
			problems.append(f"--help names --{name}, the manual does not")
	text = subprocess.run([tool, "--help-keys"], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
	code = set()
	for line in text.splitlines():
		code.add(re.split(r"\s{2,}", line, maxsplit=1)[0] if "  " in line else line[:18].strip())
	same("key", code, {re.sub(r" *, *", ", ", i[3:].replace("\\&", "")) for i in
			   items(section(page, "INTERACTIVE COMMANDS"))})


def tool_columns(top, page):
	code = {}
	for name in ("ledger.c", "views_heap.c", "views_who.c"):
		source = read(top, "heaptop", "model", name)
		for view, body in re.findall(r"ht_column (\w+?)(?:_columns)?\[\] = \{(.*?)\n\};", source, re.S):
			code[view] = set(re.findall(r"^\t\{ \"(\w+)\", \"", body, re.M))
	if not code:
		problems.append("no columns were found in heaptop/model")
		return
	shown, every = section(page, "SCREENS"), set().union(*code.values())
	same("column", every, set(re.findall(r"^\.Pq Cm (\w+)", shown, re.M)))
	parts = set(re.findall(r"\[HT_PART_\w+\] = \"(\w+)\"", read(top, "heaptop", "model", "ledger.c")))
	same("ledger part", parts, {i[3:] for i in items(shown) if i.startswith("Cm ")})


def tool_rest(top, page):
	code = set(re.findall(r"^\t\{ \"([a-z-]+)\", ht_rule_", read(top, "heaptop", "diag", "findings.c"), re.M))
	same("finding", code, {i[3:] for i in items(section(page, "FINDINGS")) if i.startswith("Cm ")})
	code = set(re.findall(r"^\tHT_EXIT_\w+ = (\d+)", read(top, "heaptop", "util", "err.h"), re.M))
	same("exit status", code, set(items(section(page, "EXIT STATUS"))))
	code = set()
	for folder, _, names in os.walk(os.path.join(top, "heaptop")):
		for name in names:
			if name.endswith(".c"):
				code |= set(re.findall(r"\bgetenv\(\"(\w+)\"\)", read(folder, name)))
	same("variable", code, {i[3:] for i in items(section(page, "ENVIRONMENT"))})


OFFSETS = """#include <stddef.h>
#include <stdio.h>
#include <heapspy/segment.h>
int main(void)
{
%s	return 0;
}
"""


def segment_fields(top):
	source = re.sub(r"/\*.*?\*/", "", read(top, "include", "heapspy", "segment.h"), flags=re.S)
	lines = []
	for struct, body in re.findall(r"struct heapspy_(\w+) \{\n(.*?)\n\};", source, re.S):
		lines.append(f"\tprintf(\"{struct} - %zu\\n\", sizeof(struct heapspy_{struct}));\n")
		for declaration in re.sub(r"\[\w+\]", "", body).split(";"):
			for name in re.findall(r"(\w+)(?=,|$)", declaration.strip()):
				lines.append(f"\tprintf(\"{struct} {name} %zu\\n\", offsetof(struct heapspy_{struct}, {name}));\n")
	cc = os.environ.get("CC", "cc").split()
	if not shutil.which(cc[0]):
		print("no C compiler: the offsets of the segment were not compared")
		return
	with tempfile.TemporaryDirectory() as folder:
		program = os.path.join(folder, "offsets")
		with open(program + ".c", "w", encoding="utf-8") as f:
			f.write(OFFSETS % "".join(lines))
		subprocess.run(cc + ["-I", os.path.join(top, "include"), "-o", program, program + ".c"], check=True)
		text = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
	structs = {}
	for line in text.splitlines():
		struct, name, number = line.split()
		structs.setdefault(struct, {})[name] = number
	page = read(top, "man", "heapspy-segment.5")
	tables = []
	for table in re.findall(r"^\.It Sy offset .*?\n(.*?)^\.El", page, re.S | re.M):
		rows = re.findall(r"^\.It (\d+) Ta \S+ Ta (\w+) Ta", table, re.M)
		tables.append({name: offset for offset, name in rows})
	for struct, fields in structs.items():
		size = fields.pop("-")
		if fields not in tables:
			problems.append(f"segment: no table of heapspy-segment(5) agrees with struct heapspy_{struct}")
		if not re.search(rf"\b{size} bytes\b", page):
			problems.append(f"segment: the size of struct heapspy_{struct}, {size}, is not in the manual")
	if len(tables) != len(structs):
		problems.append(f"segment: {len(structs)} structures, {len(tables)} tables in the manual")


def layout(top):
	mandoc = shutil.which("mandoc")
	if not mandoc:
		print("no mandoc: the pages were not checked for form")
		return
	for name in sorted(os.listdir(os.path.join(top, "man"))):
		if re.search(r"\.\d$", name):
			run = subprocess.run([mandoc, "-T", "lint", "-W", "warning", os.path.join(top, "man", name)],
					     stdout=subprocess.PIPE, text=True)
			problems.extend(run.stdout.splitlines())


def main():
	top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
	page = read(top, "man", "heaptop.1")
	library_options(top)
	tool_options(top, page)
	tool_help(page)
	tool_columns(top, page)
	tool_rest(top, page)
	segment_fields(top)
	layout(top)
	print("\n".join(problems + [f"{len(problems)} problems"]))
	return 1 if problems else 0


if __name__ == "__main__":
	sys.exit(main())
