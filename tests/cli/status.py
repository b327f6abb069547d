#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""status.py PROGRAM: what goes wrong gets a sentence and the documented exit status, never a stack trace or silence."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../services"))
from service import HEAPTOP, check, main, run, wait_for  # noqa: E402


def tool(place, want, *args, hint=False, user=None):
	argv = (["setpriv", f"--reuid={user}", "--clear-groups"] if user else []) + [HEAPTOP, *args]
	status, out, err = run(argv, env=place.env(False, TERM="dumb"))
	lines = err.splitlines()
	holds = status == want
	if want:
		holds = holds and lines and lines[0].startswith("heaptop: ")
		holds = holds and (not hint or any(line.startswith("hint: ") for line in lines[1:]))
	check(holds, f"heaptop {' '.join(args)}: status {status}, wanted {want}: {lines[:3]}")
	return out


def body(place):
	check("heaptop" in tool(place, 0, "--version"), "--version names it")
	check("--input" in tool(place, 0, "--help"), "--help lists the options")
	tool(place, 2, "--no-such-option")
	tool(place, 2, "-b", "-p", "abc")
	tool(place, 2, "-b", "-p", str(os.getpid()), "-n", "many")
	tool(place, 2, "-b", "-p", str(os.getpid()), "-O", "papyrus")
	plain = place.start(["sleep", "60"], False)
	tool(place, 3, "-b", "-n", "1", "-p", str(plain.pid), hint=True)
	gone = subprocess.Popen(["true"])
	gone.wait()
	tool(place, 3, "-b", "-n", "1", "-p", str(gone.pid))
	tool(place, 3, "-b", "-n", "1", "no-such-program-name")
	tool(place, 3, "-b", "-n", "1", "--input", place.path("nothing"))
	for name, content in (("empty", b""), ("text", b"hello\n" * 1000)):
		with open(place.path(name), "wb") as f:
			f.write(content)
		tool(place, 4, "-b", "-n", "1", "--input", place.path(name))
	p = place.start([os.path.abspath(sys.argv[1]), "wait"], True)
	wait_for("a segment", place.left)
	tool(place, 0, "-b", "-n", "1", "-p", str(p.pid))
	check(str(p.pid) in tool(place, 0, "list"), "list names it")
	if os.getuid() == 0 and os.access("/usr/bin/setpriv", os.X_OK):
		try:
			tool(place, 3, "-b", "-n", "1", "-p", str(p.pid), hint=True, user="nobody")
		except PermissionError:
			print("the build folder is closed to nobody: not tried as another user")
	status, _, err = run(["sh", "-c", f"{HEAPTOP} -b -n 1 -p {p.pid} >/dev/full"], env=place.env(False))
	check(status == 5 and err.startswith("heaptop: "), f"a full disk: status {status}")
	status, _, err = run(["bash", "-c", f"{HEAPTOP} -b -n 3 -d 0.2 -p {p.pid} | head -1; exit ${{PIPESTATUS[1]}}"],
		env=place.env(False))
	check(status == 0 and not err, f"a closed pipe ends it quietly: {status} {err}")


main("status", body)
