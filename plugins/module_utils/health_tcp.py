# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check kind tcp: whether somebody accepts connections. And what all kinds with a host and a port share."""

from __future__ import annotations

import math
import os
import shlex
import socket
import time
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import measure, shorten


def place_of(probe: dict[str, t.Any]) -> str:
    """Return host and port as a person types them."""
    host = f"[{probe['host']}]" if ":" in probe["host"] else probe["host"]
    return f"{host}:{probe['port']}"


def connect_step(probe: dict[str, t.Any]) -> str:
    return f"nc -vz {shlex.quote(probe['host'])} {probe['port']}"


def connection_finding(error: OSError, probe: dict[str, t.Any], seconds: float) -> Finding:
    """Say what a failed connection means: nobody there is critical, a name that does not resolve is unknown."""
    place = place_of(probe)
    if isinstance(error, socket.gaierror):
        return Finding("unknown", f"{place}: the name {probe['host']} does not resolve from here")
    if isinstance(error, TimeoutError):
        return Finding("critical", f"{place}: no answer within {seconds:g} s")
    return Finding("critical", f"{place}: {shorten(error.strerror or str(error) or type(error).__name__)}")


def connected(look: Look) -> socket.socket:
    """Return a connection to host and port.

    :raises Finding: there is none
    """
    seconds = look.seconds_left()
    try:
        return socket.create_connection((look.probe["host"], look.probe["port"]), timeout=seconds)
    except (OSError, UnicodeError) as error:
        failure = error if isinstance(error, OSError) else socket.gaierror(str(error))
        raise connection_finding(failure, look.probe, seconds) from error


def timed(call: t.Callable[[], t.Any], samples: int) -> tuple[float, ...]:
    """Return the milliseconds of the calls; the first of several only warms up and is dropped."""

    def one() -> float:
        start = time.monotonic()
        call()
        return (time.monotonic() - start) * 1000

    return tuple(measure(one, samples))


def read_password(look: Look) -> str | None:
    """Return what ``password_file`` holds, None where it is not given; it is kept out of what is told.

    :raises Finding: unknown, because without it nothing can be said about the server
    """
    path = look.probe["password_file"]
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            password = file.read().strip("\r\n")
    except OSError as error:
        step = f"ls -l {shlex.quote(os.path.dirname(path))}"
        raise Finding("unknown", f"password_file {path}: {error.strerror}", step) from error
    except ValueError as error:
        raise Finding("unknown", f"password_file {path}: not a text file", f"file {shlex.quote(path)}") from error
    look.secrets.append(password)
    return password


def whole_seconds(seconds: float) -> int:
    """Return seconds as libraries take them that know no fractions."""
    return max(math.ceil(seconds), 1)


def look_tcp(look: Look) -> Observation:
    """Connect and leave."""
    times = timed(lambda: connected(look).close(), look.probe["samples"])
    return Observation("healthy", f"{place_of(look.probe)} accepts connections", times)


TCP = Kind("tcp", look_tcp, TIMED | {"host", "port"}, required=("host", "port"), step=connect_step)
