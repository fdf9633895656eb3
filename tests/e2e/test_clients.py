# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The official client at the endpoint, and everybody who must be refused there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import typing as t
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from email.message import Message

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import Client

from tests.support.client import MODERN, result_of, with_client
from tests.support.environment import Environment

pytestmark = pytest.mark.e2e

TOOLS = {
    "create_download_url",
    "create_upload_url",
    "delete_document",
    "get_document",
    "list_documents",
    "save_document",
    "search_documents",
}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


@dataclass(frozen=True)
class Answer:
    """What a plain HTTP client sees."""

    status: int
    headers: Message
    body: bytes


def send(method: str, url: str, token: str | None = None, body: t.Any = None, **headers: str) -> Answer:
    """Send one request without the SDK; ``x_mcp_origin`` becomes the header ``x-mcp-origin``."""
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def call(url: str, token: str | None = None, **headers: str) -> Answer:
    """POST a request for the list of tools."""
    return send("POST", url, token, LIST_TOOLS, **headers)


@pytest.fixture(scope="module")
def endpoint(deployed: Environment) -> str:
    """The endpoint that the deployment names."""
    return str(deployed.report()["endpoint"])


@pytest.fixture(scope="module")
def api_endpoint(deployed: Environment) -> str:
    """The API behind the CDN."""
    return str(deployed.report()["api_endpoint"])


@pytest.fixture(scope="module")
def token(deployed: Environment) -> str:
    """The token that the deployment left."""
    return deployed.token


@pytest.mark.parametrize("mode", [MODERN, "legacy"])
def test_official_client_lists_and_calls_every_tool(endpoint: str, token: str, mode: str) -> None:
    with_client(endpoint, token, use_every_tool, mode)


async def use_every_tool(client: Client) -> None:
    """Write, find, read and delete a document, and move a file through S3."""
    assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
    name = f"e2e-{uuid.uuid4().hex}"
    saved = await result_of(client, "save_document", document_id=name, title="Über uns", text=f"the {name} text")
    assert (saved["version"], saved["document_id"]) == (1, name)
    read = await result_of(client, "get_document", document_id=name)
    assert (read["title"], read["text"], read["version"]) == ("Über uns", f"the {name} text", 1)
    listed = await result_of(client, "list_documents", limit=100)
    assert name in [document["document_id"] for document in listed["documents"]]
    found = await result_of(client, "search_documents", query=name)
    assert [document["document_id"] for document in found["documents"]] == [name]
    await move_a_file(client, name)
    assert await result_of(client, "delete_document", document_id=name) == {"document_id": name, "deleted": True}
    assert (await client.call_tool("get_document", {"document_id": name})).is_error


async def move_a_file(client: Client, name: str) -> None:
    """Upload bytes by one link and download them by another."""
    content = bytes(range(256)) * 40
    kind = "application/octet-stream"
    upload = await result_of(client, "create_upload_url", file_id=name, content_type=kind, size_bytes=len(content))
    async with httpx2.AsyncClient(timeout=30) as http:
        sent = await http.request(upload["method"], upload["url"], headers=upload["headers"], content=content)
        assert sent.status_code == 200, sent.text
        download = await result_of(client, "create_download_url", file_id=name)
        received = await http.request(download["method"], download["url"], headers=download["headers"])
    assert (received.status_code, received.content) == (200, content)
    assert received.headers["content-type"] == kind


def test_plain_request_is_answered(endpoint: str, token: str) -> None:
    """The control of every refusal below: the same request with a valid token."""
    answer = call(endpoint, token)
    assert answer.status == 200
    assert b"save_document" in answer.body


def challenge(answer: Answer) -> str:
    """Return the address of the resource metadata that a refusal names."""
    found = re.fullmatch(r'Bearer .*resource_metadata="([^"]+)".*', answer.headers["WWW-Authenticate"] or "")
    assert found, answer.headers.as_string()
    return found[1]


def test_without_a_token_the_challenge_leads_to_the_metadata(endpoint: str) -> None:
    answer = call(endpoint)
    assert answer.status == 401
    metadata = send("GET", challenge(answer))
    assert metadata.status == 200
    document = json.loads(metadata.body)
    assert document["resource"] == endpoint
    assert document["authorization_servers"] == [endpoint.removesuffix("/mcp")]
    assert document["bearer_methods_supported"] == ["header"]
    assert document["scopes_supported"] == ["documents:read", "documents:write"]


def test_issuer_publishes_the_key_that_signs(endpoint: str, token: str) -> None:
    answer = send("GET", endpoint.removesuffix("/mcp") + "/.well-known/jwks.json")
    keys = json.loads(answer.body)["keys"]
    assert [key["kid"] for key in keys] == [jwt.get_unverified_header(token)["kid"]]
    assert "d" not in keys[0]
    assert jwt.decode(token, jwt.PyJWK(keys[0]).key, ["ES256"], audience=endpoint)["sub"] == "operator"


