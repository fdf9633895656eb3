# SPDX-License-Identifier: MIT
"""Which tokens are accepted: one table, which the gateway's authorizer and the runtime must answer alike."""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import hmac
import json
import sys
import time
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pratiko_mcp import authorizer, aws_json
from pratiko_mcp.auth import LAST_SECOND, LEEWAY_SECONDS, MAX_TOKEN_CHARS, Refusal, current_token
from pratiko_mcp.runtime import Runtime, create_app
from pratiko_mcp.settings import load_settings

ISSUER = "https://mcp.example.com"
AUDIENCE = ISSUER + "/mcp"
CLIENT_ID = "4b6cognitoclient"
NOW = int(time.time())
ACCEPTED = "ACCEPTED"

CURRENT, NEXT, RETIRED, MALLORY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
P384 = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def public(key: Any, kid: str, **extra: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **extra}


# The key that signs, the one that will, and what a careless issuer may publish beside them; RETIRED is gone.
JWKS = {
    "keys": [
        public(CURRENT, "current", use="sig", alg="ES256"),
        public(NEXT, "next"),
        public(RSA_KEY, "rsa"),
        public(RSA_KEY, "rsa-pss", alg="PS256"),
        public(SHORT_RSA_KEY, "rsa-short"),
        public(MALLORY, "encryption", use="enc"),
        public(P384, "p-384"),
        public(MALLORY, "twice"),
        public(RETIRED, "twice"),
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"},
    ]
}


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with changes; Ellipsis removes a claim."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "scope": "read write", "iat": NOW, "exp": NOW + 300}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def encoded(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(payload: object = None, key: Any = CURRENT, alg: str = "ES256", **header: Any) -> str:
    """Sign as the algorithm says; the header may say something else."""
    head = {name: value for name, value in {"alg": alg, "kid": "current", **header}.items() if value is not ...}
    text = f"{encoded(head)}.{encoded(claims() if payload is None else payload)}"
    return f"{text}.{encoded(jwt.get_algorithm_by_name(alg).sign(text.encode(), key))}"


def having(**changes: Any) -> str:
    """Return the header with a token that has these claims."""
    return "Bearer " + signed(claims(**changes))


def doubled(**later: Any) -> str:
    """Return the header with a token that has these claims a second time, behind the good ones."""
    return "Bearer " + signed((json.dumps(claims())[:-1] + "," + json.dumps(later)[1:]).encode())


def keyed(**changes: Any) -> str:
    """Return the header with a token that is signed in this way."""
    return "Bearer " + signed(**changes)


def unsigned(header: object, signature: str = "") -> str:
    return f"Bearer {encoded(header)}.{encoded(claims())}.{signature}"


def with_secret(secret: bytes) -> str:
    """Forge the classic confusion: what everybody knows used as a shared secret."""
    text = f"{encoded({'alg': 'HS256', 'kid': 'current'})}.{encoded(claims())}"
    return f"Bearer {text}.{encoded(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


GOOD = signed()
HEAD, BODY, SIGNATURE = GOOD.split(".")
DER = CURRENT.sign(f"{HEAD}.{BODY}".encode(), ec.ECDSA(hashes.SHA256()))
PEM = CURRENT.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
OTHER_ENDING = SIGNATURE[:-1] + ALPHABET[ALPHABET.index(SIGNATURE[-1]) + 1]
COGNITO = {"aud": ..., "token_use": "access", "client_id": CLIENT_ID}
FILLED = signed(claims(filler="a" * 11_900))


class Case(NamedTuple):
    """A request's Authorization header and what must come of it: ACCEPTED, or the name of the refusal.

    ``caller`` is who an accepted token speaks for, ``scope`` what it may do.
    """

    name: str
    header: str | None
    verdict: str
    caller: str = "alice"
    scope: str = "read write"
    query: str = ""


