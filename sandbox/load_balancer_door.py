# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doors of a load balancer: one port with TLS by its listener's certificate, and one without.

They stand for its DNS name: the emulator finds the load balancer by the Host that a door sends. A redirect to the load
balancer's own name leads to the door with TLS.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
import typing as t
from pathlib import Path
from urllib.parse import quote, urlsplit

import doors
import processes
import relay

KIND = "load_balancer"
HTTPS, HTTP = 443, 80
ASK_SECONDS = 10.0
# A listener may get another certificate.
LOOK_AGAIN_S = 2.0


def ask_listeners(emulator: str, host: str) -> dict[str, t.Any] | None:
    """Return what a load balancer listens to; None: there is none.

    :raises OSError: the emulated AWS does not answer
    """
    address = urlsplit(emulator)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", f"/_sandbox/listeners?host={quote(host)}")
        response = connection.getresponse()
        found = json.loads(response.read())
        return found if response.status == 200 else None
    except (ValueError, http.client.HTTPException) as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def redirected(location: str, host: str, url: str) -> str:
    """Return where a redirect leads from here."""
    parts = urlsplit(location)
    own = parts.hostname and parts.hostname.lower() == host.lower() and parts.scheme == "https"
    return location.replace(f"{parts.scheme}://{parts.netloc}", url, 1) if own else location


class BalancerDoor(doors.Door):
    """The two ports of one load balancer.

    :param port: the one with TLS
    :param http_port: the one without
    """

    kind = KIND

    def __init__(self, name: str, host: str, health_path: str, port: int, http_port: int) -> None:
        super().__init__(name, host, "", port)
        self.http_port = http_port
        self.plain: BalancerServer | None = None
        self.certificate = ""
        self.looked_at = 0.0

    @property
    def url(self) -> str:
        """The address with TLS; a certificate names localhost rather than an address."""
        return f"https://localhost:{self.port}"

    def record(self) -> dict[str, t.Any]:
        """Return what a restart needs."""
        return {**super().record(), "http_port": self.http_port}

    def as_dict(self, emulator: str) -> dict[str, str]:
        """Return what the control port tells about the door."""
        plain = f"http://localhost:{self.http_port}"
        return {**super().as_dict(emulator), "url": self.url, "http_url": plain, "kind": self.kind}

    def open(self, emulator: str) -> None:
        """Listen on both ports."""
        try:
            self.server = BalancerServer(self, self.port, emulator, tls=True)
            self.plain = BalancerServer(self, self.http_port, emulator, tls=False)
        except OSError:
            taken = self.http_port if self.server else self.port
            self.close()
            self.error = f"port {taken} is held by {processes.port_holder(taken) or 'another process'}"
            return
        self.error = ""
        for server in (self.server, self.plain):
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        if self.plain:
            self.plain.shutdown()
            self.plain.server_close()
            self.plain = None
        if self.server and not self.error:
            super().close()


class BalancerServer(relay.DoorServer):
    """The listener of one of the two ports."""

    def __init__(self, door: BalancerDoor, port: int, emulator: str, tls: bool) -> None:
        self.port = HTTPS if tls else HTTP
        self._context: ssl.SSLContext | None = None
        self._read: tuple[str, int] = ("", 0)
        self.balancer = door
        super().__init__((doors.LOOPBACK, port), BalancerHandler, door, emulator)

    def get_request(self) -> tuple[t.Any, t.Any]:
        """Take a connection; its handshake is made by the thread that serves it."""
        connection, address = super().get_request()
        if self.port == HTTP:
            return connection, address
        try:
            context = self.context()
        except (OSError, ssl.SSLError) as error:
            connection.close()
            raise OSError(f"no certificate for the door '{self.door.name}': {error}") from error
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def context(self) -> ssl.SSLContext:
        """Return what TLS needs, with the certificate that the listener has by now.

        :raises OSError: it has none
        """
        if not self.balancer.certificate:
            self.look()
        elif time.monotonic() - self.balancer.looked_at > LOOK_AGAIN_S:
            with contextlib.suppress(OSError):  # the one that it had goes on
                self.look()
        path = self.balancer.certificate
        read = (path, Path(path).stat().st_mtime_ns)
        if self._context is None or read != self._read:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(path)
            self._context, self._read = context, read
        return self._context

    def look(self) -> None:
        """Ask for the listener's certificate and keep it in mind.

        :raises OSError: there is none
        """
        found = ask_listeners(self.emulator.geturl(), self.door.host) or {}
        if not found.get("certificate"):
            raise OSError(f"{self.door.host} has no HTTPS listener with a certificate")
        self.balancer.certificate, self.balancer.looked_at = str(found["certificate"]), time.monotonic()


class BalancerHandler(relay.DoorHandler):
    """Pass a viewer's calls to the load balancer."""

    server: BalancerServer

    def host_header(self) -> str:
        """Return the Host by which the emulator finds load balancer and listener."""
        return f"{self.server.door.host}:{self.server.port}"

    def renamed(self, headers: relay.Headers) -> relay.Headers:
        """Let redirects lead to the other door."""
        door = self.server.balancer
        kept = relay.end_to_end(headers)
        return [
            (key, redirected(value, door.host, door.url) if key.lower() == "location" else value) for key, value in kept
        ]

    def is_gone(self, headers: relay.Headers) -> bool:
        """The emulator takes the host of a load balancer that is gone for a bucket's."""
        return any(key.lower() in ("x-amz-request-id", "x-amz-id-2") for key, _value in headers)
