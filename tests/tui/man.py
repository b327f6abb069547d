#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""man.py KEYS MANUAL: the key table of tui/keymap.c against heaptop(1), INTERACTIVE COMMANDS.

KEYS prints `--help-keys`.  Every key of the table must be in that section, and every key that the section marks up
with Ic or as the tag of a list item must be in the table."""
import re
import subprocess
import sys

keys_program, manual = sys.argv[1], sys.argv[2]
try:
	text = open(manual, encoding="utf-8").read()
except FileNotFoundError:
	print(f"skip: no {manual}")
	sys.exit(77)
section = re.search(r'^\.Sh "?INTERACTIVE COMMANDS"?$(.*?)^\.Sh ', text, re.M | re.S)
if not section:
	print(f"{manual}: no section INTERACTIVE COMMANDS")
	sys.exit(1)
table = set()
for line in subprocess.run([keys_program], capture_output=True, text=True, check=True).stdout.splitlines():
	table |= {k.strip() for k in re.split(r"  +", line)[0].split(", ")}
page = set()
for line in section[1].splitlines():
	if line.startswith((".It ", ".Ic ")):
		line = line.replace('\\&', '').replace('\\(ba', '|').replace('\\e', '\\').replace('\\-', '-')
		page |= {w.strip('"') for w in line.split()[1:]} - {"Ic", ",", "No", "Ns", "or", "Cm", "Sy", "Li", "Xo", "Xc", ".."}
missing, unknown = sorted(table - page), sorted(k for k in page - table)
for k in missing:
	print(f"key '{k}' is not in {manual}")
for k in unknown:
	print(f"{manual} names '{k}', which is no key")
sys.exit(1 if missing or unknown else 0)
