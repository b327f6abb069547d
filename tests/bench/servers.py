# SPDX-License-Identifier: MIT
"""servers.py: redis, nginx and PostgreSQL under load from a client of their own, which runs without any preload."""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from contextlib import nullcontext

from allocators import Variant
from measure import Peak, Result, Viewer, clean_env, peak_of, tree, tree_cpu
from service import Failed, answers, free_port, must, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


class Server:
	"""A program that serves while a client works.  Subclasses say how it starts, what the client does, how it ends."""
	name, group, programs = "", "real", ()

	def __init__(self, scale=1.0):
		self.scale = scale

	def missing(self):
		"""Names of programs that are not installed."""
		return [p for p in self.programs if not shutil.which(p, path=PATH)]

	def start(self, context, variant, argv, user=()):
		env = clean_env({} if user else variant.env)
		words = [*user, "env", *(f"{k}={v}" for k, v in variant.env.items())] if user else []
		with open(context.place.path(self.name + "-log"), "wb") as log:
			p = subprocess.Popen([*words, *argv], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
				cwd=context.place.dir, start_new_session=True)
		context.place.running.append(p)
		return p

	def stop(self, context, server, number=signal.SIGTERM):
		status = context.place.stop(server, number)
		log = context.place.log(self.name + "-log")
		if "heapspy:" in log:
			raise Failed(f"the library had something to say:\n{log[-2000:]}")
		return status

	def failed(self, context, server):
		context.place.stop(server, signal.SIGKILL)
		return context.place.log(self.name + "-log")[-1500:]

	def run(self, context, variant):
		"""Starts the server, lets the client work, stops it: a Result."""
		server, where = self.begin(context, variant)
		try:
			preload = os.path.basename(os.path.realpath(variant.env.get("LD_PRELOAD", "/")))
			with open(f"/proc/{server.pid}/maps", encoding="utf-8", errors="replace") as maps:
				if preload not in maps.read():
					raise Failed(f"{preload} is not mapped in {self.name}")
			before = tree_cpu(server.pid)
			with Viewer(context, server.pid) if variant.viewer else nullcontext() as viewer:
				ops, rate, peak = self.work(context, server, where)
				cpu = tree_cpu(server.pid) - before
			result = Result(cpu, ops / rate, peak, ops=ops, rate=rate, viewer=viewer.cpu if viewer else 0)
			self.end(context, server, where)
			return result
		except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as e:
			raise Failed(f"{type(e).__name__}: {e}\n{self.failed(context, server)}") from e


class Redis(Server):
	"""redis-server and redis-benchmark.  Debian's is linked with jemalloc: the variant `stock` is that, with no preload;
	for `glibc` libc itself is preloaded, so that its malloc comes before jemalloc's."""
	name, programs = "redis", ("redis-server", "redis-cli", "redis-benchmark")

	def begin(self, context, variant):
		port = free_port()
		if not variant.env and variant.name != "stock":
			variant = variant._replace(env={"LD_PRELOAD": "libc.so.6"})
		server = self.start(context, variant, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
			"--dir", context.place.dir])
		wait_for("redis", lambda: answers(port) or server.poll() is not None)
		return server, port

	def work(self, context, server, port):
		n = int(400000 * self.scale)
		out = must(["redis-benchmark", "-p", str(port), "-n", str(n), "-r", "100000", "-d", "200", "-t",
			"set,get,lpush,hset", "-P", "16", "--csv"], timeout=40, env=clean_env({}))
		rates = [float(line.split(",")[1].strip('"')) for line in out.splitlines() if not line.startswith('"test"')]
		peak = peak_of(server.pid)
		if len(rates) != 4:
			raise Failed(f"redis-benchmark said:\n{out}")
		length = must(["redis-cli", "-p", str(port), "LLEN", "mylist"], env=clean_env({})).strip()
		if length != str(n):
			raise Failed(f"mylist has {length} elements instead of {n}")
		# all four kinds weigh the same: operations over the sum of their times
		return 4 * n, 4 / sum(1 / r for r in rates), peak

	def end(self, context, server, port):
		must(["redis-cli", "-p", str(port), "SHUTDOWN", "NOSAVE"], env=clean_env({}))
		server.wait(20)
		if self.stop(context, server) != 0:
			raise Failed(f"redis ended with {server.returncode}")


NGINX = """
daemon off;
master_process on;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
{user}
events {{ worker_connections 256; }}
http {{
	access_log off;
	client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
	keepalive_requests 1000000;
	gzip on; gzip_min_length 100; gzip_types *; gzip_proxied any; gzip_comp_level 1;
	server {{
		listen 127.0.0.1:{port};
		root {dir}/www;
		location /echo {{ return 200 "method $request_method args $args agent $http_user_agent\\n"; }}
		location /back/ {{ proxy_pass http://127.0.0.1:{port}/; proxy_buffers 8 4k; }}
	}}
}}
"""


