# SPDX-License-Identifier: MIT
"""service.py: what the tests on real services share: a temporary place, a free port, starting under the library,
asking heaptop, checking, and cleaning up whatever happens.

Environment: HEAPSPY_LIB, HEAPTOP (both optional for --plain runs), as tests/meson.build sets it.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LIB = os.environ.get("HEAPSPY_LIB", "")
HEAPTOP = os.environ.get("HEAPTOP", "")
SKIP = 77


class Failed(Exception):
	"""A check that did not hold; ends the test."""


def skip(why):
	print("skipped:", why)
	sys.exit(SKIP)


def need(*programs):
	"""Skips the test unless all programs are there; returns their paths."""
	paths = [shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin") for p in programs]
	for program, path in zip(programs, paths):
		if not path:
			skip(f"{program} is not installed")
	return paths if len(paths) > 1 else paths[0]


def check(holds, text):
	if not holds:
		raise Failed(text)
	print("ok:", text)


def free_port():
	with socket.socket() as s:
		s.bind(("127.0.0.1", 0))
		return s.getsockname()[1]


def wait_for(what, predicate, seconds=20.0):
	"""Polls until the predicate is true; its last value."""
	end = time.monotonic() + seconds
	while True:
		value = predicate()
		if value:
			return value
		if time.monotonic() > end:
			raise Failed(f"waited {seconds:g} s in vain for {what}")
		time.sleep(0.05)


def answers(port):
	"""True when somebody accepts on the port."""
	try:
		with socket.create_connection(("127.0.0.1", port), timeout=1):
			return True
	except OSError:
		return False


def proc_status(pid, key):
	"""A kB field of /proc/PID/status in bytes."""
	with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
		for line in f:
			if line.startswith(key + ":"):
				return int(line.split()[1]) * 1024
	raise Failed(f"no {key} in /proc/{pid}/status")


def ours_are_mapped(pid):
	"""True when the process has the library."""
	with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as f:
		return os.path.basename(LIB) in f.read()


class Place:
	"""A temporary folder, a folder for segments, and the processes started in it.  Use as a context manager."""

	def __init__(self, name):
		self.name = name
		self.dir = tempfile.mkdtemp(prefix=f"heapspy-{name}.", dir="/tmp")
		base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else self.dir
		self.segments = tempfile.mkdtemp(prefix=f"heapspy-{name}.", dir=base)
		os.chmod(self.dir, 0o755)
		os.chmod(self.segments, 0o1777)
		self.running = []

	def __enter__(self):
		return self

	def __exit__(self, *_):
		for p in reversed(self.running):
			self.stop(p, signal.SIGKILL)
		shutil.rmtree(self.dir, ignore_errors=True)
		shutil.rmtree(self.segments, ignore_errors=True)

	def path(self, *parts):
		return os.path.join(self.dir, *parts)

	def env(self, spy, conf="", **more):
		"""Environment of a run with the library (spy) or without."""
		env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "HEAPSPY_CONF")}
		if spy:
			env["LD_PRELOAD"] = LIB
			env["HEAPSPY_CONF"] = f"dir:{self.segments}" + ("," + conf if conf else "")
		env.update(more)
		return env

	def start(self, argv, spy, conf="", log=None, **more):
		"""Starts a service in a session of its own; it is stopped at the latest when the place goes."""
		with open(self.path(log or "log"), "ab") as f:
			p = subprocess.Popen(argv, env=self.env(spy, conf, **more), stdin=subprocess.DEVNULL, stdout=f,
				stderr=f, cwd=self.dir, start_new_session=True)
		self.running.append(p)
		return p

	def stop(self, p, number=signal.SIGTERM, seconds=30):
		"""Ends a service and all that it started; its status."""
		if p in self.running:
			self.running.remove(p)
		if p.poll() is None:
			p.send_signal(number)
			try:
				p.wait(seconds)
			except subprocess.TimeoutExpired:
				p.kill()
				p.wait()
		try:
			os.killpg(p.pid, signal.SIGKILL)
		except ProcessLookupError:
			pass
		return p.returncode

	def left(self):
		"""Names of the segments that lie there."""
		return sorted(os.listdir(self.segments))

	def log(self, name="log"):
		try:
			with open(self.path(name), encoding="utf-8", errors="replace") as f:
				return f.read()
		except FileNotFoundError:
			return ""


def run(argv, timeout=120, **more):
	"""Runs a command to its end: (status, stdout, stderr)."""
	p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
		errors="replace", timeout=timeout, check=False, **more)
	return p.returncode, p.stdout, p.stderr


def must(argv, timeout=120, **more):
	"""Runs a command that must succeed; its stdout."""
	status, out, err = run(argv, timeout, **more)
	if status != 0:
		raise Failed(f"{' '.join(argv)}: status {status}: {(err or out).strip()[-2000:]}")
	return out


def frames(place, *args, timeout=60):
	"""JSON objects that `heaptop -b -O json ARGS` prints."""
	out = must([HEAPTOP, "-b", "-O", "json", *args], timeout=timeout,
		env=place.env(False, HEAPSPY_CONF=f"dir:{place.segments}"))
	return [json.loads(line) for line in out.splitlines() if line.strip()]


def frame(place, pid):
	return frames(place, "-n", "1", "-p", str(pid))[0]


def check_ledger(f, rss_before, rss_after, share=0.01):
	"""The parts of a frame add up to its RSS, and that is the kernel's."""
	total = sum(part["bytes"] for part in f["ledger"])
	check(total == f["rss_bytes"], f"ledger parts add up: {total} = {f['rss_bytes']}")
	low, high = min(rss_before, rss_after) * (1 - share), max(rss_before, rss_after) * (1 + share)
	check(low <= f["rss_bytes"] <= high,
		f"RSS {f['rss_bytes']} is VmRSS {rss_before}..{rss_after} within {share:.0%}")
	unexplained = [p["bytes"] for p in f["ledger"] if p["part"] == "unexplained"][0]
	print(f"unexplained: {unexplained} bytes, {unexplained / max(1, f['rss_bytes']):.2%}")


def quiet_log(place, name="log"):
	"""The library had nothing to say on the service's stderr."""
	lines = [line for line in place.log(name).splitlines() if line.startswith("heapspy:")]
	check(not lines, f"no message of the library in {name}" + "".join("\n  " + line for line in lines[:5]))


def main(name, body):
	"""Runs body(place) and turns a failed check into an exit status and a tail of the log."""
	if not os.access(LIB, os.R_OK):
		print("no library", LIB)
		sys.exit(99)
	with Place(name) as place:
		try:
			body(place)
		except (Failed, subprocess.TimeoutExpired, KeyError, ValueError, OSError) as e:
			print(f"FAILED: {type(e).__name__}: {e}")
			for log in sorted(os.listdir(place.dir)):
				if log.endswith("log"):
					print(f"--- tail of {log}\n{place.log(log)[-2000:]}")
			sys.exit(1)
