# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local phase's services as processes: what has to change, changing it, and how they are."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import socket
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.local_first import write_whole
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.supervisor import Supervisor, programs_in

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "supervisord": {"type": "path"},
    "config": {"type": "str"},
    "services": {"type": "list", "elements": "str"},
    "probes": {"type": "dict", "default": {}},
    "patience": {"type": "int", "default": 60},
    "state": {"type": "str", "choices": ["planned", "present", "queried", "stopped", "absent"], "default": "present"},
}
SPEC_OPTIONS: dict[str, t.Any] = {
    "required_if": [
        ("state", "present", ("supervisord", "config")),
        ("state", "planned", ("config",)),
        ("state", "stopped", ("services",)),
    ]
}
# What runs now, as it was configured; written after it does.
APPLIED_FILE = "run/applied.json"
PROBE_SECONDS = 2.0
# A program that ends again and again is given up before all patience is spent.
CRASHING_SECONDS = 15.0
LOG_LINES = 12
UP = ("RUNNING",)
GIVEN_UP = ("FATAL", "STOPPED", "UNKNOWN")
STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "failing",
    "FATAL": "failed",
    "EXITED": "failed",
    "STOPPED": "stopped",
    "STOPPING": "stopping",
}

Programs = dict[str, dict[str, str]]
Action = dict[str, str]


