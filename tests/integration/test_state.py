# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of an environment on the emulated AWS: lock between processes, audit lines, module and action plugin alike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import deploy_lock, state
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

pytestmark = pytest.mark.integration
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
LINE = {"what": "alias moved", "target": "app/live", "before": "6", "after": "7"}
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}", version: "7"}}
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


@pytest.fixture
def s3(sandbox_endpoint: str) -> t.Any:
    return boto3.client("s3", endpoint_url=sandbox_endpoint, **CREDENTIALS)


@pytest.fixture
def bucket(s3: t.Any) -> str:
    """A versioned bucket, as the foundation stack makes it."""
    name = f"mcp-state-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def call(s3: t.Any, bucket: str, run_id: str, pid: int | None = None, **params: t.Any) -> dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in state.ARGUMENT_SPEC.items()}
    own = {"bucket": bucket, "environment": "production", "run_id": run_id}
    return state.run(Context({**defaults, **own, **params}, lambda *_any: s3), pid)


def test_lock_goes_from_hand_to_hand(s3: t.Any, bucket: str) -> None:
    assert call(s3, bucket, "one", lock="acquire")["acquired"]
    assert call(s3, bucket, "one", lock="acquire")["acquired"]
    with pytest.raises(McpError, match="run one"):
        call(s3, bucket, "two", lock="acquire")
    assert not call(s3, bucket, "two", lock="release")["released"]
    assert deploy_lock.renew_lock(s3, bucket, "lock.json", "one", 900)
    assert not deploy_lock.renew_lock(s3, bucket, "lock.json", "two", 900)
    assert call(s3, bucket, "two", lock="acquire", take_over_run_id="one")["taken_over_from"]["run_id"] == "one"
    assert call(s3, bucket, "two", lock="release")["released"]
    assert call(s3, bucket, "three", lock="acquire", lease=1)["taken_over_from"] is None
    time.sleep(1.1)
    assert call(s3, bucket, "four", lock="acquire")["taken_over_from"]["run_id"] == "three"


def test_of_many_that_ask_at_once_one_gets_the_lock(s3: t.Any, bucket: str) -> None:
    def attempt(number: int) -> bool:
        try:
            return bool(call(s3, bucket, f"run{number}", lock="acquire")["acquired"])
        except McpError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


def test_killed_process_loses_the_lock_at_once(s3: t.Any, bucket: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as holder:
        call(s3, bucket, "one", pid=holder.pid, lock="acquire")
        with pytest.raises(McpError):
            call(s3, bucket, "two", lock="acquire")
        os.kill(holder.pid, signal.SIGKILL)
    assert call(s3, bucket, "two", lock="acquire")["taken_over_from"]["pid"] == holder.pid


def test_audit_lines_written_before_the_bucket_exists_arrive(s3: t.Any, tmp_path: Path) -> None:
    name = f"mcp-late-{uuid.uuid4().hex[:12]}"
    early = call(s3, name, "one", lock="acquire", audit=[LINE], get=["a.json"], fallback_dir=str(tmp_path))
    assert early["bucket_exists"] is False and len(early["waiting"]) == 1
    s3.create_bucket(Bucket=name)
    late = call(s3, name, "two", audit=[{**LINE, "what": "later"}], fallback_dir=str(tmp_path))
    listed = s3.list_objects_v2(Bucket=name, Prefix="audit/")["Contents"]
    lines = [json.loads(s3.get_object(Bucket=name, Key=entry["Key"])["Body"].read()) for entry in listed]
    assert [(line["run_id"], line["what"]) for line in lines] == [("one", "alias moved"), ("two", "later")]
    assert sorted([*late["uploaded"], late["audit_key"]]) == [entry["Key"] for entry in listed]
    assert not list(tmp_path.rglob("*.jsonl"))


def test_module_and_action_plugin_answer_alike(
    s3: t.Any, bucket: str, sandbox_endpoint: str, tmp_path: Path, ansible_playbook: t.Callable[..., t.Any]
) -> None:
    s3.put_object(Bucket=bucket, Key="there.json", Body=b'{"release": "abc"}')
    options = {
        "bucket": bucket,
        "bucket_owner": "000000000000",
        "environment": "production",
        "run_id": "one",
        "operator": "me@here",
        "lock": "acquire",
        "put": {"new.json": {"alias": ["{{ version }}", {"deep": "{{ version }}"}]}},
        "get": ["there.json", "new.json", "missing.json"],
        "fallback_dir": str(tmp_path / "audit"),
    }
    playbook, answer = tmp_path / "play.yml", tmp_path / "answer.json"
    playbook.write_text(PLAYBOOK.format(options=json.dumps(options), answer=answer))
    environment = {
        "AWS_ENDPOINT_URL": sandbox_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    done = ansible_playbook("-i", "localhost,", str(playbook), env=environment).require()
    assert done.changed == 1  # the copy
    first, second = json.loads(answer.read_text())
    written = {"alias": ["7", {"deep": "7"}]}
    objects = {"there.json": {"release": "abc"}, "new.json": written, "missing.json": None}
    assert first["objects"] == second["objects"] == objects
    assert first["written"] == ["new.json"] and second["written"] == []
    # Only in process the lock knows ansible-playbook itself, and only that run's second task has a lease to renew.
    assert first["lock"]["pid"] and second["lock"]["pid"] is None
    changing = ("written", "lock")
    same = [{key: value for key, value in result.items() if key not in changing} for result in (first, second)]
    assert same[0] == same[1] and same[0]["acquired"] and same[0]["changed"] is False
    assert call(s3, bucket, "two", lock="keep", get=["new.json"])["objects"] == {"new.json": written}
