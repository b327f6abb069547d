#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""golden.py SHOT MKSEG [--update] [CASE...]: screens of recorded segments against golden/CASE.txt.

Each file holds the text plane and, after "--", one letter per role (heaptop/tui/canvas.c), for each size in UTF-8
and in ASCII.  --update writes the files anew; read the diff before you keep it."""
import difflib
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = ["80x24", "120x40", "60x16", "40x10", "30x5"]

# name: (scenario, "-" is the chooser; key script)
VIEWS = {
	"chooser": ("-", ""),
	"overview-healthy": ("healthy", ""),
	"overview-fragmented": ("fragmented", ""),
	"overview-leak": ("leak", ""),
	"findings-healthy": ("healthy", "2"),
	"findings-fragmented": ("fragmented", "2"),
	"findings-contended": ("contended", "2"),
	"sites": ("fragmented", "3"),
	"site": ("fragmented", "3 Enter"),
	"classes": ("fragmented", "4"),
	"arenas": ("fragmented", "5"),
	"locks": ("contended", "6"),
	"threads": ("contended", "7"),
	"help": ("healthy", "?"),
	"sort-menu": ("fragmented", "3 F6"),
}
# One size, one picture for each part of the script.
SCRIPTS = {
	"keys-filter": ("fragmented", "3 / a|Backspace q z z|Enter|Esc"),
	"keys-sort": ("fragmented", "4 >|>|I|<|F6 j Enter|F6 Esc"),
	"keys-drill": ("fragmented", "3 j j Enter|Esc|? |q|2 Enter|Esc"),
	"keys-tabs": ("healthy", "Tab|Tab|Shift-Tab|7|Tab|q"),
	"keys-pause": ("healthy", "p|p"),
	"keys-follow": ("fragmented", "4 j j|I|g|G"),
	"keys-columns": ("contended", "7 Right|Right Right|Left"),
	"keys-zoom": ("leak", "+ +|-"),
	"keys-chooser": ("-", "j|Enter|G"),
}


def main():
	args = [a for a in sys.argv[1:] if a != "--update"]
	update = "--update" in sys.argv
	shot, mkseg, wanted = args[0], args[1], args[2:]
	env = dict(os.environ, LC_ALL="C.UTF-8", TZ="UTC")
	failed = []
	with tempfile.TemporaryDirectory(prefix="heaptop-golden-") as folder:
		for name in {c[0] for c in list(VIEWS.values()) + list(SCRIPTS.values())} - {"-"}:
			subprocess.run([mkseg, name, os.path.join(folder, name)], check=True)
		for name, (scenario, script) in list(VIEWS.items()) + list(SCRIPTS.items()):
			if wanted and name not in wanted:
				continue
			segment = "-" if scenario == "-" else os.path.join(folder, scenario)
			sizes = SIZES if name in VIEWS else ["80x24"]
			run = subprocess.run([shot, segment, script] + sizes, capture_output=True, text=True, env=env)
			path = os.path.join(HERE, "golden", name + ".txt")
			if run.returncode:
				failed.append(name)
				print(f"{name}: shot failed with {run.returncode}\n{run.stderr}")
				continue
			if update:
				with open(path, "w", encoding="utf-8") as f:
					f.write(run.stdout)
				continue
			old = open(path, encoding="utf-8").read() if os.path.exists(path) else ""
			if old != run.stdout:
				failed.append(name)
				diff = list(difflib.unified_diff(old.splitlines(), run.stdout.splitlines(), "golden/" + name, "now",
					lineterm="", n=1))
				print("\n".join(diff[:60]))
	print(f"{len(VIEWS) + len(SCRIPTS)} cases, {len(failed)} differ")
	if failed:
		print("to keep the new pictures: tests/tui/golden.py SHOT MKSEG --update " + " ".join(failed))
	return 1 if failed else 0


sys.exit(main())
