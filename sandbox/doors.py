# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doors of a sandbox: loopback ports that lead to one emulated distribution or load balancer each."""

from __future__ import annotations

import json
import re
import threading
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import processes
import relay

LOOPBACK = "127.0.0.1"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DISTRIBUTION = "distribution"
HOSTS = {
    DISTRIBUTION: (re.compile(r"[a-z0-9]+\.cloudfront\.net"), "a distribution's domain, like d1.cloudfront.net"),
    "load_balancer": (
        re.compile(r"[A-Za-z0-9-]+\.[a-z0-9-]+\.elb\.amazonaws\.com"),
        "a load balancer's name, like mcp-1.us-east-1.elb.amazonaws.com",
    ),
}


class BadDoor(ValueError):
    """What was asked of the control port does not make a door."""


class Door:
    """One loopback port that leads to one distribution.

    :param health_path: path and query of the health page on the emulator, or empty
    """

    kind = DISTRIBUTION

    def __init__(self, name: str, host: str, health_path: str, port: int) -> None:
        self.name = name
        self.host = host
        self.health_path = health_path
        self.port = port
        self.error = ""
        self.server: relay.LoopbackServer | None = None

    def as_dict(self, emulator: str) -> dict[str, str]:
        """Return what the control port tells about the door."""
        told = {"name": self.name, "url": f"http://{LOOPBACK}:{self.port}", "host": self.host}
        if self.health_path:
            told["health_url"] = emulator + self.health_path
        if self.error:
            told["error"] = self.error
        return told

    def record(self) -> dict[str, t.Any]:
        """Return what a restart needs."""
        keys = ("kind", "name", "host", "health_path", "port")
        return {key: getattr(self, key) for key in keys}

    def open(self, emulator: str) -> None:
        """Listen; a port that is taken is remembered as this door's error."""
        try:
            self.server = relay.DoorServer((LOOPBACK, self.port), relay.DoorHandler, self, emulator)
        except OSError:
            holder = processes.port_holder(self.port) or "another process"
            self.error = f"port {self.port} is held by {holder}"
            return
        self.error = ""
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Stop listening; running requests end by themselves."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Doors:
    """The doors of one sandbox, kept in a file so that a restart opens the same ports.

    :param first_port: where the search for a free port begins
    """

    def __init__(self, path: Path, emulator: str, first_port: int) -> None:
        self.path = path
        self.emulator = emulator
        self.first_port = first_port
        self.lock = threading.Lock()
        self.doors = {record["name"]: door_of(**record) for record in self._read()}
        for door in self.doors.values():
            door.open(emulator)

    def _read(self) -> list[dict[str, t.Any]]:
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))["doors"]
        except FileNotFoundError:
            return []

    def _write(self) -> None:
        records = [door.record() for door in self.doors.values()]
        partial = self.path.with_suffix(".new")
        partial.write_text(json.dumps({"doors": records}, indent=2), encoding="utf-8")
        partial.replace(self.path)

    def list(self) -> list[dict[str, str]]:
        """Return every door, by name."""
        with self.lock:
            return [self.doors[name].as_dict(self.emulator) for name in sorted(self.doors)]

    def put(self, name: str, wanted: t.Any) -> dict[str, str]:
        """Make or change a door; one that is open keeps its port.

        :raises BadDoor: wrong name, host or health_url, or no free port
        """
        kind, host, health_path = self._checked(name, wanted)
        with self.lock:
            door = self.doors.get(name)
            if door is not None and (door.kind != kind or (kind != DISTRIBUTION and door.host != host)):
                door.close()
                door = None
            if door is None or door.server is None:
                door = self._open(kind, name, host, health_path, door.port if door else None)
                self.doors[name] = door
            door.host, door.health_path = host, health_path
            self._write()
            return door.as_dict(self.emulator)

    def _checked(self, name: str, wanted: t.Any) -> tuple[str, str, str]:
        if not NAME.fullmatch(name):
            raise BadDoor(f"the name '{name}' may only have lower-case letters, digits and dashes")
        if not isinstance(wanted, dict) or set(wanted) - {"host", "health_url", "kind"}:
            raise BadDoor('the body must be JSON like {"host": "d1.cloudfront.net", "health_url": "http://..."}')
        host, kind = str(wanted.get("host", "")), str(wanted.get("kind") or DISTRIBUTION)
        if kind not in HOSTS:
            raise BadDoor(f"kind is '{kind}'; it must be {' or '.join(HOSTS)}")
        pattern, like = HOSTS[kind]
        if not pattern.fullmatch(host):
            raise BadDoor(f"host is '{host}'; it must be {like}")
        return kind, host, self._health_path(str(wanted.get("health_url") or ""))

    def _health_path(self, url: str) -> str:
        """Keep the path alone: the emulator's port may be another one after a restart."""
        if not url:
            return ""
        parts, emulator = urlsplit(url), urlsplit(self.emulator)
        if parts.scheme != "http" or parts.hostname not in (LOOPBACK, "localhost") or parts.port != emulator.port:
            raise BadDoor(f"health_url is '{url}'; it must begin with {self.emulator}/")
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _open(self, kind: str, name: str, host: str, health_path: str, sticky: int | None) -> Door:
        others = [door.record() for door in self.doors.values() if door.name != name]
        taken = {port for record in others for key, port in record.items() if key in ("port", "http_port")}
        ports = [sticky] if sticky else []
        ports += [port for port in range(self.first_port, min(self.first_port + 200, 65536)) if port not in taken]
        free = (port for port in ports if processes.port_is_free(port))
        for port in free:
            further = {} if kind == DISTRIBUTION else {"http_port": next(free, 0)}
            door = door_of(kind, name=name, host=host, health_path=health_path, port=port, **further)
            door.open(self.emulator)
            if door.server:
                return door
        raise BadDoor(f"no free port between {self.first_port} and {self.first_port + 199}")

    def delete(self, name: str) -> bool:
        """Close a door and give its port back; False: there was none."""
        with self.lock:
            door = self.doors.pop(name, None)
            if door:
                door.close()
                self._write()
            return door is not None


def door_of(kind: str = DISTRIBUTION, **record: t.Any) -> Door:
    """Return a door of a kind; what was kept before there were kinds is a distribution's."""
    if kind == DISTRIBUTION:
        return Door(**record)
    import load_balancer_door

    return load_balancer_door.BalancerDoor(**record)
