# SPDX-License-Identifier: MIT
"""Where an issuer's keys are looked for, what is believed of its answers, and how long it is waited for."""

from __future__ import annotations

import contextlib
import datetime
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pratiko_mcp.auth import KEYS_TTL_SECONDS, KeySource, Refusal, TokenRefused, Verifier
from pratiko_mcp.discovery import (
    MAX_DOCUMENT_BYTES,
    KeysUnavailable,
    fetch_key_set,
    find_key_set,
    in_time,
    metadata_urls,
)
from pratiko_mcp.settings import TokenSettings

AUDIENCE = "https://mcp.example.com/mcp"
KEYS = {kid: ec.generate_private_key(ec.SECP256R1()) for kid in ("old", "new")}
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"

Answer = Callable[[BaseHTTPRequestHandler], None]


def jwks(*kids: str) -> dict[str, Any]:
    to_jwk = jwt.algorithms.ECAlgorithm.to_jwk
    return {"keys": [{**to_jwk(KEYS[kid].public_key(), as_dict=True), "kid": kid} for kid in kids]}


class Issuer:
    """An issuer on loopback: what it answers under each path, and which paths were asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, object] = {"/keys": jwks("old")}
        self.asked: list[str] = []
        self.url = ""

    def describe(self, at: str = OPENID, path: str = "", **changes: object) -> None:
        """Publish metadata; None leaves a member out."""
        document = {"issuer": self.url + path, "jwks_uri": self.url + "/keys", **changes}
        self.answers[at] = {name: value for name, value in document.items() if value is not None}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        found = self.answers.get(request.path)
        if callable(found):
            found(request)
            return
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        request.send_response(404 if found is None else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def redirect(target: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def raw(data: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(data)

    return answer


@contextlib.contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    """Run an issuer on loopback."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.answer(self)

        def log_message(self, *_arguments: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    issuer.url = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    yield issuer
    server.shutdown()
    server.server_close()


def trusted_certificate(folder: Path) -> Path:
    """Make a certificate for localhost; the file holds its key as well."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, KEYS["old"].public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(KEYS["old"], hashes.SHA256())
    )
    key = KEYS["old"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "issuer.pem"
    file.write_bytes(key + certificate.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("no_proxy", "*")
    with serve() as running:
        yield running


@pytest.fixture
def issuers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Issuer]]:
    """Run one issuer for each scheme."""
    certificate = trusted_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "*")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serve() as http, serve(tls) as https:
        yield {"http": http, "https": https}


@pytest.mark.parametrize(
    ("url", "openid", "oauth"),
    [
        ("https://id.example", "https://id.example" + OPENID, "https://id.example" + OAUTH),
        ("https://id.example/", "https://id.example" + OPENID, "https://id.example" + OAUTH),
        ("https://id.example/a/b", "https://id.example/a/b" + OPENID, f"https://id.example{OAUTH}/a/b"),
        ("https://id.example:8443/a/", "https://id.example:8443/a" + OPENID, f"https://id.example:8443{OAUTH}/a"),
    ],
)
def test_where_metadata_is_looked_for(url: str, openid: str, oauth: str) -> None:
    assert metadata_urls(url) == (openid, oauth)


@pytest.mark.parametrize("path", ["", "/", "/tenant", "/tenant/"])
def test_metadata_of_openid_connect(issuer: Issuer, path: str) -> None:
    issuer.describe(path.rstrip("/") + OPENID, path)
    assert find_key_set(issuer.url + path) == issuer.url + "/keys"
    assert issuer.asked == [path.rstrip("/") + OPENID]


@pytest.mark.parametrize("path", ["", "/tenant", "/a/b"])
def test_metadata_of_oauth_is_asked_for_next(issuer: Issuer, path: str) -> None:
    issuer.describe(OAUTH + path, path)
    assert find_key_set(issuer.url + path) == issuer.url + "/keys"
    assert issuer.asked == [path + OPENID, OAUTH + path]


def test_metadata_that_cannot_be_believed_leaves_the_other_one(issuer: Issuer) -> None:
    issuer.describe(OPENID, issuer="https://evil.example")
    issuer.describe(OAUTH)
    assert find_key_set(issuer.url) == issuer.url + "/keys"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.example"}, "it is the metadata of 'https://evil.example'"),
        ({"issuer": None}, "'issuer' is missing"),
        ({"issuer": ["http://localhost"]}, r"it is the metadata of \["),
        ({"jwks_uri": None}, "'jwks_uri' is missing"),
        ({"jwks_uri": 7}, "its jwks_uri is 7, which is not https"),
        ({"jwks_uri": "/keys"}, "its jwks_uri is '/keys'"),
        ({"jwks_uri": "http://keys.example/keys"}, "its jwks_uri is 'http://keys.example/keys', which is not https"),
        ({"jwks_uri": "ftp://localhost/keys"}, "its jwks_uri is 'ftp://localhost/keys'"),
        ({"jwks_uri": "file:///etc/passwd"}, "its jwks_uri is 'file:///etc/passwd'"),
        ({"jwks_uri": "https://"}, "its jwks_uri is 'https://'"),
        ({"jwks_uri": "https://[::1/keys"}, "Invalid IPv6 URL"),
    ],
)
def test_metadata_that_must_not_be_believed(issuer: Issuer, changes: dict[str, Any], words: str) -> None:
    issuer.describe(**changes)
    with pytest.raises(KeysUnavailable, match=words) as refused:
        find_key_set(issuer.url)
    assert str(refused.value).startswith(f"MCP_ISSUER {issuer.url} does not say where its keys are")
    assert str(refused.value).endswith("set MCP_JWKS_URL")


def test_an_issuer_that_differs_by_a_slash_is_another_one(issuer: Issuer) -> None:
    issuer.describe(issuer=issuer.url + "/")
    with pytest.raises(KeysUnavailable, match="equal to the letter"):
        find_key_set(issuer.url)


def test_metadata_is_not_asked_for_where_its_answer_could_be_replaced() -> None:
    with pytest.raises(KeysUnavailable, match=r"openid-configuration: it is not https; .*server: it is not https"):
        find_key_set("http://issuer.invalid")


def test_a_secure_issuer_cannot_send_us_to_insecure_keys(issuers: dict[str, Issuer]) -> None:
    issuers["https"].describe(jwks_uri=issuers["http"].url + "/keys")
    with pytest.raises(KeysUnavailable, match="which is not https"):
        find_key_set(issuers["https"].url)
    issuers["https"].describe()
    assert fetch_key_set(find_key_set(issuers["https"].url)) == jwks("old")


def endless_headers(request: BaseHTTPRequestHandler) -> None:
    """Send a header now and then, so that no single read takes long."""
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.0 200 OK\r\n")
        for number in range(200):
            request.wfile.write(b"X-Header-%d: 1\r\n" % number)
            time.sleep(0.02)


def endless_body(request: BaseHTTPRequestHandler) -> None:
    with contextlib.suppress(OSError):
        request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n[")
        for _ in range(200):
            request.wfile.write(b" ")
            time.sleep(0.02)


UNUSABLE: dict[str, tuple[object, str]] = {
    "absent": (None, "HTTP Error 404"),
    "no JSON": (b"<html>", "Expecting value"),
    "not UTF-8": (b"\xff\xfe\xfa", "decode"),
    "empty": (b"", "Expecting value"),
    "a list": ([], "list indices"),
    "no object": (7, "not subscriptable"),
    "too long": (b'{"keys": [' + b" " * MAX_DOCUMENT_BYTES + b"]}", "it is longer than 262144 bytes"),
    "too deep": (b"[" * 100_000, "recursion"),
    "no HTTP": (raw(b"hello\r\n\r\n"), "the answer is no HTTP: BadStatusLine"),
    "cut off": (raw(b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{"), "IncompleteRead|Expecting"),
    "hung up": (raw(b""), "the answer is no HTTP: RemoteDisconnected"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_document_is_no_crash(issuer: Issuer, name: str) -> None:
    answer, words = UNUSABLE[name]
    issuer.answers = {"/keys": answer, OPENID: answer}
    with pytest.raises(KeysUnavailable, match=f"No key set at {issuer.url}/keys, .*(?:{words})"):
        fetch_key_set(issuer.url + "/keys")
    with pytest.raises(KeysUnavailable, match=words):
        find_key_set(issuer.url)


@pytest.mark.parametrize("document", [{}, {"keys": 7}, {"keys": None}])
def test_a_document_without_keys_is_no_key_set(issuer: Issuer, document: object) -> None:
    issuer.answers["/keys"] = document
    with pytest.raises(KeysUnavailable, match="No key set"):
        fetch_key_set(issuer.url + "/keys")


def test_what_is_no_key_is_left_out_of_a_key_set(issuer: Issuer) -> None:
    issuer.answers["/keys"] = {"keys": [7, None, *jwks("old")["keys"], "key"]}
    assert fetch_key_set(issuer.url + "/keys") == jwks("old")


def test_fetch_from_a_closed_port() -> None:
    with pytest.raises(KeysUnavailable, match=r"No key set at http://127\.0\.0\.1:9/keys, which MCP_JWKS_URL or"):
        fetch_key_set("http://127.0.0.1:9/keys")


@pytest.mark.parametrize("answer", [endless_headers, endless_body])
def test_an_answer_that_never_ends_is_given_up(issuer: Issuer, answer: Answer) -> None:
    issuer.answers["/keys"] = answer
    started = time.monotonic()
    with pytest.raises(KeysUnavailable, match=r"did not arrive within 0\.2 seconds"):
        in_time(lambda: fetch_key_set(issuer.url + "/keys"), 0.2)
    assert time.monotonic() - started < 2


def test_what_fails_in_time_fails_as_it_does() -> None:
    with pytest.raises(KeysUnavailable, match="No key set"):
        in_time(lambda: fetch_key_set("http://127.0.0.1:9/keys"))
    with pytest.raises(ZeroDivisionError):
        in_time(lambda: 1 / 0)


def route(issuers: dict[str, Issuer], schemes: str) -> str:
    """Lead from one issuer to the next, and to the keys of the last one; return where the way begins."""
    steps = [f"{issuers[scheme].url}/{number}" for number, scheme in enumerate(schemes.split())]
    steps[-1] = issuers[schemes.split()[-1]].url + "/keys"
    for number, scheme in enumerate(schemes.split()[:-1]):
        issuers[scheme].answers[f"/{number}"] = redirect(steps[number + 1])
    return steps[0]


@pytest.mark.parametrize(
    "schemes", ["http", "https", "http http", "http https", "https https", "http http https https"]
)
def test_key_set_behind_redirects(issuers: dict[str, Issuer], schemes: str) -> None:
    assert fetch_key_set(route(issuers, schemes)) == jwks("old")


@pytest.mark.parametrize("schemes", ["https http", "http https http", "https https http"])
def test_redirect_away_from_https_is_refused(issuers: dict[str, Issuer], schemes: str) -> None:
    with pytest.raises(KeysUnavailable, match=rf"redirects to {issuers['http'].url}/keys, which is not https"):
        fetch_key_set(route(issuers, schemes))


@pytest.mark.parametrize("target", ["http://keys.invalid/keys", "ftp://localhost/keys"])
def test_redirect_from_loopback_to_an_insecure_address_is_refused(issuer: Issuer, target: str) -> None:
    issuer.answers["/keys"] = redirect(target)
    with pytest.raises(KeysUnavailable, match=rf"redirects to {target}, which is not https"):
        fetch_key_set(issuer.url + "/keys")


class Verifying:
    """A verifier of a foreign issuer's tokens that has to discover its keys; only the test moves its clock."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.now = 1000.0
        settings = TokenSettings(issuer.url, (AUDIENCE,), None, None)
        self.verifier = Verifier(settings, KeySource(settings, clock=lambda: self.now), lambda: self.now)

    def verify(self, kid: str, **changes: object) -> str:
        claims = {"iss": self.issuer.url, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 300, **changes}
        text = jwt.encode(claims, KEYS[kid], "ES256", headers={"kid": kid})
        self.now += 61  # past the memory for accepted tokens
        return self.verifier.verify(text).subject


@pytest.fixture
def verifying(issuer: Issuer) -> Verifying:
    issuer.describe()
    return Verifying(issuer)


def test_tokens_of_an_issuer_that_was_discovered(verifying: Verifying) -> None:
    assert verifying.verifier.may_block
    assert [verifying.verify("old") for _ in range(3)] == ["alice"] * 3
    assert verifying.issuer.asked == [OPENID, "/keys"]
    with pytest.raises(TokenRefused) as refused:
        verifying.verify("old", iss=verifying.issuer.url + "/")
    assert refused.value.reason is Refusal.ISSUER


def test_a_rotation_and_a_move_of_the_keys_are_followed(verifying: Verifying) -> None:
    verifying.verify("old")
    verifying.issuer.answers["/keys"] = jwks("old", "new")
    assert verifying.verify("new") == "alice"
    verifying.issuer.answers = {"/moved": jwks("new")}
    verifying.issuer.describe(jwks_uri=verifying.issuer.url + "/moved")
    assert verifying.verify("old") == "alice"  # until the keys are stale
    verifying.now += KEYS_TTL_SECONDS
    with pytest.raises(TokenRefused) as refused:
        verifying.verify("old")
    assert refused.value.reason is Refusal.UNKNOWN_KEY
    assert verifying.verify("new") == "alice"
    assert verifying.issuer.asked == [OPENID, "/keys"] * 2 + [OPENID, "/moved"]


def test_an_issuer_that_turns_into_another_one_leaves_the_known_keys_in_force(verifying: Verifying) -> None:
    verifying.verify("old")
    verifying.issuer.describe(issuer="https://evil.example")
    verifying.issuer.answers["/keys"] = jwks("new")
    verifying.now += KEYS_TTL_SECONDS
    assert verifying.verify("old") == "alice"
    with pytest.raises(TokenRefused):
        verifying.verify("new")


def test_without_metadata_there_is_no_decision(verifying: Verifying) -> None:
    verifying.issuer.answers.clear()
    with pytest.raises(KeysUnavailable, match=r"does not say where its keys are \(.*404.*; .*404"):
        verifying.verify("old")
