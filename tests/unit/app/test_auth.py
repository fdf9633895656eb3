# SPDX-License-Identifier: MIT
"""Which tokens are accepted, and why the others are not."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pratiko_mcp import auth
from pratiko_mcp.auth import (
    ACCEPTED_TTL_SECONDS,
    KEYS_TTL_SECONDS,
    LEEWAY_SECONDS,
    MAX_ACCEPTED,
    REFETCH_INTERVAL_SECONDS,
    KeySource,
    KeysUnavailable,
    Refusal,
    Token,
    TokenRefused,
    Verifier,
    bearer_token,
    fetch_key_set,
)
from pratiko_mcp.settings import TokenSettings

ISSUER = "https://mcp.example.com"
AUDIENCE = "https://mcp.example.com/mcp"
CLIENT_ID = "4b6cognitoclient"
NOW = int(time.time())

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.fixture(autouse=True)
def _the_time_the_tables_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token of the tables must not age while other tests run: stop the clock of the JWT library."""

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Stopped:
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Stopped)


def public(key: Any, kid: str, **extra: str) -> dict[str, Any]:
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    to_jwk = jwt.algorithms.RSAAlgorithm.to_jwk if is_rsa else jwt.algorithms.ECAlgorithm.to_jwk
    return {**to_jwk(key.public_key(), as_dict=True), "kid": kid, **extra}


JWKS = {
    "keys": [
        public(EC_KEY, "ec-1", use="sig", alg="ES256"),
        public(RSA_KEY, "rsa-1"),
        public(SHORT_RSA_KEY, "rsa-short"),
        public(OTHER_EC_KEY, "ec-encryption", use="enc"),
        {"kty": "EC", "crv": "P-256", "kid": "ec-broken", "x": "AA", "y": "AA"},
    ]
}
SETTINGS = TokenSettings(issuer=ISSUER, audiences=(AUDIENCE, CLIENT_ID), jwks=JWKS, jwks_url=None)


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with changes; None removes a claim."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "scope": "read write", "iat": NOW, "exp": NOW + 300}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    payload: dict[str, Any], key: Any = EC_KEY, alg: str = "ES256", kid: str | None = "ec-1", **header: Any
) -> str:
    return jwt.encode(payload, key, algorithm=alg, headers={**({"kid": kid} if kid else {}), **header})


