# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check kind redis: a PING, and how much memory is used."""

from __future__ import annotations

import contextlib
import shlex
import socket
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_tcp import place_of, read_password, timed
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import is_loopback
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import shorten
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.time_limit import Limit

MEGABYTE = 1024 * 1024
# What redis-py raises, besides its own errors, where something else answers.
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)


def redis_step(probe: dict[str, t.Any]) -> str:
    return f"redis-cli -h {shlex.quote(probe['host'])} -p {probe['port']} --askpass ping"


def client_options(look: Look, limit: Limit) -> dict[str, t.Any]:
    """Return the options of a client that repeats nothing; beyond this machine TLS is verified.

    :param limit: gets to know the connection
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    def greet(connection: t.Any) -> None:
        limit.watch(connection._sock)
        connection.on_connect()

    probe, seconds = look.probe, look.seconds_left()
    options: dict[str, t.Any] = {
        "host": probe["host"],
        "port": probe["port"],
        "username": probe["user"],
        "password": read_password(look),
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "redis_connect_func": greet,
        "protocol": 2,  # without a HELLO, which not every server knows and not every user may
    }
    if probe["ca_file"] or not is_loopback(probe["host"]):
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_ca_certs": probe["ca_file"]}
        options["ssl_check_hostname"] = True
    return options


def memory_text(info: t.Any) -> str:
    """Return how much memory is used of what may be.

    :raises ValueError: that is not what a Redis says
    """
    if not isinstance(info, dict) or "used_memory" not in info:
        raise ValueError("INFO")
    used, most = int(info["used_memory"]), int(info.get("maxmemory", 0))
    if not most:
        return f"{used / MEGABYTE:.1f} MB used, no limit set"
    return f"{used / MEGABYTE:.1f} of {most / MEGABYTE:.1f} MB used ({100 * used / most:.0f} %)"


def redis_finding(error: Exception, look: Look, seconds: float) -> Finding:
    """Say what a failure means."""
    from redis import exceptions

    place = place_of(look.probe)
    causes = (error, error.__cause__, error.__context__)
    if isinstance(error, exceptions.BusyLoadingError):
        return Finding("critical", f"{place}: it still loads its data and answers nobody")
    if isinstance(error, (TimeoutError, exceptions.TimeoutError)):
        return Finding("critical", f"{place}: no complete answer within {seconds:g} s")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Finding("unknown", f"{place}: the name {look.probe['host']} does not resolve from here")
    text = shorten(" ".join(str(error).split()) or type(error).__name__)
    if isinstance(error, NONSENSE):
        return Finding("critical", f"{place}: it does not answer as Redis does ({text})")
    if isinstance(error, exceptions.AuthenticationError) and not look.probe["password_file"]:
        return Finding("unknown", f"{place}: it wants a password and no password_file is given ({text})")
    return Finding("critical", f"{place}: {text}")


def look_redis(look: Look) -> Observation:
    """PING, and read how much memory is used."""
    try:
        import redis
    except ImportError as error:
        raise Finding("unknown", "the Python package redis is missing here", "pip install redis") from error
    seconds, memory, limit = look.seconds_left(), "memory not readable", Limit(look.pools.limits)

    def ping() -> None:
        with limit.request(look.seconds_left()):
            if client.ping() is not True:
                raise ValueError("PING")

    try:
        with contextlib.closing(redis.Redis(**client_options(look, limit))) as client:
            times = timed(ping, look.probe["samples"])
            with contextlib.suppress(redis.exceptions.NoPermissionError), limit.request(look.seconds_left()):
                memory = memory_text(client.info("memory"))
    except (redis.exceptions.RedisError, OSError, *NONSENSE) as error:
        raise redis_finding(error, look, seconds) from error
    return Observation("healthy", f"{place_of(look.probe)}: PING ok, {memory}", times)


REDIS = Kind(
    "redis",
    look_redis,
    TIMED | {"host", "port", "user", "password_file", "ca_file"},
    required=("host", "port"),
    step=redis_step,
)
