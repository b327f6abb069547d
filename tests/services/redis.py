#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""redis-server under the library: same answers as without, live bytes close to used_memory, a ledger that closes,
redis's own functions among the sites (point 2 of the first issue)."""
import hashlib
import subprocess

from service import check, check_ledger, frames, free_port, main, must, need, proc_status, quiet_log, wait_for, \
	answers, ours_are_mapped

LOAD = ["-n", "200000", "-r", "100000", "-d", "200", "-t", "set,get,lpush,hset", "-q", "-P", "16"]


def scripted(count):
	"""A bounded load with a known result: mixed sizes, most deleted, refilled, lists, hashes, sorted sets."""
	lines = []
	for i in range(count):
		lines.append(f"SET k{i} {'x' * (i * 37 % 1500)}")
	for i in range(count):
		if i % 10:
			lines.append(f"DEL k{i}")
	for i in range(count // 2):
		lines.append(f"SET m{i} {'y' * (i * 101 % 3000)}")
		lines.append(f"RPUSH list{i % 50} {'v' * (i % 90)}e{i}")
		lines.append(f"HSET hash{i % 100} f{i} {'w' * (i % 200)}")
		lines.append(f"ZADD zset{i % 20} {i % 977} member{i}")
		lines.append(f"APPEND grow{i % 10} {'z' * 50}")
	return "\n".join(lines) + "\n"


def serve(place, spy):
	port = free_port()
	server = place.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
		"no", "--dir", place.dir, "--enable-debug-command", "yes", "--loglevel", "warning"], spy,
		log="redis-spy.log" if spy else "redis.log")
	wait_for("redis", lambda: answers(port) or server.poll() is not None)
	return server, port


def cli(port, *args):
	return must(["redis-cli", "-p", str(port), *args]).strip()


def fill(port, script):
	subprocess.run(["redis-cli", "-p", str(port)], input=script, stdout=subprocess.DEVNULL, text=True, check=True,
		timeout=120)


def results(port):
	"""What the data look like from outside."""
	out = [cli(port, "DBSIZE"), cli(port, "DEBUG", "DIGEST")]
	for key in ("m17", "grow3", "list7", "hash9", "zset5"):
		out.append(cli(port, "DEBUG", "DIGEST-VALUE", key))
	dump = must(["redis-cli", "-p", str(port), "LRANGE", "list11", "0", "-1"])
	out.append(hashlib.sha256(dump.encode()).hexdigest())
	return out


def info(port, key):
	for line in cli(port, "INFO", "memory").splitlines():
		if line.startswith(key + ":"):
			return int(line.split(":")[1])
	raise ValueError(key)


def body(place):
	need("redis-server", "redis-cli", "redis-benchmark")
	script = scripted(20000)
	seen = []
	for spy in (False, True):
		server, port = serve(place, spy)
		fill(port, script)
		seen.append(results(port))
		if spy:
			observe(place, server, port)
		cli(port, "SHUTDOWN", "NOSAVE") if server.poll() is None else None
		check(server.wait(20) == 0, "redis ended normally")
	check(seen[0] == seen[1], "same data with and without the library")
	check(place.left() == [], "no segment left behind")
	quiet_log(place, "redis-spy.log")


def observe(place, server, port):
	check(ours_are_mapped(server.pid), "the library is loaded")
	must(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), *LOAD], timeout=180)
	before = proc_status(server.pid, "VmRSS")
	used = info(port, "used_memory")
	last = frames(place, "-n", "3", "-d", "1", "-p", str(server.pid))[-1]
	after = proc_status(server.pid, "VmRSS")
	# redis counts usable sizes without the allocator's own; clients and buffers come and go.
	check(abs(last["live_bytes"] - used) <= 0.03 * used + (2 << 20),
		f"live bytes {last['live_bytes']} are close to used_memory {used}")
	check_ledger(last, before, after)
	names = {f.get("function") for s in last["sites"] for f in s["stack"] if f.get("function")}
	mine = sorted(n for n in names if n.startswith(("sds", "dict", "create", "quicklist", "listTypeTry", "zsl", "lp",
		"ztrymalloc", "zmalloc", "hset", "hashType", "processCommand", "call", "raxNew", "rax")))
	check(len(mine) >= 3, f"functions of redis in the sites: {', '.join(mine[:10])}")
	check(any(f["module"] and "redis" in f["module"] for s in last["sites"] for f in s["stack"] if f.get("module")),
		"the sites name redis's executable")
	cli(port, "FLUSHALL", "SYNC")
	empty = frames(place, "-n", "1", "-p", str(server.pid))[-1]
	used = info(port, "used_memory")
	check(abs(empty["live_bytes"] - used) <= 0.05 * used + (2 << 20),
		f"after FLUSHALL: live bytes {empty['live_bytes']}, used_memory {used}")
	# A child that saves: fork under load, copy on write.
	must(["redis-cli", "-p", str(port), "DEBUG", "POPULATE", "20000", "k", "100"])
	cli(port, "BGSAVE")
	wait_for("BGSAVE", lambda: "rdb_bgsave_in_progress:0" in cli(port, "INFO", "persistence"))
	check("rdb_last_bgsave_status:ok" in cli(port, "INFO", "persistence"), "BGSAVE in a child succeeded")


main("redis", body)