class Nginx(Server):
	"""nginx with one worker: small files compressed on the fly, through a proxy to itself."""
	name, programs = "nginx", ("nginx", "wrk")

	def begin(self, context, variant):
		port, where = free_port(), context.place.path("nginx")
		shutil.rmtree(where, ignore_errors=True)
		os.makedirs(where + "/www")
		os.chmod(where, 0o755)
		with open(where + "/www/file", "w", encoding="ascii") as f:
			f.writelines(f"<p>paragraph {i * 7919 % 1009}</p>\n" for i in range(100))
		with open(where + "/nginx.conf", "w", encoding="ascii") as f:
			f.write(NGINX.format(dir=where, port=port, user="user nobody nogroup;" if os.getuid() == 0 else ""))
		nginx = shutil.which("nginx", path=PATH)
		server = self.start(context, variant, [nginx, "-p", where, "-c", where + "/nginx.conf"])
		wait_for("nginx", lambda: answers(port) or server.poll() is not None)
		return server, port

	def work(self, context, server, port):
		requests = 0
		start = time.monotonic()
		with Peak(server.pid) as peak:
			for path in ("file", "back/file"):
				out = must(["wrk", "-t2", "-c16", f"-d{max(1, round(self.scale)):d}s", "-H", "Accept-Encoding: gzip",
					f"http://127.0.0.1:{port}/{path}"], env=clean_env({}))
				if "Non-2xx" in out or "Socket errors" in out:
					raise Failed(f"wrk said:\n{out}")
				requests += int(re.search(r"(\d+) requests in", out).group(1))
		return requests, requests / (time.monotonic() - start), peak.peak

	def end(self, context, server, port):
		if self.stop(context, server, signal.SIGQUIT) != 0:
			raise Failed(f"nginx ended with {server.returncode}")


class Postgres(Server):
	"""PostgreSQL with two pgbench clients.  The cluster is made once, without preload; every run gets a copy."""
	name, programs = "postgres", ("setpriv",)

	def __init__(self, scale=1.0):
		super().__init__(scale)
		self.bin = (sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""])[-1]
		self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
		self.dir = self.template = None

	def missing(self):
		return super().missing() + ([] if os.path.exists(self.bin + "/pgbench") else ["postgresql"])

	def client(self, program, *args, timeout=60):
		env = clean_env({"PGHOST": self.dir, "PGPORT": "5432", "PGUSER": "tester", "PGDATABASE": "postgres",
			"LC_ALL": "C.UTF-8"})
		return must([*self.user, os.path.join(self.bin, program), *args], timeout=timeout, env=env, cwd=self.dir)

	def prepare(self, context):
		"""The cluster that all runs start from."""
		self.dir = os.path.join(context.place.segments, "postgres")
		os.mkdir(self.dir)
		if self.user:
			p = pwd.getpwnam("postgres")
			os.chown(self.dir, p.pw_uid, p.pw_gid)
		self.template = self.dir + "/template"
		self.client("initdb", "-D", self.template, "-U", "tester", "-A", "trust", "--no-sync", "--no-instructions")
		server = self.serve(context, Variant("none"), self.template)
		self.client("pgbench", "-i", "-s", "2", "-q")
		self.client("psql", "-XAtqc", "VACUUM (FREEZE, ANALYZE)")
		self.end(context, server, None)

	def serve(self, context, variant, data):
		server = self.start(context, variant, [os.path.join(self.bin, "postgres"), "-D", data, "-k", self.dir, "-p", "5432",
			*(word for option in ("listen_addresses=", "fsync=off", "jit=off", "autovacuum=off", "shared_buffers=64MB",
				"max_parallel_workers_per_gather=0", "dynamic_shared_memory_type=mmap", "checkpoint_timeout=1h", "max_wal_size=4GB")
				for word in ("-c", option))], user=self.user or ("env",))
		wait_for("PostgreSQL", lambda: os.path.exists(self.dir + "/.s.PGSQL.5432") or server.poll() is not None, 30)
		ready = [*self.user, os.path.join(self.bin, "pg_isready"), "-q", "-h", self.dir]
		wait_for("an answer", lambda: subprocess.run(ready, env=clean_env({}), check=False).returncode == 0 or
			server.poll() is not None, 30)
		return server

	def begin(self, context, variant):
		if not self.template:
			self.prepare(context)
		data = self.dir + "/data"
		subprocess.run(["rm", "-rf", data], check=True)
		subprocess.run(["cp", "-a", self.template, data], check=True)
		return self.serve(context, variant, data), data

	def work(self, context, server, where):
		n = int(2000 * self.scale)
		script = shutil.copy(os.path.join(HERE, "programs", "pgbench.sql"), self.dir)
		os.chmod(script, 0o644)
		idle = len(tree(server.pid))
		with Peak(server.pid) as peak:
			out = self.client("pgbench", "-n", "-c", "2", "-j", "1", "-t", str(n), "--random-seed=42", "-b", "select-only@20",
				"-b", "tpcb-like@8", "-f", script + "@1")
		# a backend's CPU time is the postmaster's to count once it is gone
		wait_for("the end of the backends", lambda: len(tree(server.pid)) <= idle, 10)
		if "number of failed transactions: 0" not in out:
			raise Failed(f"pgbench said:\n{out}")
		return 2 * n, float(re.search(r"tps = ([\d.]+)", out).group(1)), peak.peak

	def end(self, context, server, where):
		balanced = self.client("psql", "-XAtqc", "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) "
			"FROM pgbench_branches) AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM "
			"pgbench_branches)").strip()
		if balanced != "t":
			raise Failed("the balances do not agree")
		if self.stop(context, server, signal.SIGINT) != 0:
			raise Failed(f"postgres ended with {server.returncode}")