def segment(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hs256_with_public_key() -> str:
    """Forge the classic confusion: the public key used as a shared secret."""
    signed = f"{segment({'alg': 'HS256', 'kid': 'ec-1'})}.{segment(claims())}"
    secret = json.dumps(JWKS["keys"][0]).encode()
    return f"{signed}.{segment(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def tampered() -> str:
    head, _, signature = token(claims()).split(".")
    return f"{head}.{segment(claims(sub='mallory'))}.{signature}"


def unsigned(alg: Any, signature: str = "") -> str:
    return f"{segment({'alg': alg, 'kid': 'ec-1'})}.{segment(claims())}.{signature}"


ACCEPTED = {
    "ec": token(claims()),
    "rsa": token(claims(), RSA_KEY, "RS256", "rsa-1"),
    "audience in a list": token(claims(aud=["https://other.example", AUDIENCE])),
    "expired within the leeway": token(claims(exp=NOW - 20)),
    "not before within the leeway": token(claims(nbf=NOW + 20)),
    "cognito access token": token(claims(aud=None, token_use="access", client_id=CLIENT_ID)),
    "scope as a list": token(claims(scope=None, scp=["read", "write"])),
    "machine without sub": token(claims(sub=None, client_id="robot")),
}

REFUSED = {
    "expired": (token(claims(exp=NOW - 60)), Refusal.EXPIRED),
    "not yet valid": (token(claims(nbf=NOW + 120)), Refusal.NOT_YET_VALID),
    "issued in the future": (token(claims(iat=NOW + 120)), Refusal.NOT_YET_VALID),
    "wrong issuer": (token(claims(iss="https://evil.example")), Refusal.ISSUER),
    "issuer with a slash": (token(claims(iss=ISSUER + "/")), Refusal.ISSUER),
    "no issuer": (token(claims(iss=None)), Refusal.CLAIMS),
    "wrong audience": (token(claims(aud="https://other.example/mcp")), Refusal.AUDIENCE),
    "audience of the origin only": (token(claims(aud=ISSUER)), Refusal.AUDIENCE),
    "no audience": (token(claims(aud=None)), Refusal.AUDIENCE),
    "client_id beside a wrong aud": (token(claims(aud="x", token_use="access", client_id=CLIENT_ID)), Refusal.AUDIENCE),
    "client_id without token_use": (token(claims(aud=None, client_id=CLIENT_ID)), Refusal.AUDIENCE),
    "unknown client_id": (token(claims(aud=None, token_use="access", client_id="other")), Refusal.AUDIENCE),
    "cognito id token": (token(claims(aud=CLIENT_ID, token_use="id")), Refusal.AUDIENCE),
    "audience of a wrong type": (token(claims(aud={"a": AUDIENCE})), Refusal.AUDIENCE),
    "no expiry": (token(claims(exp=None)), Refusal.CLAIMS),
    "expiry as text": (token(claims(exp="tomorrow")), Refusal.CLAIMS),
    "infinite expiry": (token(claims(exp=float("inf"))), Refusal.CLAIMS),
    "scope of a wrong type": (token(claims(scope={"read": True})), Refusal.CLAIMS),
    "nobody": (token(claims(sub=None)), Refusal.CLAIMS),
    "subject of a wrong type": (token(claims(sub=["alice"])), Refusal.CLAIMS),
    "other key, same kid": (token(claims(), OTHER_EC_KEY), Refusal.SIGNATURE),
    "tampered claims": (tampered(), Refusal.SIGNATURE),
    "unknown kid": (token(claims(), kid="ec-2"), Refusal.UNKNOWN_KEY),
    "no kid, several keys": (token(claims(), OTHER_EC_KEY, kid=None), Refusal.UNKNOWN_KEY),
    "kid of a key for encryption": (token(claims(), OTHER_EC_KEY, kid="ec-encryption"), Refusal.UNKNOWN_KEY),
    "kid of a key of another type": (token(claims(), RSA_KEY, "RS256", "ec-1"), Refusal.UNKNOWN_KEY),
    "kid of a broken key": (token(claims(), kid="ec-broken"), Refusal.UNKNOWN_KEY),
    "RSA key of 1024 bits": (token(claims(), RSA_KEY, "RS256", "rsa-short"), Refusal.UNKNOWN_KEY),
    "alg none": (unsigned("none"), Refusal.ALGORITHM),
    "alg None with a signature": (unsigned("None", "AAAA"), Refusal.ALGORITHM),
    "alg as a list": (unsigned(["ES256"], "AAAA"), Refusal.ALGORITHM),
    "alg HS256 with the public key": (hs256_with_public_key(), Refusal.ALGORITHM),
    "alg PS256": (token(claims(), RSA_KEY, "PS256", "rsa-1"), Refusal.ALGORITHM),
    "critical extension": (token(claims(), crit=["exp"]), Refusal.MALFORMED),
    "kid of a wrong type": (f"{segment({'alg': 'ES256', 'kid': 7})}.{segment(claims())}.AAAA", Refusal.MALFORMED),
    "no signature": (unsigned("ES256"), Refusal.MALFORMED),
    "header is no object": (f"{segment([1])}.{segment(claims())}.AAAA", Refusal.MALFORMED),
    "header is no JSON": (f"{segment(b'hello')}.{segment(claims())}.AAAA", Refusal.MALFORMED),
    "deeply nested header": (f"{segment(b'[' * 9000)}.e30.AAAA", Refusal.MALFORMED),
    "two segments": ("abc.def", Refusal.MALFORMED),
    "not base64url": ("a+b.c/d.e", Refusal.MALFORMED),
    "too long": ("a" * 20_000 + ".b.c", Refusal.MALFORMED),
    "empty": ("", Refusal.MALFORMED),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    verified = Verifier(SETTINGS).verify(ACCEPTED[name])
    assert verified.scopes == ("read", "write")
    assert verified.subject == ("robot" if name == "machine without sub" else "alice")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(TokenRefused) as refused:
        Verifier(SETTINGS).verify(text)
    assert refused.value.reason is reason


def test_token_fields() -> None:
    verified = Verifier(SETTINGS).verify(token(claims(client_id="cli")))
    assert verified == Token("alice", "cli", ("read", "write"), NOW + 300, ISSUER)


def test_one_key_needs_no_kid() -> None:
    single = TokenSettings(ISSUER, (AUDIENCE,), {"keys": [public(EC_KEY, "only")]}, None)
    assert Verifier(single).verify(token(claims(), kid=None)).subject == "alice"


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "token abc"])
def test_header_without_bearer_token(header: str | None) -> None:
    with pytest.raises(TokenRefused) as refused:
        bearer_token(header)
    assert refused.value.reason is Refusal.MISSING


