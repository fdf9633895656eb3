# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records on the emulated AWS: thousands of them, two machines, and a bucket that is away, black or read-only."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import typing as t
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import records, state
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, to_json
from ansible_collections.pratikoai.mcp_servers.plugins.plugin_utils.in_process import build_client

from tests.support.emulated import CREDENTIALS, REGION, TestSandbox
from tests.support.memory_s3 import refusal

pytestmark = pytest.mark.integration
LINE = {"what": "diverted", "target": "live", "before": "1", "after": "2"}
UNDO = {"kind": "undo", "body": {"command": "divert", "fields": {"stage_deployment": "d1"}}}
MANY = 2000


@pytest.fixture(scope="module")
def s3(sandbox_endpoint: str) -> t.Any:
    return boto3.client("s3", endpoint_url=sandbox_endpoint, region_name=REGION, **CREDENTIALS)


@pytest.fixture
def bucket(s3: t.Any) -> str:
    name = f"mcp-state-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def task(bucket: str, endpoint: str, folder: Path, **params: t.Any) -> Context:
    """Return what a task of a playbook has, with the client that it makes."""
    defaults = {name: option.get("default") for name, option in state.ARGUMENT_SPEC.items()}
    own = {"bucket": bucket, "environment": "production", "run_id": "one", "fallback_dir": str(folder)}
    connection = {
        "endpoint_url": endpoint,
        "region": REGION,
        "access_key": CREDENTIALS["aws_access_key_id"],
        "secret_key": CREDENTIALS["aws_secret_access_key"],
    }
    values = {**defaults, **own, **connection, **params}

    def make_client(service: str, region: str | None) -> t.Any:
        client = build_client(values, service, region, os.getppid())
        client.meta.events.register("before-send", lambda event_name, **_event: SENT.append(event_name))
        return client

    return Context(values, make_client, warn=WARNINGS.append)


WARNINGS: list[str] = []
# The operations that were sent, as before-send.s3.GetObject.
SENT: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_old() -> None:
    WARNINGS.clear()
    SENT.clear()


def run(*arguments: t.Any, **params: t.Any) -> dict[str, t.Any]:
    return state.run(task(*arguments, **params))


def keys(s3: t.Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_the_newest_of_thousands_are_read_and_no_others(
    s3: t.Any, bucket: str, sandbox_endpoint: str, tmp_path: Path
) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    (template,) = records.new_records({"add": [UNDO], "environment": "production", "run_id": "old"}, "me", begin)

    def put(number: int) -> None:
        record_id = records.new_id(begin + timedelta(minutes=number))
        body = to_json({**template, "id": record_id, "body": {"n": number}})
        s3.put_object(Bucket=bucket, Key=records.key_of("undo", record_id), Body=body)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(MANY)))
    sent = {}
    for limit in (20, 0):
        SENT.clear()
        found = run(bucket, sandbox_endpoint, tmp_path, records={"undo": limit})["records"]["undo"]
        sent[limit] = Counter(name.rpartition(".")[2] for name in SENT)
        assert [record["body"]["n"] for record in found] == list(range(MANY - 1, MANY - 1 - (limit or MANY), -1))
    assert sent == {20: {"ListObjectsV2": 1, "GetObject": 20}, 0: {"ListObjectsV2": 2, "GetObject": MANY}}


