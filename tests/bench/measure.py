# SPDX-License-Identifier: MIT
"""measure.py: what one run of a program or of a server costs: CPU time, wall time, memory.

Programs run under the meter (meter.c).  Servers are asked through /proc before and after the work, so that starting and
stopping them does not count.
"""
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "services"))
from service import Failed, Place, proc_status  # pylint: disable=wrong-import-position

from allocators import clean_env  # pylint: disable=wrong-import-position

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
	"""One run.  peak and end in KiB; ops: operations, over which CPU time is shared out; rate: operations a second as a
	client saw them; viewer: CPU seconds of heaptop meanwhile."""
	cpu: float
	wall: float
	peak: float
	end: float = 0
	ops: float = 1
	rate: float = 0
	viewer: float = 0


class Context:
	"""What all runs share: a temporary place, the meter, copies of what is measured (a rebuild during a run must not
	change it)."""

	def __init__(self, place: Place, scale=1.0, heaptop=None):
		self.place, self.scale, self.heaptop = place, scale, heaptop
		self.expected = {}
		self.meter = place.path("meter")
		source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "meter.c")
		subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", self.meter, source], check=True)

	def check_output(self, name, digest, text):
		"""All allocators must make the same output."""
		if self.expected.setdefault(name, digest) != digest:
			raise Failed(f"{name}: another output than the first run's:\n{text[-2000:]}")


class Viewer:
	"""heaptop at 1 Hz on a process; as a context manager."""

	def __init__(self, context, pid):
		self.context, self.pid, self.cpu, self.process = context, pid, 0.0, None
		self.out = tempfile.TemporaryFile(dir=context.place.dir)

	def __enter__(self):
		# The library makes its segment when the process has proved to matter; until then there is nothing to attach to.
		segments = self.context.place.segments
		for _ in range(100):
			if any(name.startswith(f"heapspy-{self.pid}-") for name in os.listdir(segments)):
				break
			time.sleep(0.02)
		self.process = subprocess.Popen([self.context.heaptop, "-b", "-O", "table", "-d", "1", "-p", str(self.pid)],
			stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT,
			env=clean_env({"HEAPSPY_CONF": f"dir:{segments}"}))
		return self

	def __exit__(self, *_):
		if self.process.poll() is None:
			self.process.send_signal(signal.SIGTERM)
		_, _, used = os.wait4(self.process.pid, 0) if self.process.returncode is None else (0, 0, None)
		self.cpu = used.ru_utime + used.ru_stime if used else 0.0
		self.process.returncode = 0
		frames = os.fstat(self.out.fileno()).st_size
		self.out.close()
		if not frames and sys.exc_info()[0] is None:
			raise Failed(f"the viewer saw nothing of process {self.pid}")


def end_group(process):
	"""Kills what is left of a session that we started."""
	try:
		os.killpg(process.pid, signal.SIGKILL)
	except ProcessLookupError:
		pass
	process.wait()


def measure(context, variant, argv, env=None, stdin=None, timeout=120):
	"""Runs a program under a variant: (Result, stdout as bytes)."""
	report = context.place.path("report")
	words = [f"{k}={v}" for k, v in {**(env or {}), **variant.env}.items()]
	if os.path.exists(report):
		os.unlink(report)
	with open(stdin or os.devnull, "rb") as source, tempfile.TemporaryFile(dir=context.place.dir) as errors:
		meter = subprocess.Popen([context.meter, report, *words, "--", *argv], stdin=source,
			stdout=subprocess.PIPE, stderr=errors, env=clean_env({}), cwd=context.place.dir, start_new_session=True)
		viewer = None
		try:
			if variant.viewer:
				with Viewer(context, wait_for_pid(report, meter)) as viewer:
					out, _ = meter.communicate(timeout=timeout)
			else:
				out, _ = meter.communicate(timeout=timeout)
		except subprocess.TimeoutExpired as e:
			raise Failed(f"not done after {timeout} s: {' '.join(argv)}") from e
		finally:
			end_group(meter)
		errors.seek(0)
		said = errors.read().decode(errors="replace")
	with open(report, encoding="ascii") as f:
		fields = f.read().split("\n")[-2].split()
	if fields[0] != "0":
		raise Failed(f"status {fields[0]}: {' '.join(argv)}\n{said[-2000:]}{out[-1000:].decode(errors='replace')}")
	if "heapspy:" in said:
		raise Failed(f"the library had something to say:\n{said[-2000:]}")
	cpu, wall, peak = map(float, fields[1:4])
	return Result(cpu, wall, peak, viewer=viewer.cpu if viewer else 0), out


def wait_for_pid(report, meter):
	"""The number of the program that the meter runs."""
	while meter.poll() is None:
		try:
			with open(report, encoding="ascii") as f:
				words = f.read().split()
			if len(words) >= 2:
				return int(words[1])
		except FileNotFoundError:
			pass
		time.sleep(0.005)
	raise Failed("the program ended before the viewer came")


def sha(data):
	return hashlib.sha256(data).hexdigest()


def tree(pid):
	"""A process and all its living descendants."""
	found = [pid]
	for p in found:
		try:
			for task in os.listdir(f"/proc/{p}/task"):
				with open(f"/proc/{p}/task/{task}/children", encoding="ascii") as f:
					found += [int(c) for c in f.read().split()]
		except (FileNotFoundError, ProcessLookupError):
			pass
	return found


def tree_cpu(pid):
	"""CPU seconds of the tree so far: the living to the nanosecond, threads and children that are gone in ticks."""
	total = 0.0
	for p in tree(pid):
		try:
			with open(f"/proc/{p}/stat", encoding="ascii", errors="replace") as f:
				fields = f.read().rpartition(")")[2].split()
			total += (int(fields[13]) + int(fields[14])) / TICK
			living = 0
			tasks = os.listdir(f"/proc/{p}/task")
			for task in tasks:
				with open(f"/proc/{p}/task/{task}/schedstat", encoding="ascii") as f:
					living += int(f.read().split()[0])
			total += max(living / 1e9, (int(fields[11]) + int(fields[12])) / TICK)
		except (FileNotFoundError, ProcessLookupError):
			pass
	return total


def tree_pss(pid):
	"""KiB of the tree, what several share counted once."""
	total = 0
	for p in tree(pid):
		try:
			with open(f"/proc/{p}/smaps_rollup", encoding="ascii", errors="replace") as f:
				total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
		except (FileNotFoundError, ProcessLookupError, PermissionError):
			pass
	return total


class Peak(threading.Thread):
	"""Highest sum of PSS of a tree, four times a second; as a context manager."""

	def __init__(self, pid):
		super().__init__(daemon=True)
		self.pid, self.peak, self.over = pid, 0, threading.Event()

	def run(self):
		while True:
			self.peak = max(self.peak, tree_pss(self.pid))
			if self.over.wait(0.25):
				break

	def __enter__(self):
		self.start()
		return self

	def __exit__(self, *_):
		self.over.set()
		self.join()
		self.peak = max(self.peak, tree_pss(self.pid))


def peak_of(pid):
	"""VmHWM in KiB."""
	return proc_status(pid, "VmHWM") / 1024