def test_header_scheme_ignores_case() -> None:
    assert bearer_token("bEaReR  abc ") == "abc"


class Issuer:
    """Key sets by the call, and a clock that only the test moves."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.now = 1000.0
        settings = TokenSettings(ISSUER, (AUDIENCE,), None, "https://issuer.example/keys")
        self.verifier = Verifier(settings, KeySource(settings, self.fetch, lambda: self.now), lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def fetch(self, _url: str) -> Any:
        self.calls += 1
        answer = self.answers[min(self.calls, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


OLD = {"keys": [public(EC_KEY, "ec-1")]}
NEW = {"keys": [public(OTHER_EC_KEY, "ec-2")]}


def test_fetched_keys_are_cached() -> None:
    issuer = Issuer(OLD)
    for _ in range(3):
        issuer.verifier.verify(token(claims()))
    assert issuer.calls == 1
    issuer.pass_time(KEYS_TTL_SECONDS + 1)
    issuer.verifier.verify(token(claims()))
    assert issuer.calls == 2


def test_unknown_kid_is_refetched_once() -> None:
    issuer = Issuer(OLD, NEW)
    issuer.verifier.verify(token(claims()))
    assert issuer.verifier.verify(token(claims(), OTHER_EC_KEY, kid="ec-2")).subject == "alice"
    for _ in range(5):
        with pytest.raises(TokenRefused):
            issuer.verifier.verify(token(claims(), kid="invented"))
    assert issuer.calls == 2
    issuer.pass_time(REFETCH_INTERVAL_SECONDS + 1)
    with pytest.raises(TokenRefused):
        issuer.verifier.verify(token(claims(), kid="invented"))
    assert issuer.calls == 3


def test_removed_key_is_forgotten() -> None:
    issuer = Issuer(OLD, NEW)
    issuer.verifier.verify(token(claims()))
    issuer.pass_time(KEYS_TTL_SECONDS + 1)
    with pytest.raises(TokenRefused) as refused:
        issuer.verifier.verify(token(claims()))
    assert refused.value.reason is Refusal.UNKNOWN_KEY


def test_silent_issuer() -> None:
    with pytest.raises(KeysUnavailable):
        Issuer(KeysUnavailable("down")).verifier.verify(token(claims()))


def test_silent_issuer_leaves_known_keys_in_force() -> None:
    issuer = Issuer(OLD, KeysUnavailable("down"))
    issuer.verifier.verify(token(claims()))
    issuer.pass_time(KEYS_TTL_SECONDS + 1)
    assert issuer.verifier.verify(token(claims())).subject == "alice"
    assert issuer.calls == 2


def counting_verifier(monkeypatch: pytest.MonkeyPatch, now: list[float]) -> tuple[Verifier, list[str]]:
    """Return a verifier and the list of tokens whose signature it really checked."""
    checked: list[str] = []
    real = auth._decode

    def decode(text: str, *arguments: Any) -> dict[str, Any]:
        checked.append(text)
        return real(text, *arguments)

    monkeypatch.setattr(auth, "_decode", decode)
    return Verifier(SETTINGS, clock=lambda: now[0]), checked


def test_accepted_token_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [float(NOW)]
    verifier, checked = counting_verifier(monkeypatch, now)
    good = token(claims())
    assert verifier.verify(good) == verifier.verify(good)
    assert len(checked) == 1
    now[0] += ACCEPTED_TTL_SECONDS + 1
    verifier.verify(good)
    assert len(checked) == 2


def test_remembered_token_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [float(NOW)]
    verifier, checked = counting_verifier(monkeypatch, now)
    short = token(claims(exp=NOW + 5))
    verifier.verify(short)
    now[0] = NOW + 5 + LEEWAY_SECONDS
    assert verifier.recall(short) is None
    verifier.verify(short)
    assert len(checked) == 2


def test_refused_tokens_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, checked = counting_verifier(monkeypatch, [float(NOW)])
    for _ in range(2):
        with pytest.raises(TokenRefused):
            verifier.verify(tampered())
    assert len(checked) == 2


def test_memory_for_tokens_is_bounded() -> None:
    verifier = Verifier(SETTINGS, clock=lambda: NOW)
    tokens = [token(claims(sub=f"caller-{number}")) for number in range(MAX_ACCEPTED + 1)]
    for text in tokens:
        verifier.verify(text)
    assert [verifier.recall(text) is not None for text in (tokens[0], tokens[-1])] == [False, True]


def test_fetch_from_a_closed_port() -> None:
    with pytest.raises(KeysUnavailable, match=r"MCP_JWKS_URL http://127\.0\.0\.1:9/keys"):
        fetch_key_set("http://127.0.0.1:9/keys")


class IssuerOnLoopback(BaseHTTPRequestHandler):
    """Serves a key set under /keys, and redirects to whatever follows the question mark."""

    def do_GET(self) -> None:
        target = self.path.partition("?")[2]
        self.send_response(302 if target else 200)
        self.send_header("Location", target)
        self.end_headers()
        self.wfile.write(b"" if target else json.dumps(JWKS).encode())

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run an issuer on loopback and give its base URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), IssuerOnLoopback)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def trusted_certificate(folder: Path) -> Path:
    """Make a certificate for localhost; the file holds its key as well."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, EC_KEY.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(EC_KEY, hashes.SHA256())
    )
    key = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "issuer.pem"
    file.write_bytes(key + certificate.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def issuers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Run one issuer for each scheme."""
    certificate = trusted_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "*")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serve() as http, serve(tls) as https:
        yield {"http": http, "https": https}


@pytest.mark.parametrize("route", ["http", "https", "http http", "http https", "https https", "http http https https"])
def test_key_set_behind_redirects(issuers: dict[str, str], route: str) -> None:
    url = "?".join(issuers[scheme] + "/keys" for scheme in route.split())
    assert fetch_key_set(url) == JWKS


@pytest.mark.parametrize("route", ["https http", "http https http", "https https http"])
def test_redirect_away_from_https_is_refused(issuers: dict[str, str], route: str) -> None:
    url = "?".join(issuers[scheme] + "/keys" for scheme in route.split())
    with pytest.raises(KeysUnavailable, match=rf"redirects to {issuers['http']}/keys, which is not https"):
        fetch_key_set(url)


@pytest.mark.parametrize("target", ["http://keys.invalid/keys", "ftp://localhost/keys"])
def test_redirect_from_loopback_to_an_insecure_address_is_refused(issuers: dict[str, str], target: str) -> None:
    with pytest.raises(KeysUnavailable, match=rf"redirects to {target}, which is not https"):
        fetch_key_set(issuers["http"] + "/keys?" + target)


def test_imports_neither_the_sdk_nor_boto3() -> None:
    heavy = ("mcp", "pydantic", "starlette", "boto3", "pratiko_mcp.runtime")
    code = f"import sys, pratiko_mcp.authorizer; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(auth.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
