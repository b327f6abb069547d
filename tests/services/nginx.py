#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""nginx under the library: master and workers, reload, requests of all sizes; same bytes as without."""
import hashlib
import os
import signal
import urllib.request

from service import check, free_port, frame, main, need, quiet_log, run, wait_for, answers

CONF = """
daemon off;
master_process on;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
{user}
events {{ worker_connections 128; }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
	gzip on; gzip_min_length 100; gzip_types *; gzip_proxied any;
	server {{
		listen 127.0.0.1:{port};
		root {dir}/www;
		location /echo {{ return 200 "method $request_method args $args agent $http_user_agent\\n"; }}
		location /back/ {{ proxy_pass http://127.0.0.1:{port}/; proxy_buffers 8 4k; }}
	}}
}}
"""


def children(pid):
	with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
		return [int(p) for p in f.read().split()]


def fetch(port, path, gzip=False):
	request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"User-Agent": "test/1"})
	if gzip:
		request.add_header("Accept-Encoding", "gzip")
	with urllib.request.urlopen(request, timeout=20) as r:
		return r.status, r.headers.get("Content-Encoding"), hashlib.sha256(r.read()).hexdigest()


def session(place, nginx, spy):
	port = free_port()
	user = "user nobody nogroup;" if os.getuid() == 0 else ""
	with open(place.path("nginx.conf"), "w", encoding="ascii") as f:
		f.write(CONF.format(dir=place.dir, port=port, user=user))
	server = place.start([nginx, "-p", place.dir, "-c", place.path("nginx.conf")], spy,
		log="nginx-spy.log" if spy else "nginx.log")
	wait_for("nginx", lambda: answers(port) or server.poll() is not None)
	seen = []
	for turn in range(2):
		for i in range(300):
			seen.append(fetch(port, f"/file{i % 8}", gzip=i % 2 == 1))
			seen.append(fetch(port, f"/back/file{i % 8}"))
			seen.append(fetch(port, f"/echo?{'a' * (i * 13 % 900)}"))
		if turn == 0:
			old = children(server.pid)
			server.send_signal(signal.SIGHUP)
			wait_for("new workers", lambda: children(server.pid) and not set(old) & set(children(server.pid)), 30)
	if spy:
		workers = wait_for("two workers", lambda: len(children(server.pid)) == 2 and children(server.pid))
		for pid in [server.pid] + workers:
			f = frame(place, pid)
			check(f["pid"] == pid and f["live_bytes"] > 0, f"pid {pid} has a segment, {f['live_bytes']} bytes live")
		status, out, _ = run(["wrk", "-t2", "-c16", "-d2s", f"http://127.0.0.1:{port}/file3"])
		if status == 0:
			check("Non-2xx" not in out and "Socket errors" not in out, "wrk saw no error")
	status = place.stop(server, signal.SIGQUIT)
	check(status == 0, f"nginx ended with {status}")
	return seen


def body(place):
	nginx = need("nginx")
	os.mkdir(place.path("www"))
	for i in range(8):
		with open(place.path("www", f"file{i}"), "w", encoding="ascii") as f:
			f.write("".join(f"{k * k % 997} line\n" for k in range(4 ** i // 2 + 5)))
	check(session(place, nginx, False) == session(place, nginx, True), "same bytes with and without the library")
	check(place.left() == [], f"no segment left behind {place.left()}")
	quiet_log(place, "nginx-spy.log")


main("nginx", body)
