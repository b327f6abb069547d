#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""memcached under the library: the same answers to a scripted dialogue, the threads are seen, a clean end."""
import os
import socket
import threading

from service import check, check_ledger, frame, free_port, main, need, proc_status, quiet_log, wait_for, answers


def dialogue(port, seed, count):
	"""One client's bounded load; everything that the server said, as one string."""
	said = []
	with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
		f = s.makefile("rwb")

		def ask(text, payload=None):
			f.write(text.encode() + b"\r\n" + (payload + b"\r\n" if payload is not None else b""))
			f.flush()
			line = f.readline().decode().strip()
			said.append(line)
			if line.startswith("VALUE"):
				n = int(line.split()[3])
				said.append(str(hash(f.read(n + 2)) and n))
				said.append(f.readline().decode().strip())

		for i in range(count):
			key = f"key-{seed}-{i % 700}"
			size = (i * 131 + seed * 17) % 20000
			ask(f"set {key} {i} 0 {size}", bytes([65 + i % 26]) * size)
			if i % 3 == 0:
				ask(f"get {key}")
			if i % 5 == 0:
				ask(f"delete key-{seed}-{(i + 350) % 700}")
			if i % 7 == 0:
				ask(f"append {key} 0 0 3", b"abc")
	return "\n".join(said)


def session(place, spy):
	port = free_port()
	argv = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", "4", "-m", "256"]
	if os.getuid() == 0:
		argv += ["-u", "nobody"]
	server = place.start(argv, spy, log="memcached-spy.log" if spy else "memcached.log")
	wait_for("memcached", lambda: answers(port) or server.poll() is not None)
	out = [None] * 4

	def client(i):
		out[i] = dialogue(port, i, 3000)

	threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
	for t in threads:
		t.start()
	for t in threads:
		t.join()
	if spy:
		before = proc_status(server.pid, "VmRSS")
		f = frame(place, server.pid)
		check_ledger(f, before, proc_status(server.pid, "VmRSS"), share=0.02)
		check(len(f["threads"]) >= 4, f"{len(f['threads'])} threads seen")
		check(f["live_bytes"] > 1 << 20, f"live bytes {f['live_bytes']}")
	status = place.stop(server)
	check(status == 0, f"memcached ended with {status}")
	return out


def body(place):
	need("memcached")
	check(session(place, False) == session(place, True), "same answers with and without the library")
	check(place.left() == [], f"no segment left behind {place.left()}")
	quiet_log(place, "memcached-spy.log")


main("memcached", body)
