# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load that proofs rely on sees what goes wrong: at a server that fails on purpose, or dies."""

from __future__ import annotations

import contextlib
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.direct import Issuer, serve
from tests.support.load import CLIENTS, ERAS, Call, Load, Log
from tests.support.versioned import ENTRYPOINT, write_server

pytestmark = pytest.mark.integration

CALLS = 100


@contextlib.contextmanager
def loaded(tmp_path: Path, fault: str = "") -> t.Iterator[tuple[Load, t.Callable[[], None]]]:
    """Yield a load at a server of version 7, and what ends the server."""
    source, issuer = write_server(tmp_path / "source", "7", fault), Issuer()
    settings = {"MCP_ENTRYPOINT": ENTRYPOINT, "MCP_JWKS": issuer.jwks}
    with contextlib.ExitStack() as server:
        url = server.enter_context(serve(tmp_path, source, **settings))
        name = f"self-test {fault}".replace(" ", "-")
        with Load(f"{url}/mcp", issuer.token(url), name, calls=CALLS, pause=0.01) as load:
            yield load, server.close


def test_calls_that_are_answered(tmp_path: Path) -> None:
    with loaded(tmp_path) as (load, _stop):
        began = time.time()
        time.sleep(0.5)
        ended = time.time()
        log = load.finish()
    log.require_span(began, ended, CALLS)
    assert log.failed == []
    assert log.versions == {"7"}
    assert {(call.client, call.era) for call in log.calls} == {(n, ERAS[n % 2]) for n in range(CLIENTS)}
    assert {call.status for call in log.calls} == {200}
    assert log.seconds_until(lambda call: call.ok, began) == 0


def test_calls_that_the_tool_refuses(tmp_path: Path) -> None:
    with loaded(tmp_path, "every fifth") as (load, _stop):
        log = load.finish()
    # Each client's calls come one after another, so that the server's count is the log's.
    assert len(log.failed) == len(log.calls) // 5
    assert all("which_version" in call.error and call.status == 200 for call in log.failed)
    assert log.versions == {"7"}


def test_calls_that_nobody_answers(tmp_path: Path) -> None:
    with loaded(tmp_path) as (load, stop):
        stop()
        stopped = time.time()
        log = load.finish()
    assert {call.client for call in log.failed} == set(range(CLIENTS))
    assert {call.ok for call in log.between(stopped, float("inf"))} <= {False}
    assert {(call.error, call.status) for call in log.failed} == {("the connection was lost", None)}


def made(started: float, ok: bool, version: str = "1", status: int = 200) -> Call:
    """Return a call of a log that a test makes up."""
    return Call(0, ERAS[0], "tool", started, started + 0.5, ok, "" if ok else "refused", status, version)


def test_what_a_log_tells() -> None:
    log = Log([made(1, True), made(2, True), made(3, True, "2"), made(4, False, "", 503), made(5, True, "2")])
    assert (log.versions, log.first_answer_of("2")) == ({"1", "2"}, 3.5)
    assert [call.started for call in log.failed] == [4]
    assert [call.started for call in log.between(2, 4)] == [2, 3]
    assert log.seconds_until(lambda call: call.version == "2", 1.5) == 2.5
    with pytest.raises(AssertionError, match="no call after it"):
        log.seconds_until(lambda call: not call.ok, 1)
    with pytest.raises(AssertionError):
        log.require_span(2, 3, calls=5)
