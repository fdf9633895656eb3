# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server under fuzzing: a fixed sample always, ten minutes as a proof; and the fuzzer finds what is wrong."""

from __future__ import annotations

import json
import os
import random
import re
import typing as t
from pathlib import Path

import pytest

from tests.fuzz.checks import Violation, check_line, check_reply, check_valid
from tests.fuzz.hostile import CANARY
from tests.fuzz.requests import LEGACY, post
from tests.fuzz.runner import Attack, Report
from tests.fuzz.target import Target, Usage
from tests.fuzz.tokens import Credential
from tests.fuzz.wire import Reply
from tests.support.checkout import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="memory and files are read from /proc")

SAMPLE_SEED = 20261122
TOKEN = Credential("good", b"Bearer a.b.signature-of-a-token", "good", "a.b.signature-of-a-token")
ASKED = post(8000, TOKEN, LEGACY, {"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {}})
# Fails for one tool, so that only a call of it shows that.
FAULTY = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body = (await receive())["body"]
    if b'"search_documents"' in body:
        raise RuntimeError("on purpose")
    answer = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}'
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
"""


@pytest.mark.parametrize(("sessions", "rounds"), [(False, 3), (True, 1)])
def test_a_fixed_sample(tmp_path: Path, sessions: bool, rounds: int) -> None:
    with Target(tmp_path, sessions) as target:
        report = Attack(target, SAMPLE_SEED).run(rounds=rounds)
        assert not report.violation, str(report)
        assert target.stop() == 0
    assert set(report.outcomes) >= {"200", "202", "400", "401", "403", "404", "408", "413", "421"}


@pytest.mark.proof
@pytest.mark.parametrize(("sessions", "seconds"), [(False, 600), (True, 120)])
def test_for_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str], sessions: bool, seconds: int) -> None:
    seed = int(os.environ.get("MCP_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
    with capsys.disabled(), Target(tmp_path, sessions) as target:
        print(f"\nMCP_FUZZ_SEED={seed}", flush=True)
        report = Attack(target, seed).run(seconds=seconds)
        print(report)
    assert not report.violation, str(report)


@pytest.mark.parametrize(("leg", "found"), [("messages", "status 500: "), ("described", "500] Internal Server Error")])
def test_a_fault_is_found_and_made_small(tmp_path: Path, leg: str, found: str) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    path = os.pathsep.join((str(ROOT / "app" / "src"), str(tmp_path)))
    with Target(tmp_path, MCP_ENTRYPOINT="faulty:app", PYTHONPATH=path) as target:
        report = Attack(target, SAMPLE_SEED, legs=[leg]).run(rounds=20)
    assert found in report.violation
    assert "search_documents" in report.violation
    assert len(report.violation) < 2500
    assert not re.search(r"ey[\w-]+\.ey[\w-]+\.", report.violation)


def reply(status: int = 200, body: object = b"", **headers: str) -> Reply:
    found = {"x-request-id": "1", "content-type": "application/json", **headers}
    return Reply(status, found, body if isinstance(body, bytes) else json.dumps(body).encode())


def answer(**members: t.Any) -> Reply:
    return reply(200, {"jsonrpc": "2.0", "id": 7, **members})


def error(code: object = -32600, message: object = "no") -> dict[str, object]:
    return {"code": code, "message": message}


WRONG = {
    "a server error": reply(500, {"error": "internal_error"}),
    "a timeout": reply(504, {"jsonrpc": "2.0", "id": 7, "error": error(-32001)}),
    "a good token refused": reply(401, {"error": "invalid_token"}),
    "a traceback": answer(error=error(message="Traceback (most recent call last)")),
    "a path": answer(error=error(message=f"{ROOT}/app")),
    "an address": answer(result={"text": "<x.Y object at 0x7f00deadbeef>"}),
    "the token": answer(error=error(message=TOKEN.secret)),
    "its signature": answer(error=error(message="signature-of-a-token")),
    "a header with the token": reply(400, {"error": "x"}, location=TOKEN.secret),
    "an argument": answer(error=error(message=CANARY)),
    "no request id": Reply(200, {}, b""),
    "half a document": reply(200, b'{"jsonrpc":'),
    "half an event": reply(200, b'data: {"jsonrpc"\r\n\r\n', **{"content-type": "text/event-stream"}),
    "an unknown type": reply(200, b"<html>", **{"content-type": "text/html"}),
    "an unknown error": reply(400, {"error": "whatever"}),
    "another version": reply(200, {"jsonrpc": "1.0", "id": 7, "result": {}}),
    "neither result nor error": answer(),
    "result and error": answer(result={}, error=error()),
    "an error without a code": answer(error=error(code="x")),
    "another id": reply(200, {"jsonrpc": "2.0", "id": 8, "result": {}}),
    "an id of another type": reply(200, {"jsonrpc": "2.0", "id": "7", "result": {}}),
    "no id": reply(200, {"jsonrpc": "2.0", "id": None, "error": error()}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_reply_must_not_be(name: str) -> None:
    with pytest.raises(Violation):
        check_reply(WRONG[name], TOKEN, ASKED.raw(), ASKED)


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        '{"level": "INFO"}',
        '{"timestamp": "", "level": "ERROR"}',
        '{"timestamp": "", "level": "INFO", "message": "File \\"x\\", line 1"}',
        json.dumps({"timestamp": "", "level": "INFO", "path": CANARY}),
        json.dumps({"timestamp": "", "level": "INFO", "path": TOKEN.secret}),
    ],
)
def test_what_a_log_line_must_not_be(line: str) -> None:
    with pytest.raises(Violation):
        check_line(line, [TOKEN])


def test_what_is_right() -> None:
    check_reply(answer(result={}), TOKEN, ASKED.raw(), ASKED)
    check_valid(answer(result={}))
    check_line(json.dumps({"timestamp": "", "level": "INFO", "tool": CANARY}), [TOKEN])
    with pytest.raises(Violation):
        check_valid(answer(error=error()))


def test_growth_is_found() -> None:
    report = Report(seed=1, seconds=100.0)
    report.usage = [(float(at), Usage(rss=at * 2**20, files=8, threads=4)) for at in range(100)]
    first, last, slope = report.rss()
    assert 25 <= first / 2**20 <= 35
    assert 90 <= last / 2**20 <= 99
    assert slope == pytest.approx(60 * 2**20)
