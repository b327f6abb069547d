# SPDX-License-Identifier: MIT
"""allocators.py: who takes part, and on what machine: what every table says above its figures."""
import datetime
import glob
import os
import platform
import subprocess
from typing import NamedTuple

LIBDIRS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
PEERS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4", "mimalloc": "libmimalloc.so.2*"}
# Variables that would change what is measured; a run starts without them.
FOREIGN = ("LD_PRELOAD", "HEAPSPY_CONF", "MALLOC_CONF", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES", "HEAPPROFILE",
	"TCMALLOC_SAMPLE_PARAMETER", "DUMP_HEAPTRACK_OUTPUT", "PYTHONMALLOC", "DEBUGINFOD_URLS")
PACKAGES = ("libc6 libjemalloc2 libtcmalloc-minimal4 libgoogle-perftools4 libmimalloc2.0 heaptrack redis-server python3 "
	"lua5.4 sqlite3 ghostscript g++-12 perl nodejs postgresql-15 nginx-light wrk").split()


class Variant(NamedTuple):
	"""One allocator, or one way to run it."""
	name: str
	env: dict = {}
	viewer: bool = False		# heaptop looks once a second
	only: tuple = ()		# the benchmarks or groups it takes part in; all when empty
	most: int = 0			# rounds it takes part in; all when 0


def library(pattern):
	"""Path of an installed library or None."""
	for folder in LIBDIRS:
		paths = sorted(glob.glob(os.path.join(folder, pattern)))
		if paths:
			return paths[0]
	return None


def peers():
	"""The four of the field, as far as they are installed."""
	found = [Variant("glibc")]
	for name, pattern in PEERS.items():
		path = library(pattern)
		if path:
			found.append(Variant(name, {"LD_PRELOAD": path}))
	return found


def ours(path, segments, name="heapspy", conf="", **more):
	"""Our library; segments: the folder for its shared memory."""
	conf = f"dir:{segments}" + ("," + conf if conf else "")
	return Variant(name, {"LD_PRELOAD": path, "HEAPSPY_CONF": conf}, **more)


def clean_env(extra):
	"""The environment of a run."""
	env = {k: v for k, v in os.environ.items() if k not in FOREIGN}
	env.update(extra)
	return env


def first_line(argv, cwd=None):
	try:
		out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, cwd=cwd).stdout
	except OSError:
		return ""
	return (out.splitlines() or [""])[0].strip()


def cpu_model():
	with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
		info = dict(map(str.strip, line.split(":", 1)) for line in f if ":" in line)
	return f"{info.get('model name', '?')} (family {info.get('cpu family', '?')}, model {info.get('model', '?')})"


def machine():
	"""What a reader must know to judge the figures: (key, value) pairs."""
	here = os.path.dirname(os.path.abspath(__file__))
	versions = []
	for package in PACKAGES:
		version = first_line(["dpkg-query", "-W", "-f=${Version}", package])
		if version:
			versions.append(f"{package} {version}")
	dirty = first_line(["git", "status", "--porcelain", "--untracked-files=no", "--", "libheapspy"], here + "/../..")
	with open("/proc/meminfo", encoding="ascii") as f:
		memory = int(f.readline().split()[1]) >> 20
	return [
		("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
		("commit", first_line(["git", "rev-parse", "--short=12", "HEAD"], here) + (" and changes" if dirty else "")),
		("cpu", f"{os.cpu_count()} x {cpu_model()}"),
		("memory", f"{memory} GiB"),
		("kernel", f"{platform.release()} {platform.machine()}"),
		("load", " ".join(f"{x:.2f}" for x in os.getloadavg())),
		("thp", first_line(["cat", "/sys/kernel/mm/transparent_hugepage/enabled"])),
		("packages", ", ".join(versions)),
	]
