#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""PostgreSQL under the library: initdb, pgbench -i -s 5, four clients for ten seconds; every backend has a segment of
its own, and none is left behind (point 4 of the first issue)."""
import glob
import os
import pwd
import re
import shutil
import subprocess
import time

from service import LIB, check, free_port, main, must, quiet_log, skip, wait_for

QUERIES = [
	"SELECT count(*), sum(abalance), sum(bid) FROM pgbench_accounts",
	"SELECT md5(string_agg(aid::text || bid::text, ',' ORDER BY aid)) FROM pgbench_accounts WHERE aid <= 50000",
	"SELECT bid, count(*) FROM pgbench_accounts GROUP BY bid ORDER BY bid",
	"SELECT count(*) FROM (SELECT a.aid FROM pgbench_accounts a JOIN pgbench_accounts b ON a.aid = b.bid) x",
	"SELECT md5(string_agg(x::text, '')) FROM (SELECT x FROM generate_series(1, 200000) x ORDER BY md5(x::text)) y",
]


class Cluster:
	"""A throw-away cluster of its own user; all commands of it run with or without the library."""

	def __init__(self, place, bindir, spy):
		self.place, self.bindir, self.spy = place, bindir, spy
		self.port = free_port()
		self.dir = place.path("spy" if spy else "plain")
		os.mkdir(self.dir)
		self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
		if self.user:
			p = pwd.getpwnam("postgres")
			os.chown(self.dir, p.pw_uid, p.pw_gid)
		self.env = place.env(spy, PGHOST=self.dir, PGPORT=str(self.port), PGUSER="tester", PGDATABASE="postgres",
			LC_ALL="C.UTF-8")
		if spy:
			# That user may not be allowed into the build folder.
			lib = shutil.copy(LIB, place.dir)
			os.chmod(lib, 0o755)
			self.env["LD_PRELOAD"] = lib
			if self.user:
				# setpriv itself runs without: it would make a segment as root
				self.user += ["env", "LD_PRELOAD=" + self.env.pop("LD_PRELOAD")]

	def run(self, program, *args, timeout=120):
		return must([*self.user, os.path.join(self.bindir, program), *args], timeout=timeout, env=self.env,
			cwd=self.dir)

	def start(self):
		self.run("initdb", "-D", self.dir + "/data", "-U", "tester", "-A", "trust", "--no-sync", "--no-instructions")
		with open(self.place.path("spy-log" if self.spy else "plain-log"), "ab") as log:
			self.server = subprocess.Popen([*self.user, os.path.join(self.bindir, "postgres"), "-D",
				self.dir + "/data", "-k", self.dir, "-p", str(self.port), "-c", "listen_addresses=", "-c", "fsync=off",
				"-c", "max_parallel_workers_per_gather=2", "-c", "jit=off"], env=self.env, cwd=self.dir,
				stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
		self.place.running.append(self.server)
		wait_for("PostgreSQL", lambda: os.path.exists(f"{self.dir}/.s.PGSQL.{self.port}") or
			self.server.poll() is not None, 30)
		wait_for("an answer", lambda: subprocess.run([*self.user, os.path.join(self.bindir, "pg_isready"), "-q"],
			env=self.env, check=False).returncode == 0, 30)

	def results(self):
		return [self.run("psql", "-XAtq", "-c", q) for q in QUERIES]

	def children(self):
		path = f"/proc/{self.server.pid}/task/{self.server.pid}/children"
		with open(path, encoding="ascii") as f:
			return {int(p) for p in f.read().split()}


def watch(cluster, place, bench):
	"""While pgbench runs: each backend's segment by name."""
	backends, named = set(), {}
	while bench.poll() is None:
		children = cluster.children()
		backends |= children
		for name in place.left():
			match = re.fullmatch(r"heapspy-(\d+)-(\d+)", name)
			check(match, f"name {name}") if not match else None
			named.setdefault(int(match.group(1)), set()).add(name)
		time.sleep(0.1)
	return backends, named


def session(place, bindir, spy):
	c = Cluster(place, bindir, spy)
	c.start()
	c.run("pgbench", "-i", "-s", "5", "-q")
	seen = c.results()
	bench = subprocess.Popen([*c.user, os.path.join(bindir, "pgbench"), "-c", "4", "-j", "2", "-T", "10", "-n"],
		env=c.env, cwd=c.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
	backends, named = watch(c, place, bench)
	out = bench.stdout.read()
	check(bench.returncode == 0 and "number of failed transactions: 0" in out, "pgbench: no failed transaction")
	print(*re.findall(r"tps = .*", out))
	if spy:
		with_segment = backends & set(named)
		check(len(with_segment) >= 4, f"{len(with_segment)} of {len(backends)} server processes have a segment")
		for pid in sorted(with_segment):
			check(len(named[pid]) == 1, f"backend {pid}: {len(named[pid])} segment")
	# The balances must agree in all four tables after any mix of transactions.
	sums = c.run("psql", "-XAtq", "-c", "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) "
		"FROM pgbench_branches) AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM "
		"pgbench_branches)").strip()
	check(sums == "t", "balances agree")
	c.run("pg_ctl", "-D", c.dir + "/data", "-m", "fast", "-w", "stop")
	wait_for("the end of the server", lambda: c.server.poll() is not None, 30)
	check(c.server.returncode == 0, f"the server ended with {c.server.returncode}")
	return seen


def body(place):
	dirs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
	if not dirs or not os.path.exists(dirs[-1] + "/pgbench"):
		skip("PostgreSQL is not installed")
	plain = session(place, dirs[-1], False)
	spied = session(place, dirs[-1], True)
	check(plain == spied, "same results with and without the library")
	check(place.left() == [], f"no segment left behind ({len(place.left())}: {place.left()[:5]})")
	quiet_log(place, "spy-log")


main("postgres", body)
