# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for RDS in front of a real PostgreSQL: TLS for everybody, IAM tokens for the members of rds_iam.

Tokens are checked as AWS's documents say how requests are signed: written for this, not with the code that signs.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import ipaddress
import secrets
import socket
import ssl
import struct
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.services import Postgres

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
IS_MEMBER = """
    SELECT EXISTS (SELECT FROM pg_auth_members WHERE roleid = to_regrole('rds_iam') AND member = to_regrole(%s)
    AND (inherit_option OR set_option))"""
PIECE = 65536


@dataclass(frozen=True)
class Authority:
    """A certificate authority for one test."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Make one; its certificate is ``ca.pem``."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        made = cls(folder, certificate, key)
        made.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return made

    @property
    def path(self) -> Path:
        """Where clients find the certificate."""
        return self.folder / "ca.pem"

    def server_tls(self, host: str) -> ssl.SSLContext:
        """Return what a server of this name proves itself with."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(subject, self.certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(own, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        pem = self.folder / f"{host}.pem"
        pem.touch(0o600)
        encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
        pem.write_bytes(private + certificate.public_bytes(encoding))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(secrets.randbits(64)).not_valid_before(now - day).not_valid_after(now + day)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def token_problem(token: str, host: str, user: str, secret_key: str) -> str | None:
    """Tell why a token lets nobody in; None for a good one.

    :param host: of the database, with its port
    """
    place, _, query = token.partition("/?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    signature = given.pop("X-Amz-Signature", "")
    if place != host or given.get("Action") != "connect" or given.get("DBUser") != user:
        return f"it is for {place} and {given.get('DBUser')}"
    signed_at = datetime.datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    if given.get("X-Amz-Expires") != "900" or abs(datetime.datetime.now(datetime.UTC) - signed_at).seconds > 900:
        return "it has expired"
    _, date, region, service, kind = given["X-Amz-Credential"].split("/")
    canonical = "&".join(f"{quote(name, safe='-_.~')}={quote(given[name], safe='-_.~')}" for name in sorted(given))
    request = f"GET\n/\n{canonical}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    scope = f"{date}/{region}/{service}/{kind}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, "rds-db", "aws4_request", f"AWS4-HMAC-SHA256\n{given['X-Amz-Date']}\n{scope}\n{digest}"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), signature) else "it is not signed with the key of this account"


class Rds:
    """One database behind its gate, from ``open`` to ``close``; ``refused`` keeps why somebody was not let in.

    The PostgreSQL has to trust users who log in by tokens: the gate has asked for theirs.
    """

    def __init__(self, database: Postgres, tls: ssl.SSLContext, name: str, secret_key: str, address: str) -> None:
        self.database = database
        self.name = name
        self.refused: list[str] = []
        self.tokens: list[str] = []
        self._tls = tls
        self._secret_key = secret_key
        with socket.socket() as probe:
            probe.bind((address, 0))
            self.address: tuple[str, int] = probe.getsockname()
        self._listener: socket.socket | None = None

    @property
    def port(self) -> int:
        """Where it listens while it is open."""
        return self.address[1]

    def open(self) -> None:
        """Take connections."""
        self._listener = socket.create_server(self.address)
        threading.Thread(target=self._listen, args=[self._listener], daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _listen(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            code, packet = _startup(connection)
            while code == GSS_REQUEST:
                connection.sendall(b"N")
                code, packet = _startup(connection)
            if code != SSL_REQUEST:
                self._refuse(connection, "no pg_hba.conf entry for this connection, no encryption")
                return
            connection.sendall(b"S")
            with self._tls.wrap_socket(connection, server_side=True) as safe:
                _, packet = _startup(safe)
                if self._lets_in(safe, packet):
                    self._join(safe, packet)

    def _lets_in(self, client: ssl.SSLSocket, packet: bytes) -> bool:
        """Ask for a token where the user is to have one; anybody else is PostgreSQL's own affair."""
        words = packet[8:].split(b"\0")
        user = words[words.index(b"user") + 1].decode()
        if not self.database.execute(IS_MEMBER, user)[0][0]:
            return True
        client.sendall(b"R" + struct.pack("!ii", 8, 3))
        kind, size = struct.unpack("!ci", _exactly(client, 5))
        token = _exactly(client, size - 4).rstrip(b"\0").decode()
        self.tokens.append(token)
        problem = token_problem(token, f"{self.name}:{self.port}", user, self._secret_key) if kind == b"p" else "none"
        if problem:
            self.refused.append(problem)
            self._refuse(client, f'PAM authentication failed for user "{user}"')
        return problem is None

    def _join(self, client: ssl.SSLSocket, packet: bytes) -> None:
        """Carry bytes in both directions, one thread a direction."""
        with socket.create_connection(("127.0.0.1", self.database.port)) as server:
            server.sendall(packet)
            back = threading.Thread(target=_carry, args=[server, client], daemon=True)
            back.start()
            _carry(client, server)
            back.join(5)

    def _refuse(self, client: socket.socket, message: str) -> None:
        fields = b"".join(part.encode() + b"\0" for part in ("SFATAL", "VFATAL", "C28000", f"M{message}"))
        client.sendall(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = connection.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


def _startup(connection: socket.socket) -> tuple[int, bytes]:
    """Return a packet that begins a connection, and what it asks for."""
    head = _exactly(connection, 8)
    size, code = struct.unpack("!ii", head)
    return code, head + _exactly(connection, size - 8)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def rds(database: Postgres, tls: ssl.SSLContext, name: str, secret_key: str, **where: t.Any) -> t.Iterator[Rds]:
    """Prepare a PostgreSQL as RDS hands one over: the database ``mcp`` of a user ``master``, who is no superuser.

    It listens on loopback unless ``address`` says otherwise. The user ``app`` is to be made, and logs in by tokens.
    """
    (database.data / "pg_hba.conf").write_text(
        "host all app 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    database.execute("SELECT pg_reload_conf()")
    database.execute("CREATE ROLE rds_iam NOLOGIN")
    database.execute(f"CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD '{database.password}'")
    database.execute("GRANT rds_iam TO master WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    database.execute("ALTER DATABASE mcp OWNER TO master")
    made = Rds(database, tls, name, secret_key, where.get("address", "127.0.0.1"))
    try:
        yield made
    finally:
        made.close()
