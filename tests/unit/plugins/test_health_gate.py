# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new version must not say before it takes traffic (tracebacks, secrets), and how fast it has to be."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import find_leak, redact

from tests.unit.plugins.loopback import Answer, Request, check, context, rpc_result, serving
from tests.unit.plugins.test_health_lambda import PROBE, proxied, stub
from tests.unit.plugins.test_health_mcp import DISCOVERED, FINE, TOOLS, modern

KEY_ID = "AKIA" + "Q" * 16
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
PEM = "-----BEGIN EC " + "PRIVATE KEY-----\nMHcCAQEE\n-----END EC " + "PRIVATE KEY-----"
TRACE = 'Traceback (most recent call last):\n  File "/var/task/server.py", line 3, in f\nKeyError: 1'
LEAKS = [
    (TRACE, "a Python traceback"),
    ('  File "/var/task/server.py", line 3, in f', "a Python traceback"),
    (PEM, "a private key"),
    (f"id {KEY_ID} is used", "an AWS access key"),
    ("ASIA" + "Z" * 16, "an AWS access key"),
    (f"token={JWT}", "a JWT"),
    ("Authorization: Bearer abcdefghijklmnopqrstuvwx01", "a bearer token"),
]


@pytest.mark.parametrize(("text", "kind"), LEAKS)
def test_a_leak_is_named_and_not_repeated(text: str, kind: str) -> None:
    assert find_leak(text) == kind
    assert find_leak(json.dumps({"text": text})) == kind
    if kind != "a Python traceback":
        assert find_leak(redact(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "fine",
        'Bearer resource_metadata="https://x.example/.well-known/oauth-protected-resource/mcp", scope="a b"',
        "A traceback is what Python prints; the bearer of this letter has no key",
        "MAKIAQQQQQQQQQQQQQQQQQ and AKIA-short",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_looks_alike_is_no_leak(text: str) -> None:
    assert find_leak(text) is None and redact(text) == text


@pytest.mark.parametrize(("text", "kind"), LEAKS)
def test_an_answer_that_leaks_is_critical(text: str, kind: str) -> None:
    leaking = modern(**{"tools/call": {"content": [{"type": "text", "text": text}]}})
    with serving(leaking) as (url, _seen):
        result = check(f"{url}/mcp", tool="look", refuse_leaks=True)
        unasked = check(f"{url}/mcp", tool="look")
    assert result["status"] == "critical"
    assert result["evidence"] == f"tools/call: the answer contains {kind}"
    assert unasked["status"] == "healthy"


def test_a_leak_in_a_header_or_beside_an_error_counts_too() -> None:
    def in_header(request: Request) -> Answer:
        return rpc_result(request, TOOLS, headers={"X-Debug": JWT})

    def failing(request: Request) -> Answer:
        return Answer(500, TRACE.encode(), {"Content-Type": "text/plain"})

    for override in (in_header, failing):
        with serving(modern(**{"tools/list": override})) as (url, _seen):
            result = check(f"{url}/mcp", refuse_leaks=True)
        assert result["status"] == "critical" and "tools/list: the answer contains" in result["evidence"]
        assert JWT not in result["evidence"]


def test_the_token_of_the_call_is_a_leak_whatever_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "opaque"}))
    echo = modern(**{"tools/call": {"content": [{"type": "text", "text": "you sent opaque"}]}})
    with serving(echo) as (url, _seen):
        result = check(f"{url}/mcp", tool="look", refuse_leaks=True, token_file=str(path))
    assert result["evidence"] == "tools/call: the answer contains the token that it was called with"


def test_a_failing_function_does_not_put_its_secrets_into_the_report() -> None:
    client, _stubber = stub({"errorMessage": f"cannot sign with {PEM}"}, FunctionError="Unhandled")
    (result,) = health.run(context(PROBE, clients=client))["results"]
    assert result["status"] == "critical" and "<private key>" in result["evidence"]
    assert "MHcCAQEE" not in result["evidence"]


def test_an_authorizer_that_leaks_is_critical(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "opaque"}))
    policy = {"policyDocument": {"Statement": [{"Effect": "Deny"}]}, "context": {"error": TRACE}}
    client, _stubber = stub(policy)
    target = {"function_name": "server", "qualifier": "7"}
    probe = {"name": "it", "kind": "authorizer", "lambda": target, "method_arn": "arn", "token_file": str(path)}
    (result,) = health.run(context({**probe, "refuse_leaks": True}, clients=client))["results"]
    assert result["evidence"] == "lambda server:7: the answer contains a Python traceback"


def test_the_text_of_the_tool_is_compared_with_what_is_expected() -> None:
    said = {"content": [{"type": "text", "text": '{"documents": []}'}, {"type": "text", "text": "end"}]}
    with serving(modern(**{"tools/call": said})) as (url, _seen):
        good = check(f"{url}/mcp", tool="look", expect=r'^\{"documents"')
        wrong = check(f"{url}/mcp", tool="look", expect="papers")
    assert good["status"] == "healthy"
    assert wrong["status"] == "critical"
    assert "the text does not match expect='papers': {\"documents\": []} end" in wrong["evidence"]


def test_an_expectation_that_is_no_pattern_is_refused_before_anything_is_sent() -> None:
    with serving(modern()) as (url, seen), pytest.raises(McpError) as caught:
        health.run(context({"name": "it", "url": url, "tool": "look", "expect": "("}))
    assert "expect='(' is not a regular expression" in caught.value.message and seen == []


@pytest.mark.parametrize(("pause", "status"), [(0.0, "healthy"), (0.12, "critical")])
def test_a_slow_version_is_critical_and_its_first_call_does_not_count(pause: float, status: str) -> None:
    calls: list[float] = []

    def slowly(request: Request) -> Answer:
        time.sleep(pause if calls else 0.2)
        calls.append(pause)
        return rpc_result(request, FINE)

    with serving(modern(**{"tools/call": slowly})) as (url, _seen):
        result = check(f"{url}/mcp", tool="look", samples=4, critical_ms=100)
    assert (result["status"], len(calls)) == (status, 4)
    assert result["evidence"].endswith(" of 3" + (" over critical_ms=100" if status == "critical" else ""))


def test_a_version_that_gives_nothing_away_passes() -> None:
    client, stubber = stub(proxied(1, DISCOVERED), proxied(2, TOOLS), proxied(3, FINE))
    probe: dict[str, t.Any] = {**PROBE, "tool": "look", "refuse_leaks": True, "expect": "fine"}
    (result,) = health.run(context(probe, clients=client))["results"]
    assert result["status"] == "healthy", result["evidence"]
    stubber.assert_no_pending_responses()
