# SPDX-License-Identifier: MIT
"""Limits and switches that change while the server runs."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from pratiko_mcp import aws_json
from pratiko_mcp.limits import (
    MAX_POLICY_BYTES,
    REFRESH_SECONDS,
    Policy,
    PolicyError,
    PolicySource,
    ToolPolicy,
    feature,
    install,
    make_source,
    parse_policy,
)
from pratiko_mcp.settings import Settings, load_settings

GOOD = '{"calls_per_minute": 5}'


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Document:
    """A place that holds a policy, or raises, and counts how often it was read."""

    def __init__(self, text: str | PolicyError = GOOD) -> None:
        self.text = text
        self.reads = 0

    def __call__(self) -> str:
        self.reads += 1
        if isinstance(self.text, PolicyError):
            raise self.text
        return self.text


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def document() -> Document:
    return Document()


@pytest.fixture
def source(document: Document, clock: Clock) -> PolicySource:
    return PolicySource("MCP_LIMITS_FILE limits.json", document, clock)


@pytest.fixture
def settings() -> Settings:
    return load_settings({"MCP_AUTH": "none"})


@pytest.fixture(autouse=True)
def _nothing_installed() -> Iterator[None]:
    yield
    install(None)


def test_everything_a_policy_may_say() -> None:
    policy = parse_policy(
        json.dumps(
            {
                "calls_per_minute": 120,
                "tools": {"save": {"calls_per_minute": 20}, "drop": {"enabled": False}, "*": {"calls_per_minute": 60}},
                "features": {"search": True, "export": False},
            }
        )
    )
    assert policy.calls_per_minute == 120
    assert policy.tool("save") == ToolPolicy(20, True)
    assert policy.tool("drop") == ToolPolicy(None, False)
    assert policy.tool("get") == ToolPolicy(60, True)
    assert policy.disables_tools
    assert policy.features == {"search": True, "export": False}


def test_an_empty_policy_limits_nothing() -> None:
    policy = parse_policy("{}")
    assert policy == Policy() == parse_policy('{"calls_per_minute": null, "tools": {}, "features": {}}')
    assert policy.calls_per_minute is None
    assert policy.tool("save") == ToolPolicy(None, True)
    assert not policy.disables_tools


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The policy is not JSON: Expecting value"),
        ("{'a': 1}", "The policy is not JSON"),
        ("[" * 100_000, "The policy is not JSON"),
        ("[]", "the policy is []. Expected an object"),
        ("null", "the policy is None"),
        ('{"call_per_minute": 1}', "unknown entry 'call_per_minute'. Allowed: calls_per_minute, tools, features."),
        ('{"calls_per_minute": 0}', "calls_per_minute is 0. Allowed: a whole number from 1"),
        ('{"calls_per_minute": -1}', "calls_per_minute is -1"),
        ('{"calls_per_minute": 1.5}', "calls_per_minute is 1.5"),
        ('{"calls_per_minute": 1e400}', "calls_per_minute is inf"),
        ('{"calls_per_minute": NaN}', "calls_per_minute is nan"),
        ('{"calls_per_minute": true}', "calls_per_minute is True"),
        ('{"calls_per_minute": "60"}', "calls_per_minute is '60'"),
        ('{"calls_per_minute": 1000001}', "calls_per_minute is 1000001"),
        ('{"calls_per_minute": ' + "9" * 5000 + "}", "The policy is not JSON"),
        ('{"calls_per_minute": 1, "calls_per_minute": 2}', "'calls_per_minute' is there twice"),
        ('{"tools": []}', "tools is []. Expected an object"),
        ('{"tools": "' + "x" * 10_000 + '"}', "tools is 'xxxx"),
        ('{"tools": null}', "tools is None"),
        ('{"tools": {"save": 20}}', "tools.save is 20. Expected an object"),
        (
            '{"tools": {"save": {"enable": true}}}',
            "tools.save has the unknown entry 'enable'. Allowed: calls_per_minute,",
        ),
        ('{"tools": {"save": {"enabled": "no"}}}', "tools.save.enabled is 'no'. Allowed: true, false."),
        ('{"tools": {"save": {"enabled": null}}}', "tools.save.enabled is None"),
        ('{"tools": {"save": {"calls_per_minute": 0}}}', "tools.save.calls_per_minute is 0"),
        ('{"tools": {"docs_*": {}}}', "tools.docs_* is neither a tool's name nor *"),
        ('{"features": {"search": 1}}', "features.search is 1. Allowed: true, false."),
        ('{"features": ["search"]}', "features is ['search']"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5
)
ENTRIES = st.dictionaries(st.sampled_from(["calls_per_minute", "enabled", "x"]), JSON)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "calls_per_minute": JSON,
        "tools": JSON | st.dictionaries(st.sampled_from(["*", "a", "b"]), ENTRIES),
        "features": JSON,
        "x": JSON,
    },
)


@given(st.text() | POLICIES.map(json.dumps))
def test_whatever_is_written_there_is_a_policy_or_one_error(text: str) -> None:
    try:
        policy = parse_policy(text)
    except PolicyError:
        return
    told = json.loads(text)
    assert policy.calls_per_minute == told.get("calls_per_minute")
    assert {name: tool.enabled for name, tool in policy.tools.items()} == {
        name: entry.get("enabled", True) for name, entry in told.get("tools", {}).items()
    }


def test_nothing_is_limited_before_the_policy_was_read(source: PolicySource, document: Document) -> None:
    assert source.due()
    assert source.policy == Policy()
    assert source.state == (False, "it has not been read yet")
    assert document.reads == 0


def test_a_change_is_in_force_within_half_a_minute(source: PolicySource, document: Document, clock: Clock) -> None:
    source.refresh()
    assert (source.policy.calls_per_minute, source.state, source.due()) == (5, (True, ""), False)
    document.text = '{"calls_per_minute": 7}'
    clock.now += REFRESH_SECONDS - 0.1
    source.refresh()
    assert (source.policy.calls_per_minute, document.reads) == (5, 1)
    clock.now += 0.1
    assert source.due()
    source.refresh()
    assert (source.policy.calls_per_minute, document.reads, source.due()) == (7, 2, False)


@pytest.mark.parametrize("broken", ["{", '{"x": 1}', PolicyError("it is away")])
def test_what_cannot_be_read_leaves_the_last_good_policy_in_force(
    source: PolicySource,
    document: Document,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    broken: str | PolicyError,
) -> None:
    source.refresh()
    document.text = broken
    for _ in range(3):
        clock.now += REFRESH_SECONDS
        source.refresh()
    ok, reason = source.state
    assert (ok, source.policy.calls_per_minute, document.reads) == (False, 5, 4)
    assert reason.startswith("MCP_LIMITS_FILE limits.json: ")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "the last good limits stay in force" in caplog.text and reason in caplog.text
    document.text = GOOD
    clock.now += REFRESH_SECONDS
    source.refresh()
    assert source.state == (True, "")


def test_without_any_good_policy_nothing_is_limited(
    source: PolicySource, document: Document, caplog: pytest.LogCaptureFixture
) -> None:
    document.text = '{"calls_per_minute": 0}'
    source.refresh()
    assert (source.policy, source.state[0], source.due()) == (Policy(), False, False)
    assert "no limits are in force" in caplog.text


def test_without_any_good_policy_the_next_attempt_is_soon(
    source: PolicySource, document: Document, clock: Clock
) -> None:
    document.text = PolicyError("it is away")
    source.refresh()
    clock.now += 1.9
    assert not source.due()
    clock.now += 0.1
    assert source.due()
    document.text = GOOD
    source.refresh()
    assert (source.policy.calls_per_minute, source.state[0]) == (5, True)
    clock.now += 2
    assert not source.due()


def test_an_unexpected_error_is_not_the_request_s(clock: Clock) -> None:
    def explode() -> str:
        raise RuntimeError("no such day")

    exploding = PolicySource("x", explode, clock)
    exploding.refresh()
    assert exploding.state == (False, "x: RuntimeError: no such day")


def test_a_restored_snapshot_reads_again(source: PolicySource, document: Document) -> None:
    source.refresh()
    document.text = '{"calls_per_minute": 7}'
    source.forget()
    assert (source.due(), source.policy.calls_per_minute) == (True, 5)
    source.refresh()
    assert (source.due(), source.policy.calls_per_minute) == (False, 7)


class Gate:
    """A read that says when it began and waits to be let go on."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.reads = 0

    def __call__(self) -> str:
        self.reads += 1
        self.began.set()
        assert self.go.wait(10)
        return GOOD