def test_two_machines_end_in_one_union(s3: t.Any, bucket: str, sandbox_endpoint: str, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    added = []
    for machine in ("a", "b", "a"):
        result = run(bucket, nowhere, tmp_path / machine, add=[UNDO], audit=[LINE], emergency=True)
        assert len(result["added"]) == 1 and result["waiting"]
        added += result["added"]
    assert len(WARNINGS) == 3 and keys(s3, bucket, "") == []

    def arrive(machine: str) -> list[str]:
        return list(run(bucket, sandbox_endpoint, tmp_path / machine, add=[UNDO], run_id="two")["added"])

    with ThreadPoolExecutor(4) as pool:
        added += [record_id for ids in pool.map(arrive, ("a", "b", "a", "b")) for record_id in ids]
    found = run(bucket, sandbox_endpoint, tmp_path / "c", records={"undo": 0})["records"]["undo"]
    assert [record["id"] for record in found] == sorted(added, reverse=True)
    assert len(keys(s3, bucket, "audit/")) == 3 and not list(tmp_path.rglob("*.json*"))
    versions = s3.list_object_versions(Bucket=bucket)
    assert len(versions["Versions"]) == 7 + 3, "nothing was written over"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def black_hole() -> t.Iterator[str]:
    """Take connections, and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_emergency_waits_for_a_black_hole_once(tmp_path: Path) -> None:
    with black_hole() as endpoint:
        client = {"connect_timeout": 1, "read_timeout": 1, "retries": {"mode": "standard", "total_max_attempts": 2}}
        began = time.monotonic()
        lock = run("state", endpoint, tmp_path, lock="acquire", emergency=True, audit=[LINE], aws_config=client)
        first = time.monotonic() - began
        undo = run("state", endpoint, tmp_path, add=[UNDO], records={"undo": 1}, emergency=True, aws_config=client)
        end = run("state", endpoint, tmp_path, lock="release", audit=[LINE], emergency=True, aws_config=client)
        later = time.monotonic() - began - first
    assert not lock["acquired"] and "GOING ON WITHOUT THE DEPLOY LOCK" in WARNINGS[0]
    assert [record["id"] for record in undo["records"]["undo"]] == undo["added"] and len(end["waiting"]) == 3
    assert later < first, "the later tasks of the run did not wait again"


def test_a_stopped_aws_takes_everything_later(own_sandbox: TestSandbox, tmp_path: Path) -> None:
    own_sandbox.start()
    own_sandbox.client("s3").create_bucket(Bucket="state-of-one")
    endpoint = own_sandbox.endpoint
    lock = run("state-of-one", endpoint, tmp_path, lock="acquire", audit=[LINE])
    own_sandbox.stop()
    away = run("state-of-one", endpoint, tmp_path, emergency=True, add=[UNDO], audit=[LINE])
    end = run("state-of-one", endpoint, tmp_path, emergency=True, lock="release", audit=[LINE])
    assert lock["acquired"] and not end["released"] and len(end["waiting"]) == 3
    assert any("was not given back" in text for text in WARNINGS)
    own_sandbox.start()
    back = run("state-of-one", endpoint, tmp_path, lock="release", records={"undo": 0})
    assert back["released"] and [record["id"] for record in back["records"]["undo"]] == away["added"]
    assert len(back["uploaded"]) == 3 and back["waiting"] == []
    s3 = own_sandbox.client("s3")
    assert len(keys(s3, "state-of-one", "audit/")) == 3 and keys(s3, "state-of-one", "lock") == []


@contextlib.contextmanager
def read_only(s3: t.Any) -> t.Iterator[None]:
    """Refuse writes as S3 does; the emulator keeps a bucket policy that denies them, and writes on."""

    def refuse(params: dict[str, t.Any], **_event: t.Any) -> t.NoReturn:
        raise refusal("AccessDenied", 403, "PutObject")

    s3.meta.events.register("provide-client-params.s3.PutObject", refuse)
    try:
        yield
    finally:
        s3.meta.events.unregister("provide-client-params.s3.PutObject", refuse)


def test_a_read_only_bucket_is_read_and_not_needed(
    s3: t.Any, bucket: str, sandbox_endpoint: str, tmp_path: Path
) -> None:
    first = run(bucket, sandbox_endpoint, tmp_path, add=[UNDO])["added"]
    ctx = task(bucket, sandbox_endpoint, tmp_path, add=[UNDO], audit=[LINE], records={"undo": 0})
    with read_only(ctx.client("s3")):
        refused = state.run(ctx)
        found = [record["id"] for record in refused["records"]["undo"]]
        assert found == [*refused["added"], *first] and len(refused["waiting"]) == 2
        lock = Context({**ctx.params, "lock": "acquire", "add": [], "records": {}}, lambda *_any: ctx.client("s3"))
        with pytest.raises(McpError, match=r"AccessDenied.*s3:PutObject"):
            state.run(lock)
    assert "AccessDenied" in WARNINGS[0] and "is uploaded by a later run" in WARNINGS[0]
    after = run(bucket, sandbox_endpoint, tmp_path, records={"undo": 0})
    assert [record["id"] for record in after["records"]["undo"]] == found and after["waiting"] == []


def test_a_new_format_is_neither_read_nor_harmed(s3: t.Any, bucket: str, sandbox_endpoint: str, tmp_path: Path) -> None:
    (record_id,) = run(bucket, sandbox_endpoint, tmp_path, add=[UNDO])["added"]
    key = records.key_of("undo", record_id)
    newer = json.dumps({**t.cast(dict[str, t.Any], records.read(Bucket(s3, bucket), key)), "format": 2}).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=newer)
    with pytest.raises(McpError, match=rf"s3://{bucket}/{key} has format 2"):
        run(bucket, sandbox_endpoint, tmp_path, records={"undo": 2}, add=[UNDO])
    result = run(bucket, sandbox_endpoint, tmp_path, records={"undo": 2}, emergency=True)
    assert len(result["records"]["undo"]) == 1 and result["records"]["undo"][0]["id"] != record_id
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == newer


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}", version: "7", how_many: 5}}
  tasks:
    - pratikoai.mcp_servers.state: &options {options}
      register: first
    - pratikoai.mcp_servers.state: *options
      environment: {{FOR_THE_MODULE: "1"}}
      register: second
    - ansible.builtin.copy:
        content: "{{{{ [first, second] | to_json }}}}"
        dest: {answer}
        mode: "0600"
"""


def test_module_and_action_plugin_answer_alike(
    bucket: str, sandbox: TestSandbox, tmp_path: Path, ansible_playbook: t.Callable[..., t.Any]
) -> None:
    options = {
        "bucket": bucket,
        "environment": "production",
        "run_id": "one",
        "operator": "me@here",
        "emergency": True,
        "add": [{"kind": "override", "body": {"field": "server_version", "after": ["{{ version }}"]}}],
        "records": {"override": "{{ how_many }}"},
        "fallback_dir": str(tmp_path / "state"),
    }
    playbook, answer = tmp_path / "play.yml", tmp_path / "answer.json"
    playbook.write_text(PLAYBOOK.format(options=json.dumps(options), answer=answer))
    ansible_playbook("-i", "localhost,", str(playbook), env=sandbox.environment).require()
    first, second = json.loads(answer.read_text())
    assert [record["id"] for record in second["records"]["override"]] == [*second["added"], *first["added"]]
    assert {json.dumps(record["body"]) for record in second["records"]["override"]} == {
        '{"after": ["7"], "field": "server_version"}'
    }
    assert first["changed"] is second["changed"] is False
    assert set(first) - {"invocation"} == set(second) - {"invocation"}
