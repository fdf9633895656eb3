# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Background processes that are found again by id and start time, so that only our own are ever stopped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path


def process_start(pid: int) -> str | None:
    """Return a token that tells this process from a later one with the same id; None: no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _process_start_by_ps(pid)
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _process_start_by_ps(pid: int) -> str | None:
    """Ask ps, where there is no /proc (macOS)."""
    answer = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def write_pid_file(path: Path, pid: int | None = None, **details: int | str) -> None:
    """Write who a process is, by default this one; it does it itself, so no killed starter leaves it unknown."""
    number = pid or os.getpid()
    record = {"pid": number, "started": process_start(number), **details}
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(record), encoding="utf-8")
    partial.replace(path)


def read_pid_file(path: Path) -> dict[str, int | str] | None:
    """Return the record of a process that still lives, else None."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        pid, started = int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if started and process_start(pid) == started else None


def spawn(command: list[str], log: Path, environment: dict[str, str], directory: Path) -> int:
    """Start a process that outlives this one, in a session of its own; return its id."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    process.returncode = 0  # the process is meant to outlive us: no warning about it
    return process.pid


def _reap(pid: int) -> None:
    """Collect the process if it is our child, else it would stay as a zombie."""
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)


def stop(path: Path, grace: float) -> bool:
    """End the process of a pid file: SIGTERM, after ``grace`` seconds SIGKILL; True: there was one."""
    record = read_pid_file(path)
    if record:
        pid, started = int(record["pid"]), record["started"]
        for sign, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + patience
            while process_start(pid) == started and time.monotonic() < deadline:
                time.sleep(0.02)
                _reap(pid)
            if process_start(pid) != started:
                break
    path.unlink(missing_ok=True)
    return record is not None


def find_by_text(text: str) -> list[int]:
    """Return the ids of processes whose command line holds ``text`` (a path that only we use)."""
    if Path("/proc/self/cmdline").exists():
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if text.encode() in entry.read_bytes():
                    found.append(int(entry.parent.name))
        return [pid for pid in found if pid != os.getpid()]
    answer = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False)
    rows = (line.strip().split(None, 1) for line in answer.stdout.splitlines() if text in line)
    return [int(row[0]) for row in rows if int(row[0]) != os.getpid()]


def kill_by_text(text: str, patience: float = 5.0) -> int:
    """Kill what ``find_by_text`` finds and wait until it is gone; return how many."""
    pids = find_by_text(text)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + patience
    while any(process_start(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(pids)


def port_is_free(port: int) -> bool:
    """Try to listen on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_holder(port: int) -> str:
    """Name the process that listens on a port, as well as this user may know; empty: unknown."""
    pid = _listening_pid(port) or _listening_pid_by_lsof(port)
    if not pid:
        return ""
    command = _command_of(pid)
    return f"process {pid} ({command})" if command else f"process {pid}"


def _listening_pid(port: int) -> int | None:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for link in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        with contextlib.suppress(OSError):
            if os.readlink(link) in inodes:
                return int(link.parts[2])
    return None


def _listening_pid_by_lsof(port: int) -> int | None:
    with contextlib.suppress(OSError):
        answer = subprocess.run(
            ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"], capture_output=True, text=True, check=False
        )
        found = re.match(r"\d+", answer.stdout)
        return int(found.group()) if found else None
    return None


def _command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return " ".join(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").split())[:120]
    answer = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return " ".join(answer.stdout.split())[:120]