def run(*functions: Callable[[], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_two_threads_that_come_first_wait_for_one_read(clock: Clock) -> None:
    gate = Gate()
    source = PolicySource("x", gate, clock)
    seen: list[int | None] = []

    def serve() -> None:
        source.refresh()
        seen.append(source.policy.calls_per_minute)

    threads = run(serve, serve)
    assert gate.began.wait(10)
    gate.go.set()
    join(threads)
    assert (gate.reads, seen) == (1, [5, 5])


def test_later_nobody_waits_for_the_thread_that_reads(clock: Clock) -> None:
    gate = Gate()
    source = PolicySource("x", gate, clock)
    gate.go.set()
    source.refresh()
    clock.now += REFRESH_SECONDS
    gate.go.clear()
    gate.began.clear()
    threads = run(source.refresh)
    assert gate.began.wait(10)
    source.refresh()  # would hang here
    assert gate.reads == 2
    gate.go.set()
    join(threads)


def test_no_source(settings: Settings) -> None:
    assert make_source(settings) is None


def file_source(settings: Settings, path: Path) -> PolicySource:
    source = make_source(replace(settings, limits_file=str(path)))
    assert source is not None
    source.refresh()
    return source


def test_a_file(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    path.write_text(GOOD)
    source = file_source(settings, path)
    assert (source.policy.calls_per_minute, source.state) == (5, (True, ""))
    path.write_text('{"calls_per_minute": 6}')  # as large as before, perhaps within the same tick
    source.forget()
    source.refresh()
    assert source.policy.calls_per_minute == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory"),
        (b"\xff", "utf-8"),
        (b" " * (MAX_POLICY_BYTES + 1), "larger than 65536 bytes"),
        (b"", "not JSON"),
    ],
)
def test_a_file_that_is_no_policy(settings: Settings, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "limits.json"
    if content is not None:
        path.write_bytes(content)
    ok, reason = file_source(settings, path).state
    assert not ok
    assert reason.startswith(f"MCP_LIMITS_FILE {path}: ") and said in reason


def parameter_source(settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: Any) -> PolicySource:
    def call(*question: Any) -> Any:
        assert question == ("ssm", "AmazonSSM.GetParameter", {"Name": "/mcp/limits", "WithDecryption": True})
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(aws_json, "call", call)
    source = make_source(replace(settings, limits_parameter="/mcp/limits"))
    assert source is not None
    source.refresh()
    return source


def test_a_parameter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parameter_source(settings, monkeypatch, {"Parameter": {"Value": GOOD}})
    assert (source.policy.calls_per_minute, source.state) == (5, (True, ""))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter"), "(ParameterNotFound) when calling the"),
        (ReadTimeoutError(endpoint_url="https://ssm"), 'ReadTimeoutError: Read timeout on endpoint URL: "https://ssm"'),
        ({}, "the answer of SSM holds no parameter"),
        ({"Parameter": None}, "the answer of SSM holds no parameter"),
        ({"Parameter": {"Value": "{"}}, "The policy is not JSON"),
        ({"Parameter": {"Value": None}}, "The policy is not JSON"),
    ],
)
def test_a_parameter_that_is_no_policy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str
) -> None:
    ok, reason = parameter_source(settings, monkeypatch, answer).state
    assert not ok
    assert reason.startswith("MCP_LIMITS_PARAMETER /mcp/limits: ") and said in reason


def test_a_parameter_needs_botocore(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pratiko_mcp.aws_json")
    monkeypatch.delattr("pratiko_mcp.aws_json")
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    source = make_source(replace(settings, limits_parameter="/mcp/limits"))
    assert source is not None
    source.refresh()
    assert source.state[1].startswith("MCP_LIMITS_PARAMETER /mcp/limits: ")
    assert source.state[1].endswith(". Try: pip install boto3")


def test_features(source: PolicySource, document: Document) -> None:
    document.text = '{"features": {"search": true, "export": false}}'
    assert (feature("search"), feature("search", default=True)) == (False, True)
    install(source)
    assert not feature("search")
    source.refresh()
    assert (feature("search"), feature("export", default=True), feature("other", default=True)) == (True, False, True)
