# SPDX-License-Identifier: MIT
"""real.py: real programs from Debian as benchmarks: a command, its input, and what its output must be.

The sizes make each run last 1-2 s on a machine of 2025.  The outputs are compared by hash among all allocators.
"""
import os
import shlex
import shutil
import subprocess
import sys

from allocators import clean_env
from measure import measure, sha
from servers import Nginx, Postgres, Redis
from service import Failed

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
sys.path.insert(0, PROGRAMS)
import generate  # pylint: disable=wrong-import-position
import sql  # pylint: disable=wrong-import-position


class Command:
	"""A program that runs to its end.  Subclasses say argv(context); input(context) makes files once."""
	name, group, program = "", "real", ""
	size = 1.0
	env = {}

	def __init__(self, scale=1.0):
		self.scale = self.size * scale
		self.stdin = None
		self.ready = False

	def missing(self):
		"""Names of programs that are not installed."""
		return [] if shutil.which(self.program) else [self.program]

	def argv(self, context):
		raise NotImplementedError

	def input(self, context):
		"""Makes what the program reads."""

	def file(self, context, name, text):
		path = context.place.path(name)
		with open(path, "w", encoding="ascii") as f:
			f.write(text)
		return path

	def run(self, context, variant):
		if not self.ready:
			self.input(context)
			self.ready = True
		result, out = measure(context, variant, self.argv(context), self.env, self.stdin)
		if not out:
			raise Failed("no output")
		context.check_output(self.name, sha(out), out[-2000:].decode(errors="replace"))
		return result


class Python(Command):
	"""CPython without its own small object allocator: every object is a malloc."""
	name, program, size = "python", "/usr/bin/python3", 2.2
	env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}

	def argv(self, context):
		return [self.program, "-s", "-S", os.path.join(PROGRAMS, "work.py"), str(self.scale)]


class Lua(Command):
	name, program, size = "lua", "lua5.4", 2.6

	def argv(self, context):
		return [self.program, os.path.join(PROGRAMS, "work.lua"), str(self.scale)]


class Perl(Command):
	name, program, size = "perl", "perl", 2.0
	env = {"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}

	def argv(self, context):
		return [self.program, os.path.join(PROGRAMS, "work.pl"), str(self.scale)]


class Node(Command):
	"""V8 has a heap of its own; buffers, parsing and compression use malloc."""
	name, program, size = "node", "node", 4.0

	def argv(self, context):
		return [self.program, os.path.join(PROGRAMS, "work.js"), str(self.scale)]


class Sqlite(Command):
	name, program, size = "sqlite", "sqlite3", 3.0

	def input(self, context):
		self.stdin = self.file(context, "work.sql", sql.script(self.scale))

	def argv(self, context):
		return [self.program, "-batch", "-init", "/dev/null", ":memory:"]


class Ghostscript(Command):
	name, program, size = "gs", "gs", 3.0

	def input(self, context):
		self.file(context, "work.ps", generate.postscript(max(1, round(8 * self.scale))))

	def argv(self, context):
		return [self.program, "-q", "-dNOPAUSE", "-dBATCH", "-dSAFER", "-sDEVICE=ppmraw", "-r72", "-sOutputFile=-",
			context.place.path("work.ps")]


class Cc1plus(Command):
	"""The compiler proper, as g++ would call it: no driver, no assembler."""
	name, program, size = "cc1plus", "g++", 1.0
	words = []

	def input(self, context):
		# a small run leaves out the instantiations; the headers stay
		source = self.file(context, "work.cc", generate.cplusplus(round(self.scale)))
		said = subprocess.run([self.program, "-###", "-std=gnu++17", "-O1", "-w", "-S", "-o", "-", source],
			stderr=subprocess.PIPE, text=True, check=True, env=clean_env({"LC_ALL": "C"})).stderr
		lines = [line for line in said.splitlines() if "/cc1plus" in line.split(" -")[0]]
		if not lines:
			raise Failed(f"g++ -### does not tell how it calls cc1plus:\n{said}")
		self.words = shlex.split(lines[0])

	def argv(self, context):
		return self.words


ALL = [Python, Lua, Perl, Node, Sqlite, Ghostscript, Cc1plus, Redis, Nginx, Postgres]


def programs(scale=1.0):
	"""All real programs, those too that are not installed."""
	return [kind(scale) for kind in ALL]
