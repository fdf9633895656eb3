# SPDX-License-Identifier: MIT
"""How an instance begins: with work done ahead, or from a snapshot that is shared with others."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pratiko_mcp import restore
from pratiko_mcp.auth import KeySource
from pratiko_mcp.runtime import create_app

from tests.unit.app.served import settings
from tests.unit.app.test_lambda_adapter import ENVIRONMENT


@pytest.fixture(autouse=True)
def _no_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_ahead", [])
    monkeypatch.setattr(restore, "_stale", [])


class SnapshotRestore(SimpleNamespace):
    """The library of Lambda's runtimes, which only keeps what is registered."""

    def __init__(self) -> None:
        super().__init__(before=[], after=[])

    def register_before_snapshot(self, function: Any) -> None:
        self.before.append(function)

    def register_after_restore(self, function: Any) -> None:
        self.after.append(function)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SnapshotRestore:
    found = SnapshotRestore()
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", found)
    return found


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", None])
def test_without_a_snapshot_work_is_done_ahead(
    library: SnapshotRestore, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_INITIALIZATION_TYPE", raising=False)
    if kind:
        monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    calls: list[str] = []
    restore.on_start(lambda: calls.append("ahead"))
    restore.on_restore(lambda: calls.append("dropped"))
    restore.start()
    assert calls == ["ahead"]
    assert (library.before, library.after) == ([], [])


def test_around_a_snapshot(library: SnapshotRestore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    calls: list[str] = []
    restore.on_start(lambda: calls.append("ahead"))
    restore.on_restore(lambda: calls.append("connections"))
    restore.start()
    restore.on_restore(lambda: calls.append("registered later"))  # by a module that is imported at the first call
    assert calls == []  # what is read ahead would be as old as the snapshot
    for phase in (library.before, library.after):
        for function in phase:
            function()
    assert calls == ["connections", "registered later"] * 2


def test_one_failure_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def close_pool() -> None:
        raise OSError("already closed")

    restore.on_restore(close_pool)
    restore.on_restore(lambda: calls.append("next"))
    restore.run()
    assert calls == ["next"]
    assert caplog.messages == [f"{__name__}.{close_pool.__qualname__} failed: OSError: already closed"]


def test_failure_ahead_of_the_first_call_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    def read_limits() -> None:
        raise TimeoutError("no answer from SSM")

    restore.on_start(read_limits)
    restore.start()
    assert "read_limits failed: TimeoutError: no answer from SSM" in caplog.text


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"MCP_JWKS": "", "MCP_JWKS_URL": "https://issuer.example/keys"}, 1), ({}, 0), ({"MCP_AUTH": "none"}, 0)],
    ids=["fetched", "inline", "none"],
)
def test_fetched_keys_do_not_come_from_a_snapshot(
    users_server: ModuleType, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: int
) -> None:
    forgotten: list[KeySource] = []
    monkeypatch.setattr(KeySource, "forget", lambda keys: forgotten.append(keys))
    create_app(settings(MCP_ENTRYPOINT="users_server:app", **variables))
    restore.run()
    assert len(forgotten) == expected


def test_random_numbers_differ() -> None:
    random.seed(1)
    foreseen = random.getrandbits(64)
    random.seed(1)
    restore.run()
    assert random.getrandbits(64) != foreseen


INSTANCES = """
import json, os, random, sys, types
hooks = {"before": [], "after": []}
library = types.ModuleType("snapshot_restore_py")
library.register_before_snapshot = hooks["before"].append
library.register_after_restore = hooks["after"].append
sys.modules["snapshot_restore_py"] = library
sys.path.insert(0, os.environ["TESTS"])

from pratiko_mcp import lambda_adapter
from tests.unit.app.lambda_calls import LambdaContext, event

for hook in reversed(hooks["before"]):
    hook()
sys.stdout.flush()
for number in range(2):
    if os.fork() == 0:  # an instance: the same process again, from where the snapshot was taken
        for hook in hooks["after"]:
            hook()
        reply = lambda_adapter.handler(event("rest", "GET", "/health"), LambdaContext())
        print(json.dumps({"status": reply["statusCode"], "random": random.getrandbits(64)}), flush=True)
        os._exit(0)
    os.wait()
"""


def test_two_instances_of_one_snapshot() -> None:
    """Both serve, from the loop and lifespan of the snapshot, and go on with other random numbers."""
    source = str(Path(restore.__file__).parents[1])
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "TESTS": str(Path(__file__).parents[3]),
        "PYTHONPATH": source,
        "AWS_LAMBDA_FUNCTION_NAME": "mcp",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MCP_TABLE": "documents",
    }
    done = subprocess.run(
        [sys.executable, "-c", INSTANCES], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if '"random"' in line]
    assert [answer["status"] for answer in answers] == [200, 200]
    assert len({answer["random"] for answer in answers}) == 2
