#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 of a service: heaptop list shows it as dead, --input its last state, prune removes it (point 7)."""
import os
import signal
import subprocess
import time

from service import HEAPTOP, answers, check, frame, frames, free_port, main, must, need, run, wait_for


def tool(place, *args):
	status, out, err = run([HEAPTOP, *args], env=place.env(False, HEAPSPY_CONF=f"dir:{place.segments}"))
	print(f"$ heaptop {' '.join(args)}\n{out}{err}".rstrip()[:1500])
	return status, out, err


def body(place):
	need("redis-server", "redis-cli", "redis-benchmark")
	port = free_port()
	server = place.start(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""], True)
	wait_for("redis", lambda: answers(port) or server.poll() is not None)
	must(["redis-benchmark", "-p", str(port), "-n", "50000", "-r", "20000", "-d", "300", "-t", "set,lpush", "-q"])
	pid = str(server.pid)
	last = frame(place, server.pid)
	status, out, _ = tool(place, "list")
	check(status == 0 and any(pid in line and "live" in line for line in out.splitlines()), "list shows it as live")
	time.sleep(1.2)
	server.send_signal(signal.SIGKILL)
	server.wait()

	left = place.left()
	check(len(left) == 1 and left[0].startswith(f"heapspy-{pid}-"), f"the segment outlives the crash: {left}")
	path = os.path.join(place.segments, left[0])
	status, out, _ = tool(place, "list")
	check(status == 0 and any(pid in line and "dead" in line for line in out.splitlines()), "list shows it as dead")
	f = frames(place, "-n", "1", "--input", path)[0]
	check(f["state"] == "dead" and f["pid"] == int(pid), f"--input: state {f['state']}, pid {f['pid']}")
	check(abs(f["live_bytes"] - last["live_bytes"]) <= 0.05 * last["live_bytes"] + (1 << 20),
		f"last live bytes {f['live_bytes']}, before {last['live_bytes']}")
	names = {x.get("function") for s in f["sites"] for x in s["stack"]} - {None}
	check(len(names) >= 3, f"symbols of the dead: {sorted(names)[:8]}")
	status, out, err = tool(place, "report", "--input", path)
	check(status == 0 and len(out) > 300, "report of the dead")
	status, _, err = tool(place, "-b", "-n", "1", "-p", pid)
	check(status == 3 and err.startswith("heaptop: "), f"-p of a dead pid: status {status}")

	# A damaged copy and one of another version are refused with a sentence, status 4.
	with open(path, "rb") as src:
		data = bytearray(src.read(65536))
	for name, change in (("magic", (0, 0)), ("major", (8, 9)), ("cut", None)):
		bad = place.path("bad-" + name)
		copy = bytearray(data)
		if change:
			copy[change[0]] = change[1]
		with open(bad, "wb") as dst:
			dst.write(copy if change else copy[:100])
		status, _, err = tool(place, "-b", "-n", "1", "--input", bad)
		check(status == 4 and err.startswith("heaptop: "), f"{name}: status {status}")

	live = place.start(["sleep", "30"], True)
	status, _, _ = tool(place, "prune")
	check(status == 0 and not os.path.exists(path), "prune removes the dead")
	check(subprocess.Popen.poll(live) is None, "and leaves the living alone")


main("crash", body)