TABLE = [
    # Algorithms and keys.
    Case("ES256", keyed(), ACCEPTED),
    Case("RS256", keyed(key=RSA_KEY, alg="RS256", kid="rsa"), ACCEPTED),
    Case("next key, published before it signs", keyed(key=NEXT, kid="next"), ACCEPTED),
    Case("key that was rotated out", keyed(key=RETIRED, kid="retired"), "UNKNOWN_KEY"),
    Case("key that was rotated out, under the new name", keyed(key=RETIRED), "SIGNATURE"),
    Case("alg none", unsigned({"alg": "none", "kid": "current"}), "ALGORITHM"),
    Case("alg nOnE with a signature", unsigned({"alg": "nOnE", "kid": "current"}, SIGNATURE), "ALGORITHM"),
    Case("alg HS256 with the PEM of the key", with_secret(PEM), "ALGORITHM"),
    Case("alg HS256 with the JWK", with_secret(json.dumps(JWKS["keys"][0]).encode()), "ALGORITHM"),
    Case("alg RS384", keyed(key=RSA_KEY, alg="RS384", kid="rsa"), "ALGORITHM"),
    Case("alg ES384", keyed(key=P384, alg="ES384", kid="p-384"), "ALGORITHM"),
    Case("alg EdDSA", keyed(key=ED_KEY, alg="EdDSA"), "ALGORITHM"),
    Case("alg PS256", keyed(key=RSA_KEY, alg="PS256", kid="rsa-pss"), "ALGORITHM"),
    Case("alg in small letters", unsigned({"alg": "es256", "kid": "current"}, SIGNATURE), "ALGORITHM"),
    Case("alg as a list", unsigned({"alg": ["ES256"], "kid": "current"}, SIGNATURE), "ALGORITHM"),
    Case("no alg", unsigned({"kid": "current"}, SIGNATURE), "ALGORITHM"),
    Case("alg twice, the last one none", unsigned(b'{"alg": "ES256", "alg": "none"}', SIGNATURE), "ALGORITHM"),
    Case("RS256 with an EC key's kid", keyed(key=RSA_KEY, alg="RS256"), "UNKNOWN_KEY"),
    Case("RS256 with a key for PS256", keyed(key=RSA_KEY, alg="RS256", kid="rsa-pss"), "UNKNOWN_KEY"),
    Case("RSA key of 1024 bits", keyed(key=SHORT_RSA_KEY, alg="RS256", kid="rsa-short"), "UNKNOWN_KEY"),
    Case("ES256 with a key of another curve", keyed(kid="p-384"), "UNKNOWN_KEY"),
    Case("key for encryption", keyed(key=MALLORY, kid="encryption"), "UNKNOWN_KEY"),
    Case("key that is broken", keyed(kid="broken"), "UNKNOWN_KEY"),
    Case("kid of two keys", keyed(key=MALLORY, kid="twice"), "UNKNOWN_KEY"),
    Case("unknown kid", keyed(kid="invented"), "UNKNOWN_KEY"),
    Case("unknown kid, not ASCII", keyed(kid="schlüssel"), "UNKNOWN_KEY"),
    Case("empty kid", keyed(kid=""), "UNKNOWN_KEY"),
    Case("no kid, several keys", keyed(kid=...), "UNKNOWN_KEY"),
    Case("kid as a number", keyed(kid=7), "MALFORMED"),
    Case("kid as a list", keyed(kid=["current"]), "MALFORMED"),
    Case("key brought along as jwk", keyed(key=MALLORY, jwk=public(MALLORY, "current")), "SIGNATURE"),
    Case("key brought along, no kid", keyed(key=MALLORY, kid=..., jwk=public(MALLORY, "m")), "UNKNOWN_KEY"),
    Case("keys brought along by jku", keyed(key=MALLORY, jku="https://evil.example/keys"), "SIGNATURE"),
    Case("jku, x5u and jwk beside a good key", keyed(jku="https://evil.example", x5u="x", jwk={}), ACCEPTED),
    Case("critical extension", keyed(crit=["exp"]), "MALFORMED"),
    Case("critical, but empty", keyed(crit=[]), "MALFORMED"),
    Case("unencoded payload", keyed(b64=False, crit=["b64"]), "MALFORMED"),
    Case("unencoded payload, not critical", keyed(b64=False), "CLAIMS"),
    # Signatures and form.
    Case("signature of somebody else", keyed(key=MALLORY), "SIGNATURE"),
    Case(
        "other claims under the signature", f"Bearer {HEAD}.{encoded(claims(sub='mallory'))}.{SIGNATURE}", "SIGNATURE"
    ),
    Case("signature of zeros", f"Bearer {HEAD}.{BODY}.{encoded(bytes(64))}", "SIGNATURE"),
    Case("signature in DER", f"Bearer {HEAD}.{BODY}.{encoded(DER)}", "SIGNATURE"),
    Case("signature cut short", f"Bearer {HEAD}.{BODY}.{SIGNATURE[:-6]}", "SIGNATURE"),
    Case("signature that ends in other unused bits", f"Bearer {HEAD}.{BODY}.{OTHER_ENDING}", "MALFORMED"),
    Case("no signature", f"Bearer {HEAD}.{BODY}.", "MALFORMED"),
    Case("no third part", f"Bearer {HEAD}.{BODY}", "MALFORMED"),
    Case("a fourth part", f"Bearer {GOOD}.AAAA", "MALFORMED"),
    Case("five parts of a JWE", f"Bearer {HEAD}.AA.AA.AA.AA", "MALFORMED"),
    Case("padding", f"Bearer {GOOD}==", "MALFORMED"),
    Case("padding of the header", f"Bearer {HEAD}=.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("the other base64", f"Bearer {HEAD}.{BODY}.+/{SIGNATURE[2:]}", "MALFORMED"),
    Case("header is no base64", f"Bearer A.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("header is no JSON", f"Bearer {encoded(b'hello')}.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("header is a list", f"Bearer {encoded([1])}.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("header is not UTF-8", f"Bearer {encoded(bytes([255, 254, 250]))}.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("header nested too deeply", f"Bearer {encoded(b'[' * 9000)}.{BODY}.{SIGNATURE}", "MALFORMED"),
    Case("as long as a token may be", "Bearer " + FILLED, ACCEPTED),
    Case("too long", having(filler="a" * MAX_TOKEN_CHARS), "MALFORMED"),
    Case("claims are no JSON", keyed(payload=b"hello"), "CLAIMS"),
    Case("claims are a list", keyed(payload=[claims()]), "CLAIMS"),
    Case("claims are another token", keyed(payload=GOOD.encode(), cty="JWT"), "CLAIMS"),
    Case("claims nested too deeply", keyed(payload=b'{"a":' + b"[" * 9000), "CLAIMS"),
    # How it is brought.
    Case("no header", None, "MISSING"),
    Case("empty header", "", "MISSING"),
    Case("scheme alone", "Bearer", "MISSING"),
    Case("scheme and a space", "Bearer ", "MISSING"),
    Case("another scheme", f"Basic {GOOD}", "MISSING"),
    Case("scheme of bound tokens", f"DPoP {GOOD}", "MISSING"),
    Case("token alone", GOOD, "MISSING"),
    Case("a tab behind the scheme", f"Bearer\t{GOOD}", "MISSING"),
    Case("in the query", None, "MISSING", query=f"access_token={GOOD}"),
    Case("scheme in small letters", f"bearer {GOOD}", ACCEPTED),
    Case("two spaces", f"Bearer  {GOOD}", ACCEPTED),
    Case("spaces around", f"  Bearer {GOOD}  ", ACCEPTED),
    Case("two tokens joined by a comma", f"Bearer {GOOD}, Bearer {GOOD}", "MALFORMED"),
    Case("scheme twice", f"Bearer Bearer {GOOD}", "MALFORMED"),
    Case("in quotes", f'Bearer "{GOOD}"', "MALFORMED"),
    Case("space within", f"Bearer {HEAD}. {BODY}.{SIGNATURE}", "MALFORMED"),
    Case("not ASCII", "Bearer ü.é.à", "MALFORMED"),
    # Times.
    Case("expired within the leeway", having(exp=NOW - LEEWAY_SECONDS + 1), ACCEPTED),
    Case("expired past the leeway", having(exp=NOW - LEEWAY_SECONDS), "EXPIRED"),
    Case("expired long ago", having(exp=1), "EXPIRED"),
    Case("expiry before all time", having(exp=-1), "EXPIRED"),
    Case("expiry with a fraction", having(exp=NOW + 300.5), ACCEPTED),
    Case("expiry at the end of dates", having(exp=LAST_SECOND), ACCEPTED),
    Case("expiry beyond dates", having(exp=LAST_SECOND + 1), "CLAIMS"),
    Case("expiry of 400 digits", having(exp=10**400), "CLAIMS"),
    Case("expiry as a huge fraction", having(exp=1e300), "CLAIMS"),
    Case("no expiry", having(exp=...), "CLAIMS"),
    Case("expiry null", having(exp=None), "CLAIMS"),
    Case("expiry as a word", having(exp="tomorrow"), "CLAIMS"),
    Case("expiry as digits in text", having(exp=str(NOW + 300)), "CLAIMS"),
    Case("expiry as a list", having(exp=[NOW + 300]), "CLAIMS"),
    Case("expiry infinite", having(exp=float("inf")), "CLAIMS"),
    Case("expiry not a number", having(exp=float("nan")), "CLAIMS"),
    Case("expiry twice, the last one past", doubled(exp=NOW - 300), "EXPIRED"),
    Case("not before, within the leeway", having(nbf=NOW + LEEWAY_SECONDS), ACCEPTED),
    Case("not before, past the leeway", having(nbf=NOW + LEEWAY_SECONDS + 1), "NOT_YET_VALID"),
    Case("not before as text", having(nbf=str(NOW)), "CLAIMS"),
    Case("not before null", having(nbf=None), "CLAIMS"),
    Case("issued in the future, within the leeway", having(iat=NOW + LEEWAY_SECONDS), ACCEPTED),
    Case("issued in the future, past the leeway", having(iat=NOW + LEEWAY_SECONDS + 1), "NOT_YET_VALID"),
    Case("issued at true", having(iat=True), "CLAIMS"),
    Case("not said when issued", having(iat=...), ACCEPTED),
    # Issuer and audience.
    Case("another issuer", having(iss="https://evil.example"), "ISSUER"),
    Case("issuer with a slash", having(iss=ISSUER + "/"), "ISSUER"),
    Case("issuer in capitals", having(iss=ISSUER.upper()), "ISSUER"),
    Case("issuer in a list", having(iss=[ISSUER]), "ISSUER"),
    Case("no issuer", having(iss=...), "CLAIMS"),
    Case("audience in a list", having(aud=["https://other.example", AUDIENCE]), ACCEPTED),
    Case("another audience", having(aud="https://other.example/mcp"), "AUDIENCE"),
    Case("audience of the origin only", having(aud=ISSUER), "AUDIENCE"),
    Case("audience that ours begins with", having(aud=AUDIENCE[:-1]), "AUDIENCE"),
    Case("audience that begins with ours", having(aud=AUDIENCE + "/x"), "AUDIENCE"),
    Case("audience empty", having(aud=""), "AUDIENCE"),
    Case("audience an empty list", having(aud=[]), "AUDIENCE"),
    Case("audience in an object", having(aud={AUDIENCE: True}), "AUDIENCE"),
    Case("audience null", having(aud=None), "AUDIENCE"),
    Case("no audience", having(aud=...), "AUDIENCE"),
    Case("audience twice, the last one ours", doubled(aud=AUDIENCE), ACCEPTED),
    Case("audience twice, the last one not ours", doubled(aud="https://other.example"), "AUDIENCE"),
    # Amazon Cognito's access tokens have no audience.
    Case("client instead of an audience", having(**COGNITO), ACCEPTED),
    Case("another client", having(**{**COGNITO, "client_id": "other"}), "AUDIENCE"),
    Case("client, but not said to be an access token", having(**{**COGNITO, "token_use": ...}), "AUDIENCE"),
    Case("client beside another audience", having(**{**COGNITO, "aud": "x"}), "AUDIENCE"),
    Case("client beside an audience that is null", having(**{**COGNITO, "aud": None}), "AUDIENCE"),
    Case("identity token for the client", having(aud=CLIENT_ID, token_use="id"), "AUDIENCE"),
    Case("identity token for us", having(token_use="id"), "AUDIENCE"),
    Case("access token for us", having(token_use="access"), ACCEPTED),
    # Who, and what for.
    Case("subject not ASCII", having(sub="Zoë 你好"), ACCEPTED, caller="Zoë 你好"),
    Case("machine without a subject", having(sub=..., client_id="robot"), ACCEPTED, caller="robot"),
    Case("machine that is called azp", having(sub=..., azp="robot"), ACCEPTED, caller="robot"),
    Case("nobody", having(sub=...), "CLAIMS"),
    Case("nobody, but with the claim", having(sub=""), "CLAIMS"),
    Case("subject as a number", having(sub=7), "CLAIMS"),
    Case("subject as a list", having(sub=["alice"]), "CLAIMS"),
    Case("client as a number", having(client_id=7), "CLAIMS"),
    Case("no scopes", having(scope=...), ACCEPTED, scope=""),
    Case("scopes in a list", having(scope=["read", "write"]), ACCEPTED),
    Case("scopes called scp", having(scope=..., scp=["read", "write"]), ACCEPTED),
    Case("scopes called scp, as text", having(scope=..., scp="read write"), ACCEPTED),
    Case("two scopes in one entry of a list", having(scope=["read write"]), "CLAIMS"),
    Case("scopes in a list with a number", having(scope=["read", 7]), "CLAIMS"),
    Case("scopes in an object", having(scope={"read": True}), "CLAIMS"),
    Case("scopes as a number", having(scope=7), "CLAIMS"),
    Case("scopes null", having(scope=None), "CLAIMS"),
]


class Verdict(NamedTuple):
    """What one of the two makes of a request; the rest is empty for a refused one."""

    verdict: str
    caller: str = ""
    scope: str = ""
    client_id: str = ""


async def echo_caller(_scope: Any, _receive: Any, send: Any) -> None:
    """Be the MCP server: answer a message with who it came from."""
    token = current_token.get()
    assert token is not None
    caller = {"caller": token.subject, "scope": " ".join(token.scopes), "client_id": token.client_id}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": caller}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    """Configure both as a deployment does; give the one that is not a function."""
    environment = {
        "MCP_PUBLIC_URL": ISSUER,
        "MCP_AUDIENCE": f"{AUDIENCE},{CLIENT_ID}",
        "MCP_JWKS": json.dumps(JWKS),
        "MCP_ORIGIN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:origin-AbCdEf",
        "MCP_ENTRYPOINT": "callers_server:app",
    }
    server: Any = types.ModuleType("callers_server")
    server.app = echo_caller
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "callers_server", server)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(aws_json, "call", lambda *_question: {"SecretString": "the CDN's"})
        authorizer._authorizer.cache_clear()
        yield create_app(load_settings(environment))
        authorizer._authorizer.cache_clear()


@pytest.fixture(autouse=True)
def _the_time_the_table_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token must not age while other tests run: stop the clock of the JWT library."""

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Stopped:
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Stopped)


def ask_authorizer(case: Case, capsys: pytest.CaptureFixture[str]) -> Verdict:
    headers = {"x-mcp-origin": "the CDN's", **({} if case.header is None else {"Authorization": case.header})}
    event = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abc123/live/POST/mcp",
        "headers": headers,
        "queryStringParameters": dict([case.query.split("=", 1)]) if case.query else None,
    }
    capsys.readouterr()
    try:
        decision = authorizer.handler(event, None)
    except Exception as error:
        assert str(error) == "Unauthorized", "anything else makes the gateway answer 500"
        return Verdict(json.loads(capsys.readouterr().out)["reason"])
    assert decision["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    context = decision["context"]
    return Verdict(ACCEPTED, context["sub"], context["scope"], context["client_id"])


async def post(app: Runtime, case: Case) -> tuple[int, dict[str, Any]]:
    headers = {"host": "mcp.example.com", "content-type": "application/json"}
    if case.header is not None:
        headers["authorization"] = case.header
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": case.query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    request = {"type": "http.request", "body": b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}', "more_body": False}
    sent: list[Any] = []

    async def receive() -> Any:
        return request

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def ask_runtime(case: Case, app: Runtime) -> Verdict:
    status, body = asyncio.run(post(app, case))
    if status == 200:
        return Verdict(ACCEPTED, **body["result"])
    assert status == 401
    return Verdict(Refusal(body["reason"]).name)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_authorizer_and_runtime_answer_alike(case: Case, runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_gateway, at_the_server = ask_authorizer(case, capsys), ask_runtime(case, runtime)
    assert at_the_gateway == at_the_server
    expected = (ACCEPTED, case.caller, case.scope) if case.verdict == ACCEPTED else (case.verdict, "", "")
    assert at_the_gateway[:3] == expected
    token = (case.header or case.query).split("=")[-1].split(" ")[-1]
    assert not token or token not in capsys.readouterr().out, "no token may be logged"


def test_the_table_is_whole() -> None:
    """Every refusal and both verdicts occur; names are unique, and so are the requests."""
    assert {case.verdict for case in TABLE} == {ACCEPTED, *(refusal.name for refusal in Refusal)}
    assert len({case.name for case in TABLE}) == len({(case.header, case.query) for case in TABLE}) == len(TABLE)
    assert MAX_TOKEN_CHARS - 300 < len(FILLED) <= MAX_TOKEN_CHARS