@dataclass(frozen=True)
class Forger:
    """Makes tokens with one thing wrong; everything else is as in a valid one."""

    key: dict[str, t.Any]
    claims: dict[str, t.Any]

    def sign(self, key: t.Any = None, headers: dict[str, str] | None = None, **changed: t.Any) -> str:
        signed_with = key or jwt.PyJWK(self.key, algorithm="ES256").key
        return jwt.encode({**self.claims, **changed}, signed_with, "ES256", {"kid": self.key["kid"], **(headers or {})})

    def unsigned(self) -> str:
        return b".".join((*map(segment, ({"alg": "none", "kid": self.key["kid"]}, self.claims)), b"")).decode()

    def hs256_with_the_public_key(self) -> str:
        """By hand: the library refuses to do it."""
        public = jwt.PyJWK(self.key, algorithm="ES256").key.public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        header = {"alg": "HS256", "typ": "JWT", "kid": self.key["kid"]}
        signed = b".".join(map(segment, (header, self.claims)))
        mac = base64.urlsafe_b64encode(hmac.digest(pem, signed, hashlib.sha256)).rstrip(b"=")
        return (signed + b"." + mac).decode()

    def other_signature(self) -> str:
        """A signature that is well-formed, over other claims."""
        head, body, _ = self.sign().split(".")
        return f"{head}.{body}.{self.sign(sub='somebody').split('.')[2]}"


def segment(value: dict[str, t.Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def other_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def forger(deployed: Environment, token: str) -> Forger:
    """Everything an attacker could have, the private key included."""
    stored = deployed.sandbox.client("ssm").get_parameter(
        Name="/mcp/production/issuer/private-key", WithDecryption=True
    )
    keys = json.loads(stored["Parameter"]["Value"])["keys"]
    signing = next(key["jwk"] for key in keys if key["state"] == "current")
    return Forger(signing, jwt.decode(token, options={"verify_signature": False}))


def test_forger_makes_a_valid_token(endpoint: str, forger: Forger) -> None:
    """Without this the table below could be green for another reason than the one it names."""
    assert call(endpoint, forger.sign(jti="control")).status == 200


BAD_TOKENS: dict[str, t.Callable[[Forger], str]] = {
    "wrong audience": lambda forger: forger.sign(aud="https://other.example.org/mcp"),
    "no audience": lambda forger: forger.sign(aud=None),
    "issuer as audience": lambda forger: forger.sign(aud=forger.claims["iss"]),
    "expired": lambda forger: forger.sign(exp=int(time.time()) - 300),
    "not valid yet": lambda forger: forger.sign(nbf=int(time.time()) + 300),
    "signature of other claims": Forger.other_signature,
    "signature of another key": lambda forger: forger.sign(other_key()),
    "alg none": Forger.unsigned,
    "HS256 with the public key": Forger.hs256_with_the_public_key,
    "wrong issuer": lambda forger: forger.sign(iss="https://issuer.example.org"),
    "unknown kid": lambda forger: forger.sign(headers={"kid": "unknown"}),
    "no token at all": lambda _forger: "not-a-token",
}


@pytest.mark.parametrize("wrong", BAD_TOKENS)
def test_bad_token_is_refused_with_the_challenge(endpoint: str, forger: Forger, wrong: str) -> None:
    answer = call(endpoint, BAD_TOKENS[wrong](forger))
    assert answer.status == 401
    assert challenge(answer) == endpoint.removesuffix("/mcp") + "/.well-known/oauth-protected-resource/mcp"


def test_valid_token_is_refused_round_the_cdn(endpoint: str, api_endpoint: str, token: str) -> None:
    assert call(api_endpoint, token).status in (401, 403)
    # Through the CDN the authorizer's Allow is cached; it must not serve a call round the CDN.
    assert call(endpoint, token).status == 200
    assert call(api_endpoint, token).status in (401, 403)
    assert call(api_endpoint, token, x_mcp_origin="guessed").status == 403
    assert call(api_endpoint, token, x_mcp_origin="").status in (401, 403)


def test_refusals_round_the_cdn_do_not_lock_the_cdn_out(endpoint: str, api_endpoint: str, forger: Forger) -> None:
    """A cached refusal for a token must not refuse the same token through the CDN."""
    fresh = forger.sign(jti=uuid.uuid4().hex)
    assert call(api_endpoint, fresh, x_mcp_origin="guessed").status == 403
    assert call(endpoint, fresh).status == 200


def test_viewer_cannot_replace_the_origin_header(endpoint: str, token: str) -> None:
    assert call(endpoint, token, x_mcp_origin="guessed").status == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("authorized", [True, False])
def test_only_post_is_allowed(endpoint: str, token: str, method: str, authorized: bool) -> None:
    began = time.monotonic()
    answer = send(method, endpoint, token if authorized else None)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert time.monotonic() - began < 10  # it does not hang until the function's timeout


def test_unlisted_origin_is_refused(endpoint: str, token: str) -> None:
    assert call(endpoint, token, Origin="https://evil.example.org").status == 403


def test_token_in_the_query_is_no_token(endpoint: str, token: str) -> None:
    assert call(f"{endpoint}?access_token={token}").status == 401


def test_error_pages_show_no_internals(endpoint: str, token: str) -> None:
    answer = send("POST", endpoint, token, [1, 2, 3])
    assert 400 <= answer.status < 500
    assert b"Traceback" not in answer.body
