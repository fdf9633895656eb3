# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on loopback that fail below HTTP: they hang, reset, leave half way, or show a wrong certificate."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM
PLAIN = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
# Enough for what gives up after half a second, also on a busy machine; what hangs does so for half a minute.
SECONDS = 4.0


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Say nothing."""
    over.wait(30)


def reset(connection: socket.socket, _over: threading.Event) -> None:
    """Read the request and reset the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half(connection: socket.socket, over: threading.Event) -> None:
    """Send the half of an answer, and close this side only."""
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"status":')
    connection.shutdown(socket.SHUT_WR)
    over.wait(5)


def leave(connection: socket.socket, _over: threading.Event) -> None:
    """End without a word."""
    connection.shutdown(socket.SHUT_WR)
    # Closed with a part of the request unread, the connection would be reset.
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


@contextlib.contextmanager
def listening(
    serve: Callable[[socket.socket, threading.Event], None], family: socket.AddressFamily = socket.AF_INET
) -> Iterator[int]:
    """Serve every connection in a thread; yield the port."""
    over = threading.Event()
    with socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family) as server:

        def one(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                serve(connection, over)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


@dataclass
class Authority:
    """Signs certificates for servers on loopback."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "testing authority")])
        certificate = (
            self._builder(self._name, self._key, timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(PEM))

    def _builder(self, subject: x509.Name, key: t.Any, lasts: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        begin = min(now, now + lasts) - timedelta(days=1)
        serial = x509.random_serial_number()
        return x509.CertificateBuilder(self._name, subject, key.public_key(), serial, begin, now + lasts)

    def context(self, lasts: timedelta = timedelta(days=90), address: str = "127.0.0.1") -> ssl.SSLContext:
        """Return the server's side with a certificate for an address, which ends after a while."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._builder(subject, key, lasts)
            .add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.folder / "server.pem"
        path.write_bytes(certificate.public_bytes(PEM) + key.private_bytes(PEM, *PLAIN))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context
