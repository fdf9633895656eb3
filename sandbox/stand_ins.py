# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what stands in for what in this sandbox: a page for the summary of a deployment."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import auto_scaling_world
import certificate_keys
import databases
import machines

PAGE = "/_sandbox/stand-ins"


class StandIn(t.TypedDict):
    """One line of the page.

    ``missing``: what the real thing does and this does not
    """

    stands_for: str
    stand_in: str
    missing: str


AUTO_SCALING: StandIn = {
    "stands_for": "Amazon EC2 Auto Scaling",
    "stand_in": "simulated: its documented rules for lifecycle hooks, health and instance refresh",
    "missing": "a warm-up takes 1 s at most, a target is healthy within seconds; scaling policies do nothing",
}
INSTANCES: StandIn = {
    "stands_for": "EC2 instances",
    "stand_in": "processes of this machine with the same package, hash check, settings, migration and server command",
    "missing": "their user data was not run: no systemd with its hardening, no dnf, no CloudWatch agent, no own user",
}
BALANCER: StandIn = {
    "stands_for": "Application Load Balancer and its DNS name",
    "stand_in": "the emulator's rules behind a port of this machine, with TLS by the listener's certificate",
    "missing": "zones, security groups and access logs have no effect",
}
DATABASES: StandIn = {
    "stands_for": "RDS for PostgreSQL",
    "stand_in": "a PostgreSQL 18 of this machine with TLS forced; a snapshot is a copy of it",
    "missing": "IAM authentication, another version, parameters, Multi-AZ; restored to a point in time is the present",
}


class Page:
    """The page of one sandbox.

    :param scaling: its groups
    :param service: the emulator's module of RDS
    :param keys: of its certificates
    """

    def __init__(self, scaling: auto_scaling_world.Scaling, service: t.Any, keys: certificate_keys.Keys) -> None:
        self.scaling = scaling
        self.service = service
        self.keys = keys

    def has(self, scope: dict[str, t.Any]) -> bool:
        """Tell whether a request is for one of the sandbox's own pages."""
        return scope["type"] == "http" and scope["path"] in (PAGE, certificate_keys.PAGE)

    def lines(self) -> list[StandIn]:
        """Return what is in use."""
        groups = bool(self.scaling.service._asgs._data)
        running = any(item["_port"] for item in self.scaling.every_instance())
        servers = any(databases.is_ours(item) for item in self.service._instances._data.values())
        balanced = bool(self.scaling.targets.balancer._lbs._data)
        found = ((AUTO_SCALING, groups), (INSTANCES, running), (BALANCER, balanced), (DATABASES, servers))
        return [line for line, used in found if used]

    async def answer(self, scope: dict[str, t.Any], send: t.Any) -> None:
        """Answer one of them."""
        if scope["path"] == certificate_keys.PAGE:
            return await self.keys.answer(scope["query_string"], send)
        body = json.dumps({"stand_ins": self.lines()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return None


def install(directory: Path, port: int, app: t.Any) -> Page:
    """Put every stand-in into the emulator, which is in this process.

    :param app: the emulator's module of requests
    """
    from ministack.core import persistence
    from ministack.services import rds

    scaling = auto_scaling_world.Scaling(directory, port)
    scaling.wait_for(app, keeps=persistence.PERSIST_STATE)
    scaling.install()
    scaling.targets.own_every_path(app)
    keys = certificate_keys.Keys(directory)
    keys.install()
    machines.Machines(directory, scaling.stand_ins).install()
    databases.Databases(directory, port, rds).install()
    return Page(scaling, rds, keys)
