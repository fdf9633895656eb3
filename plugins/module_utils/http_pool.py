# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP connections of probes."""

from __future__ import annotations

import functools
import ipaddress
import ssl
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.time_limit import Limit, Limits

# More hosts than a task has: one that is forgotten would lose its connections.
MAX_HOSTS = 4096
MAX_IDLE = 1024
# Of this thread's request: whether it made a connection, and the limit of its time.
REQUEST = threading.local()


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine; a name that only begins like an address is not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a verifying TLS context, made once a process: reading the CA certificates costs more than a request.

    :raises OSError: ``ca_file`` cannot be read (``ssl.SSLError`` when it holds no certificate)
    """
    context = ssl.create_default_context(cafile=ca_file)
    paths = ssl.get_default_verify_paths()
    if not ca_file and not paths.cafile and not paths.capath:
        # Pythons from python.org on macOS come without any CA certificate; botocore brings its own.
        from botocore.httpsession import where

        context.load_verify_locations(where())
    return context


class Pools:
    """urllib3's managers for the probes of one task; threads may share them.

    The proxy variables of the environment are honoured, as they are when this is made.

    :param limits: what keeps the time of requests; by default limits of its own
    """

    def __init__(self, limits: Limits | None = None) -> None:
        # From the environment only: the lookup in macOS's settings crashes forked processes.
        from urllib import request

        self._proxies = request.getproxies_environment()
        self._bypass = request.proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._managers: dict[tuple[str | None, str | None, bool], t.Any] = {}

    def manager(self, url: str, ca_file: str | None) -> t.Any:
        """Return the manager that sends to a URL.

        :raises OSError: ``ca_file`` cannot be read (``ssl.SSLError`` when it holds no certificate)
        """
        key = (self._proxy(url), ca_file, url.startswith("https:"))
        with self._lock:
            if key not in self._managers:
                self._managers[key] = make_manager(*key)
            return self._managers[key]

    def _proxy(self, url: str) -> str | None:
        """Return the proxy on the way to a URL, None for this machine."""
        parts = urlsplit(url)
        proxy, host = self._proxies.get(parts.scheme), parts.hostname or ""
        return None if not proxy or is_loopback(host) or self._bypass(host) else proxy


def make_manager(proxy: str | None, ca_file: str | None, secure: bool) -> t.Any:
    """Return a urllib3 manager that repeats nothing and verifies certificates.

    :raises OSError: ``ca_file`` cannot be used
    """
    import urllib3

    options: dict[str, t.Any] = {"retries": False, "num_pools": MAX_HOSTS, "maxsize": MAX_IDLE}
    if secure:
        options["ssl_context"] = tls_context(ca_file)
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = noting_pools()
    return manager


@functools.cache
def noting_pools() -> dict[str, t.Any]:
    """Return urllib3's classes of pools by scheme; their connections tell the limit of the request who they are."""
    from urllib3 import connection, connectionpool

    def connected(sender: t.Any) -> None:
        REQUEST.connected = True
        REQUEST.limit.watch(sender.sock)

    def asked(sender: t.Any) -> None:
        if sender.sock is not None:
            REQUEST.limit.watch(sender.sock)

    class Plain(connection.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            connected(self)

        def request(self, *arguments: t.Any, **options: t.Any) -> None:
            asked(self)
            super().request(*arguments, **options)

    class Secure(connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            connected(self)

        def request(self, *arguments: t.Any, **options: t.Any) -> None:
            asked(self)
            super().request(*arguments, **options)

    http = type("HTTPConnectionPool", (connectionpool.HTTPConnectionPool,), {"ConnectionCls": Plain})
    https = type("HTTPSConnectionPool", (connectionpool.HTTPSConnectionPool,), {"ConnectionCls": Secure})
    return {"http": http, "https": https}


def ask(manager: t.Any, limit: Limit, method: str, url: str, seconds: float, **options: t.Any) -> t.Any:
    """Send a request and return urllib3's response.

    A GET over a connection of an earlier request is sent again where that turns out to be closed: it was the server's
    right to close it, and says nothing about its health.

    :param limit: gets to know the connection
    :param seconds: for both together
    :raises HTTPError: as urllib3 has it
    """
    import urllib3
    from urllib3.exceptions import ProtocolError

    ends = time.monotonic() + seconds
    REQUEST.connected, REQUEST.limit = False, limit
    try:
        return manager.request(method, url, timeout=urllib3.Timeout(total=seconds), **options)
    except ProtocolError:
        left = ends - time.monotonic()
        if REQUEST.connected or method != "GET" or limit.passed or left <= 0:
            raise
        return manager.request(method, url, timeout=urllib3.Timeout(total=left), **options)
