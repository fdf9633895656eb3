# SPDX-License-Identifier: MIT
"""Keys that are fetched, tokens that are remembered, scopes that are asked for; which tokens are accepted at all is
in test_authorization_table."""

from __future__ import annotations

import base64
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pratiko_mcp import auth, discovery
from pratiko_mcp.auth import (
    ACCEPTED_TTL_SECONDS,
    KEYS_TTL_SECONDS,
    LEEWAY_SECONDS,
    MAX_ACCEPTED,
    REFETCH_INTERVAL_SECONDS,
    RETRY_INTERVAL_SECONDS,
    KeySource,
    KeysUnavailable,
    Refusal,
    ScopeMissing,
    Token,
    TokenRefused,
    Verifier,
    current_token,
    require_scope,
)
from pratiko_mcp.settings import TokenSettings

ISSUER = "https://mcp.example.com"
AUDIENCE = "https://mcp.example.com/mcp"
NOW = int(time.time())

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(autouse=True)
def _the_time_the_tokens_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token must not age while other tests run: stop the clock of the JWT library."""

    class Stopped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Stopped:
            return cls.fromtimestamp(NOW, tz)

    monkeypatch.setattr(jwt.api_jwt, "datetime", Stopped)


def public(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


JWKS = {"keys": [public(EC_KEY, "ec-1")]}
SETTINGS = TokenSettings(issuer=ISSUER, audiences=(AUDIENCE,), jwks=JWKS, jwks_url=None)


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with changes; None removes a claim."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "scope": "read write", "iat": NOW, "exp": NOW + 300}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(payload: dict[str, Any], key: Any = EC_KEY, kid: str | None = "ec-1") -> str:
    return jwt.encode(payload, key, algorithm="ES256", headers={"kid": kid} if kid else {})


def segment(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def tampered() -> str:
    head, _, signature = token(claims()).split(".")
    return f"{head}.{segment(claims(sub='mallory'))}.{signature}"


def test_token_fields() -> None:
    verified = Verifier(SETTINGS).verify(token(claims(client_id="cli")))
    assert verified == Token("alice", "cli", ("read", "write"), NOW + 300, ISSUER)


def test_one_key_needs_no_kid() -> None:
    single = TokenSettings(ISSUER, (AUDIENCE,), {"keys": [public(EC_KEY, "only")]}, None)
    assert Verifier(single).verify(token(claims(), kid=None)).subject == "alice"


class Issuer:
    """Key sets by the call, and a clock that only the test moves."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.now = 1000.0
        settings = TokenSettings(ISSUER, (AUDIENCE,), None, "https://issuer.example/keys")
        self.keys: Any = KeySource(settings, self.fetch, lambda: self.now)
        self.verifier = Verifier(settings, self.keys, lambda: self.now)

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


