# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases in the bucket of an emulated AWS, module and action plugin alike."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import typing as t
import uuid
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import package
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError

from tests.unit.plugins.tiny_server import make_index, make_project, make_runtime, pip_settings

pytestmark = pytest.mark.integration
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - pratikoai.mcp_servers.package: &options {options}
      register: first
    - pratikoai.mcp_servers.package: *options
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
    name = f"mcp-state-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, t.Any]]:
    """Options of a tiny server whose packages come from a folder."""
    root = tmp_path_factory.mktemp("package")
    index = make_index(root / "index")
    with pytest.MonkeyPatch.context() as patch:
        for name in [key for key in os.environ if key.startswith("PIP_")]:
            patch.delenv(name)
        for name, value in pip_settings(index).items():
            patch.setenv(name, value)
        yield {
            "source": str(make_project(root / "project")),
            "entrypoint": "tiny.server:app",
            "runtime_source": str(make_runtime(root / "runtime", index)),
            "build_dir": str(root / "cache"),
            "target": "sandbox",
            "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        }


def call(s3: t.Any, options: dict[str, t.Any], check_mode: bool = False, **params: t.Any) -> dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in package.ARGUMENT_SPEC.items()}
    return package.run(Context({**defaults, **options, **params}, lambda *_any: s3, check_mode=check_mode))


def read(s3: t.Any, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_release_is_uploaded_once_and_found_by_other_machines(
    s3: t.Any, bucket: str, options: dict[str, t.Any], tmp_path: Path
) -> None:
    planned = call(s3, options, True, bucket=bucket, state="uploaded")
    assert planned["changed"] and "Contents" not in s3.list_objects_v2(Bucket=bucket)
    first = call(s3, options, bucket=bucket, state="uploaded")
    assert first["changed"] and first["release"]["id"] == planned["release"]["id"]
    (own,) = first["release"]["packages"]
    content = read(s3, bucket, own["key"])
    assert own["sha256"] == hashlib.sha256(content).hexdigest() and own["bytes"] == len(content)
    recorded = json.loads(read(s3, bucket, f"releases/{first['release']['id']}/release.json"))
    assert recorded["packages"] == [own] and str(tmp_path.parent) not in json.dumps(recorded)

    second = call(s3, options, bucket=bucket, state="uploaded")
    assert second == {**first, "changed": False}
    elsewhere = call(s3, options, bucket=bucket, state="uploaded", build_dir=str(tmp_path / "empty"))
    assert elsewhere == {**second, "path": None} and not (tmp_path / "empty").exists()


def test_every_call_names_the_account_that_owns_the_bucket(s3: t.Any, bucket: str, options: dict[str, t.Any]) -> None:
    owners: list[str | None] = []
    s3.meta.events.register(
        "provide-client-params.s3", lambda params, **_rest: owners.append(params.get("ExpectedBucketOwner"))
    )
    for _again in range(2):
        call(s3, options, bucket=bucket, bucket_owner="000000000000", state="uploaded")
    assert len(owners) > 4 and set(owners) == {"000000000000"}


def test_packages_of_several_targets_stand_in_one_record(s3: t.Any, bucket: str, options: dict[str, t.Any]) -> None:
    call(s3, options, bucket=bucket, state="uploaded")
    result = call(s3, options, bucket=bucket, state="uploaded", target="lambda-arm64")
    targets = [entry["target"] for entry in result["release"]["packages"]]
    assert len(targets) == 2 and targets[0] == "lambda-arm64" and targets[1].startswith("sandbox-cp3")
    keys = [entry["Key"].rpartition("/")[2] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["lambda-arm64.zip", "release.json", f"{targets[1]}.zip"]


def test_upload_that_was_killed_before_its_record_converges(s3: t.Any, bucket: str, options: dict[str, t.Any]) -> None:
    key = call(s3, options)["release"]["packages"][0]["key"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"made by another machine")
    result = call(s3, options, bucket=bucket, state="uploaded")
    (own,) = result["release"]["packages"]
    assert own["sha256"] == hashlib.sha256(b"made by another machine").hexdigest() and result["path"] is None
    assert call(s3, options, bucket=bucket, state="uploaded") == {**result, "changed": False}


def test_package_that_was_removed_is_uploaded_again(s3: t.Any, bucket: str, options: dict[str, t.Any]) -> None:
    key = call(s3, options, bucket=bucket, state="uploaded")["release"]["packages"][0]["key"]
    s3.delete_object(Bucket=bucket, Key=key)
    assert call(s3, options, bucket=bucket, state="uploaded")["changed"]
    assert read(s3, bucket, key)


def test_limit_holds_for_a_package_in_the_bucket(
    s3: t.Any, bucket: str, options: dict[str, t.Any], tmp_path: Path
) -> None:
    (own,) = call(s3, options, bucket=bucket, state="uploaded")["release"]["packages"]
    elsewhere = {**options, "bucket": bucket, "build_dir": str(tmp_path / "empty")}
    with pytest.raises(McpError, match=f"mcp_package_max_bytes is {own['unzipped'] - 1}"):
        call(s3, {**elsewhere, "max_bytes": own["unzipped"] - 1})
    assert call(s3, {**elsewhere, "max_bytes": own["unzipped"]})["release"]["server"]["kind"] == "ASGI"


def test_bucket_that_does_not_exist(s3: t.Any, options: dict[str, t.Any]) -> None:
    missing = f"mcp-none-{uuid.uuid4().hex[:12]}"
    assert call(s3, options, True, bucket=missing, state="uploaded")["changed"]
    assert call(s3, options, bucket=missing)["path"]
    with pytest.raises(McpError, match=f"bucket of s3://{missing}/.* does not exist"):
        call(s3, options, bucket=missing, state="uploaded")


def test_module_and_action_plugin_answer_alike(
    s3: t.Any,
    bucket: str,
    options: dict[str, t.Any],
    sandbox_endpoint: str,
    tmp_path: Path,
    ansible_playbook: t.Callable[..., t.Any],
) -> None:
    uploaded = call(s3, options, bucket=bucket, state="uploaded")
    playbook, answer = tmp_path / "play.yml", tmp_path / "answer.json"
    wanted = {**options, "bucket": bucket, "state": "uploaded"}
    playbook.write_text(PLAYBOOK.format(options=json.dumps(wanted), answer=answer))
    environment = {
        "AWS_ENDPOINT_URL": sandbox_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "never-part-of-a-path",  # a module masks it wherever it occurs
        "AWS_REGION": "us-east-1",
    }
    ansible_playbook("-i", "localhost,", str(playbook), env=environment).require()
    first, second = json.loads(answer.read_text())
    # Of a result with a path, a module itself adds the file's owner and mode.
    assert first == {key: second[key] for key in first}
    assert first["release"] == uploaded["release"] and first["changed"] is False
