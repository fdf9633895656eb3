# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A supervisord of our own: started, asked and told over its Unix socket (XML-RPC, supervisord.org/api.html)."""

from __future__ import annotations

import configparser
import http.client
import os
import pathlib
import socket
import subprocess
import time
import typing as t
import xmlrpc.client

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

SOCKET_FILE = "run/control"
START_SECONDS = 15.0
STOP_SECONDS = 90.0
CALL_SECONDS = 90.0
# Faults of supervisord that say that what was asked for is so already.
ALREADY = {"ALREADY_ADDED": 90, "ALREADY_STARTED": 60, "NOT_RUNNING": 70, "BAD_NAME": 10}
# Nothing of the person's own cloud, database or Python reaches the services; what they need is in their commands.
FOREIGN = ("ANSIBLE_", "AWS_", "BOTO_", "MCP_", "NANIO_", "OTEL_", "PG", "PYTHON", "REDIS", "SUPERVISOR_")


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CALL_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: t.Any) -> http.client.HTTPConnection:
        return SocketConnection(self._path)


def programs_in(text: str) -> dict[str, dict[str, str]]:
    """Return the programs of a configuration with their settings.

    :raises McpError: it cannot be read
    """
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise McpError(f"supervisord.conf cannot be read: {error}") from error
    sections = [name for name in parser.sections() if name.startswith("program:")]
    return {name.partition(":")[2]: dict(parser.items(name)) for name in sections}


class Supervisor:
    """The supervisord of one folder.

    :param folder: the environment's, absolute
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.config = folder / "supervisord.conf"
        self._server = xmlrpc.client.ServerProxy("http://localhost", SocketTransport(str(folder / SOCKET_FILE)))

    def ask(self, name: str, *arguments: t.Any) -> t.Any:
        """Call a method.

        :raises OSError: nobody answers
        :raises McpError: it refuses
        """
        # XML-RPC takes text of the type str alone; from a playbook it comes as Ansible's own.
        plain = [str(item) if isinstance(item, str) else item for item in arguments]
        try:
            return getattr(self._server.supervisor, name)(*plain)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in ALREADY.values():
                return None
            raise McpError(
                f"supervisord refuses {name}{arguments}: {fault.faultString}. Its log: {self.log}"
            ) from fault
        except (xmlrpc.client.ProtocolError, http.client.HTTPException) as error:
            raise OSError(str(error)) from error

    @property
    def log(self) -> pathlib.Path:
        """Its own log."""
        return self.folder / "logs" / "supervisord.log"

    def runs(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self.ask("getState")["statename"] == "RUNNING")
        except OSError:
            return False

    def processes(self) -> dict[str, dict[str, t.Any]]:
        """Return what it says of every program; empty when it does not run."""
        try:
            return {process["name"]: process for process in self.ask("getAllProcessInfo")}
        except OSError:
            return {}

    def start(self, command: str) -> None:
        """Start it on its configuration; no program starts with it.

        :param command: path of supervisord
        :raises McpError: it does not
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        done = subprocess.run(
            [command, "--configuration", str(self.config)], cwd=self.folder, env=kept, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.runs():
                return
            time.sleep(0.05)
        said = " ".join((done.stderr + done.stdout).split())[-400:] or f"see {self.log}"
        raise McpError(f"supervisord does not start: {said}. Then type the same command again.")

    def reload(self, names: t.Container[str]) -> list[str]:
        """Take over the configuration for some programs, which stops those that it changes; return what it changed."""
        added, changed, removed = self.ask("reloadConfig")[0]
        touched = [name for name in (*changed, *removed) if name in names]
        for name in touched:
            self.ask("stopProcessGroup", name)
            self.ask("removeProcessGroup", name)
        for name in (*added, *changed):
            if name in names:
                self.ask("addProcessGroup", name)
        return [*touched, *(name for name in added if name in names)]

    def start_program(self, name: str) -> None:
        """Start a program without waiting for it."""
        self.ask("startProcess", name, False)

    def shut_down(self) -> bool:
        """Stop every program in its orderly way, then itself; False: it did not run.

        :raises McpError: it goes on
        """
        try:
            pid = int(self.ask("getPID"))
            self.ask("shutdown")
        except OSError:
            return False
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not (self.folder / SOCKET_FILE).exists() and not is_alive(pid):
                return True
            time.sleep(0.05)
        raise McpError(f"supervisord (process {pid}) does not end; its log: {self.log}. Nothing was removed.")


def is_alive(pid: int) -> bool:
    """Tell whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