def read_applied(folder: pathlib.Path) -> Programs:
    """Return the settings that the running programs have; empty where nothing was applied yet."""
    try:
        content = json.loads((folder / APPLIED_FILE).read_text(encoding="utf-8"))
        return {str(name): dict(settings) for name, settings in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def differing(before: dict[str, str], after: dict[str, str]) -> str:
    """Name the settings that differ, without their values."""
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return ", ".join("its files" if name == "environment" else name for name in names)


def plan(wanted: Programs, applied: Programs, processes: dict[str, dict[str, t.Any]]) -> list[Action]:
    """Compare what is wanted with what runs.

    :return: for every program its action: create, update, start, remove or none; and why
    """

    def action(name: str) -> tuple[str, str]:
        state = processes.get(name, {}).get("statename")
        if name not in wanted:
            return "remove", "it is not part of the environment any more"
        if name not in applied:
            return "create", "it is not there"
        if applied[name] != wanted[name]:
            return "update", f"changed: {differing(applied[name], wanted[name])}"
        if state not in (*UP, "STARTING", "BACKOFF"):
            return "start", "nothing is running" if not processes else f"it is {STATES.get(str(state), 'unknown')}"
        return "none", ""

    names = [*wanted, *(name for name in applied if name not in wanted)]
    found = {name: action(name) for name in names}
    return [{"service": name, "action": found[name][0], "why": found[name][1]} for name in names]


def problem_of(probe: t.Any) -> str:
    """Return what is wrong with what a service offers; empty when it answers.

    :param probe: a port of 127.0.0.1 that takes connections, or a dictionary with ``url`` (answers 200) or ``command``
        (ends with 0)
    """
    try:
        if not isinstance(probe, dict):
            socket.create_connection(("127.0.0.1", int(probe)), timeout=PROBE_SECONDS).close()
        elif "command" in probe:
            done = subprocess.run(
                probe["command"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_SECONDS,
                check=False,
            )  # fmt: skip
            return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-200:] or "it is not ready"
        else:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(probe["url"], timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(getattr(error, "reason", error))
    return ""


def end_of_log(folder: pathlib.Path, name: str) -> str:
    """Return the last lines that a service wrote."""
    try:
        lines = (folder / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "there is no log"
    return "\n".join(line[:300] for line in lines[-LOG_LINES:])


def wait_for(supervisor: Supervisor, name: str, probe: t.Any, patience: float) -> None:
    """Wait until a program runs and answers.

    :raises McpError: it does not, with the end of its log
    """
    began = time.monotonic()
    while True:
        state = supervisor.processes().get(name, {}).get("statename", "UNKNOWN")
        problem = problem_of(probe) if probe and state in UP else ""
        if state in UP and not problem:
            return
        waited = time.monotonic() - began
        if waited > patience or state in GIVEN_UP or (state == "BACKOFF" and waited > CRASHING_SECONDS):
            break
        time.sleep(0.05)
    log = supervisor.folder / "logs" / f"{name}.log"
    how = f"{STATES.get(state, state)} ({problem or 'it ends again'})"
    raise McpError(
        f"{name} did not come up within {waited:.0f} s: it is {how}. Its log {log} ends with:\n"
        f"{end_of_log(supervisor.folder, name)}\nRepair that, and type the same command again.",
        service=name,
    )


def apply(ctx: Context, supervisor: Supervisor, actions: list[Action], wanted: Programs, applied: Programs) -> None:
    """Carry a plan out, in its order.

    :param actions: of the services that may be touched
    """
    due = {action["service"]: action["action"] for action in actions if action["action"] != "none"}
    config: str = ctx.params["config"]
    if not supervisor.config.exists() or supervisor.config.read_text(encoding="utf-8") != config:
        write_whole(supervisor.config, config.encode())
    if not supervisor.runs():
        supervisor.start(ctx.params["supervisord"])
    rest = {name: settings for name, settings in applied.items() if name not in due}
    if due:  # whoever is killed in what follows leaves what he touched as not applied
        write_whole(supervisor.folder / APPLIED_FILE, json.dumps(rest, indent=1).encode())
    supervisor.reload(due)
    ours = [action["service"] for action in actions if action["action"] != "remove"]
    for name in due:
        if name in ours:
            ctx.progress(f"starting {name}")
            supervisor.start_program(name)
    for name in ours:
        wait_for(supervisor, name, ctx.params["probes"].get(name), ctx.params["patience"])
    if due:
        now = {**rest, **{name: wanted[name] for name in due if name in wanted}}
        write_whole(supervisor.folder / APPLIED_FILE, json.dumps(now, indent=1).encode())


def stop(supervisor: Supervisor, services: list[str], check_mode: bool) -> list[Action]:
    """Stop those of some services that run, one after the other, until the next start; return what was done.

    :raises McpError: one goes on
    """
    processes = supervisor.processes()
    due = [name for name in services if processes.get(name, {}).get("statename") in (*UP, "STARTING", "BACKOFF")]
    if not check_mode:
        for name in due:
            try:
                supervisor.ask("stopProcess", name)
            except OSError as error:
                raise McpError(f"{name} does not stop: {error}. supervisord's log: {supervisor.log}") from error
    return [{"service": name, "action": "stop", "why": "it is told to"} for name in due]


def crashes(log: pathlib.Path) -> dict[str, int]:
    """Count by program how often it ended by itself, as far as the log reaches."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    names = re.findall(r"WARN exited: ([\w-]+) \(.*?; not expected\)", text)
    return {name: names.count(name) for name in set(names)}


def status(supervisor: Supervisor, wanted: t.Iterable[str], probes: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Return by service its state, health, process id and how often it was restarted."""
    processes, ended = supervisor.processes(), crashes(supervisor.log)
    found = {}
    for name in wanted:
        process = processes.get(name, {})
        state = STATES.get(process.get("statename", ""), "absent")
        problem = problem_of(probes[name]) if probes.get(name) and state == "running" else ""
        found[name] = {
            "state": state,
            "health": "healthy" if state == "running" and not problem else "unhealthy",
            "reason": problem,
            "pid": process.get("pid") or None,
            "restarts": ended.get(name, 0),
        }
    return found


def machine() -> dict[str, t.Any]:
    """Return what decides how programs are run here."""
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "platform": f"{platform.system().lower()}-{platform.machine()}",
        "root": os.geteuid() == 0,
    }


def run(ctx: Context) -> dict[str, t.Any]:
    """Plan, apply, look or stop."""
    params = ctx.params
    folder = pathlib.Path(params["directory"]).absolute()
    supervisor = Supervisor(folder)
    if params["state"] == "absent":
        running = supervisor.runs()
        stopped = running if ctx.check_mode else supervisor.shut_down()
        return {"changed": stopped, "actions": [], "status": {}}
    applied = read_applied(folder)
    if params["state"] == "stopped":
        actions = stop(supervisor, params["services"], ctx.check_mode)
        return {"changed": bool(actions), "actions": actions, "status": {}}
    if params["state"] == "queried":
        names = applied if params["services"] is None else params["services"]
        found = status(supervisor, names, params["probes"])
        return {"changed": False, "actions": [], "status": found, "machine": machine()}
    wanted = programs_in(params["config"])
    actions = plan(wanted, applied, supervisor.processes())
    if params["services"] is not None:
        actions = [action for action in actions if action["service"] in params["services"]]
    changed = any(action["action"] != "none" for action in actions)
    if params["state"] == "present" and not ctx.check_mode:
        apply(ctx, supervisor, actions, wanted, applied)
    result: dict[str, t.Any] = {"changed": changed and params["state"] == "present", "actions": actions, "status": {}}
    if ctx.diff_mode and changed:
        after = [f"{action['service']}: {action['action']}, {action['why']}\n" for action in actions if action["why"]]
        result["diff"] = {"before": "", "after": "".join(after), "after_header": "services"}
    return result