def in_threads(count: int, call: Any) -> list[Any]:
    """Call a function from threads that start together; return results and exceptions."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(10)
        try:
            return call(number)
        except (TokenRefused, KeysUnavailable) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_calls_at_once_with_a_new_kid_share_one_request_and_are_all_accepted() -> None:
    issuer = Issuer(OLD, NEW)
    issuer.verifier.verify(token(claims()))
    texts = [token(claims(sub=f"caller-{number}"), OTHER_EC_KEY, kid="ec-2") for number in range(12)]
    results = in_threads(12, lambda number: issuer.verifier.verify(texts[number]).subject)
    assert results == [f"caller-{number}" for number in range(12)] and issuer.calls == 2


def test_calls_at_once_with_invented_kids_share_one_request() -> None:
    issuer = Issuer(OLD)
    issuer.verifier.verify(token(claims()))
    texts = [token(claims(), kid=f"invented-{number}") for number in range(12)]
    results = in_threads(12, lambda number: issuer.verifier.verify(texts[number]))
    assert [result.reason for result in results] == [Refusal.UNKNOWN_KEY] * 12 and issuer.calls == 2


def test_first_calls_at_once_share_one_request() -> None:
    issuer = Issuer(OLD)
    texts = [token(claims(sub=f"caller-{number}")) for number in range(12)]
    in_threads(12, lambda number: issuer.verifier.verify(texts[number]))
    assert issuer.calls == 1


def test_an_invented_kid_does_not_make_a_first_call_ask_twice() -> None:
    issuer = Issuer(OLD)
    with pytest.raises(TokenRefused):
        issuer.verifier.verify(token(claims(), kid="invented"))
    assert issuer.calls == 1


@pytest.mark.parametrize("kid", [None, ""])
def test_without_a_key_id_there_is_nothing_to_ask_the_issuer(kid: str | None) -> None:
    issuer = Issuer({"keys": [*OLD["keys"], *NEW["keys"]]})
    issuer.verifier.verify(token(claims()))
    nameless = f"{segment({'alg': 'ES256', 'kid': kid})}.{segment(claims())}.AAAA"
    with pytest.raises(TokenRefused) as refused:
        issuer.verifier.verify(nameless)
    assert refused.value.reason is Refusal.UNKNOWN_KEY and issuer.calls == 1


def test_an_issuer_that_hangs_does_not_keep_calls_with_known_keys_waiting() -> None:
    issuer = Issuer(OLD)
    issuer.verifier.verify(token(claims()))
    issuer.pass_time(KEYS_TTL_SECONDS + 1)
    asked, released = threading.Event(), threading.Event()

    def hang(_url: str) -> Any:
        asked.set()
        released.wait(10)
        return OLD

    issuer.keys._fetch = hang
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(issuer.verifier.verify, token(claims(sub="first")))
        assert asked.wait(10)
        assert issuer.verifier.verify(token(claims(sub="second"))).subject == "second"
        assert not waiting.done()
        released.set()
        assert waiting.result(10).subject == "first"


def test_an_issuer_that_is_down_is_not_asked_by_every_call() -> None:
    issuer = Issuer(KeysUnavailable("down"), OLD)
    for _ in range(5):
        with pytest.raises(KeysUnavailable, match="down"):
            issuer.verifier.verify(token(claims()))
    assert issuer.calls == 1
    issuer.pass_time(RETRY_INTERVAL_SECONDS)
    assert issuer.verifier.verify(token(claims())).subject == "alice"


def test_stale_keys_are_asked_for_again_soon_after_an_outage() -> None:
    issuer = Issuer(OLD, KeysUnavailable("down"), NEW)
    issuer.verifier.verify(token(claims()))
    issuer.pass_time(KEYS_TTL_SECONDS)
    issuer.verifier.verify(token(claims(sub="still")))
    issuer.pass_time(RETRY_INTERVAL_SECONDS)
    with pytest.raises(TokenRefused):
        issuer.verifier.verify(token(claims(sub="removed")))
    assert issuer.calls == 3


def test_keys_of_a_snapshot_are_fetched_again_and_good_while_the_issuer_is_away() -> None:
    issuer = Issuer(OLD, KeysUnavailable("down"), NEW)
    issuer.verifier.verify(token(claims()))
    issuer.keys.forget()
    issuer.verifier.verify(token(claims(sub="still")))
    issuer.keys.forget()
    with pytest.raises(TokenRefused):
        issuer.verifier.verify(token(claims(sub="removed")))
    assert issuer.calls == 3


def test_an_issuer_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = Issuer(OLD)
    released = threading.Event()
    issuer.keys._fetch = lambda _url: released.wait(10)
    monkeypatch.setattr(auth, "in_time", lambda load: discovery.in_time(load, 0.05))
    with pytest.raises(KeysUnavailable, match=r"did not arrive within 0\.05 seconds"):
        issuer.verifier.verify(token(claims()))
    released.set()


def with_scopes(*scopes: str) -> Token:
    return Token("alice", "cli", scopes, NOW + 300, ISSUER)


@pytest.mark.parametrize(
    ("caller", "missing"),
    [
        (None, ()),
        (with_scopes("read", "write", "admin"), ()),
        (with_scopes("read"), ("write",)),
        (with_scopes("reader", "writer"), ("read", "write")),
    ],
)
def test_require_scope(caller: Token | None, missing: tuple[str, ...]) -> None:
    reset = current_token.set(caller)
    try:
        if not missing:
            require_scope("read", "write")
            return
        with pytest.raises(ScopeMissing, match=f"^The token lacks the scope {' '.join(missing)}$") as lacking:
            require_scope("read", "write")
        assert lacking.value.missing == missing and isinstance(lacking.value, PermissionError)
    finally:
        current_token.reset(reset)


def test_imports_neither_the_sdk_nor_boto3() -> None:
    heavy = ("mcp", "pydantic", "starlette", "boto3", "pratiko_mcp.runtime")
    code = f"import sys, pratiko_mcp.authorizer; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(auth.__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
