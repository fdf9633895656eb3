# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state bucket is read-only, silent, gone, or has in it what nobody can read: clear words, and nothing is lost."""

from __future__ import annotations

import json
import re
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import records

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.moments import Answer, Proxy
from tests.support.playbook import PlaybookRun
from tests.support.world import World, shared_packages

pytestmark = pytest.mark.e2e
REFUSED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Trouble(Proxy):
    """Answer calls to the state bucket otherwise than S3 would.

    :param methods: whose calls to answer
    """

    def __init__(self, bucket: str, methods: tuple[str, ...], status: int, answer: bytes) -> None:
        super().__init__()
        self.bucket, self.methods, self.status, self.answer = bucket, methods, status, answer
        self.refused = 0

    def __enter__(self) -> Trouble:
        super().__enter__()
        return self

    def forward(self, netloc: str, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Refuse, or ask the emulated AWS."""
        if method in self.methods and path.startswith(f"/{self.bucket}"):
            self.refused += 1
            return self.status, [("Content-Type", "application/xml")], self.answer
        return super().forward(netloc, method, path, headers, body)


@pytest.fixture(scope="module")
def world(sandbox: TestSandbox, private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    """An environment that is deployed."""
    folder = tmp_path_factory.mktemp("trouble")
    project = copy_project(ROOT, folder / "project")
    link_collection(project)
    world = World(sandbox, project, folder, shared_packages(private_home), "trouble")
    world.run().require()
    return world


@pytest.fixture(autouse=True)
def _whole_again(world: World) -> t.Iterator[None]:
    yield
    world.client("s3").delete_object(Bucket=world.state_bucket, Key="lock.json")
    world.run(playbook="playbooks/undivert.yml").require()
    assert waiting(world) == []


def read_only(world: World) -> Trouble:
    return Trouble(world.state_bucket, ("PUT", "POST", "DELETE"), 403, REFUSED)


def silent(world: World) -> Trouble:
    return Trouble(world.state_bucket, ("GET", "HEAD", "PUT", "POST", "DELETE"), 503, BUSY)


def waiting(world: World) -> list[Path]:
    """Return what waits on this machine for the state bucket."""
    folder = world.folder / "reports" / f"sandbox-{world.name}" / "state"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def play(world: World, name: str, proxy: Proxy | None = None, *extra: str) -> PlaybookRun:
    env = proxy.environment if proxy else None
    return world.run(*extra, playbook=f"playbooks/{name}.yml", env=env)


def stored(world: World, kind: str) -> list[dict[str, t.Any]]:
    """Return the records that the bucket has, newest first."""
    s3, keys = world.client("s3"), world.keys(world.state_bucket)
    found = [key for key in keys if key.startswith(f"records/{kind}/")]
    return [json.loads(s3.get_object(Bucket=world.state_bucket, Key=key)["Body"].read()) for key in found]


def said(run: PlaybookRun) -> str:
    """Return the output in one line: Ansible breaks long ones."""
    return re.sub(r"\s+", " ", run.output)


def put(world: World, key: str, body: bytes) -> None:
    world.client("s3").put_object(Bucket=world.state_bucket, Key=key, Body=body)


def body_of(world: World, key: str) -> bytes:
    return bytes(world.client("s3").get_object(Bucket=world.state_bucket, Key=key)["Body"].read())


def is_diverted(world: World) -> bool:
    api = world.outputs("app")["ApiId"]
    stage = world.client("apigateway").get_stage(restApiId=api, stageName="live")
    return bool(stage["deploymentId"] == world.outputs("app")["MaintenanceDeploymentId"])


def test_read_only_bucket(world: World) -> None:
    """A deploy is refused without a change; a diversion goes on, can be undone, and is recorded in the end."""
    undos, lines = len(stored(world, "undo")), len(world.audit())
    with read_only(world) as proxy:
        deploy = world.run(env=proxy.environment).require(2)
        assert "AccessDenied" in said(deploy) and "s3:PutObject" in said(deploy) and deploy.changed == 0
        divert = play(world, "divert", proxy).require()
        assert "GOING ON WITHOUT THE DEPLOY LOCK" in said(divert) and "AccessDenied" in said(divert)
        assert is_diverted(world)
        undo_id = world.report("divert")["undo_id"]
        assert any(undo_id in path.name for path in waiting(world)) and world.report("divert")["waiting"]
        undo = play(world, "undo", proxy, "-e", f"mcp_undo={undo_id}").require()
        assert not is_diverted(world) and "is uploaded by a later run" in said(undo)
        assert proxy.refused and len(stored(world, "undo")) == undos and len(world.audit()) == lines
    world.run().require()
    assert [record["body"]["command"] for record in stored(world, "undo")[:2]] == ["undo", "divert"]
    assert stored(world, "undo")[1]["id"] == undo_id
    assert len(world.audit()) > lines + 4 and waiting(world) == []


def test_bucket_that_does_not_answer(world: World) -> None:
    with silent(world) as proxy:
        divert = play(world, "divert", proxy).require()
        assert is_diverted(world) and "GOING ON WITHOUT THE DEPLOY LOCK" in said(divert)
        # The lock was asked for five times; the later tasks of the run did not ask again.
        assert proxy.refused == 5
        undo = play(world, "undo", proxy).require()
        assert not is_diverted(world) and "only the records that wait on this machine are known" in said(undo)
    assert world.run().require().changed == 0
    assert [record["body"]["command"] for record in stored(world, "undo")[:2]] == ["undo", "divert"]
    assert waiting(world) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "cannot be read"), (b'{"format": 2}', "has format 2, and this version of the collection reads format 1")],
    ids=["empty", "newer"],
)
def test_lock_that_nobody_can_read(world: World, body: bytes, words: str) -> None:
    put(world, "lock.json", body)
    deploy = world.run().require(2)
    assert words in said(deploy) and f"s3://{world.state_bucket}/lock.json" in said(deploy)
    assert deploy.changed == 0 and "Traceback" not in deploy.output
    divert = play(world, "divert").require()
    assert is_diverted(world) and words in said(divert) and "GOING ON WITHOUT THE DEPLOY LOCK" in said(divert)
    assert body_of(world, "lock.json") == body


def broken_key(kind: str) -> str:
    """Return the key of a record that is newer than all others."""
    return records.key_of(kind, records.new_id(datetime.now(UTC)))


def test_records_that_nobody_can_read(world: World) -> None:
    """Diverting and undoing go on without them; a rollback does not, and nothing is written over."""
    play(world, "divert").require()
    keys = {broken_key("undo"): b'{"format": 1, "id', broken_key("release"): b'{"format": 2}'}
    for key, body in keys.items():
        put(world, key, body)
    undo = play(world, "undo").require()
    assert not is_diverted(world) and "SKIPPED a record of kind undo" in said(undo)
    rollback = play(world, "rollback").require(2)
    (release,) = (key for key in keys if "/release/" in key)
    assert f"s3://{world.state_bucket}/{release} has format 2" in said(rollback) and rollback.changed == 0
    assert "ansible-galaxy collection install --upgrade pratikoai.mcp_servers" in said(rollback)
    for key, body in keys.items():
        assert f"aws s3 mv s3://{world.state_bucket}/{key}" in said(undo) + said(rollback)
        assert body_of(world, key) == body
        world.client("s3").delete_object(Bucket=world.state_bucket, Key=key)


def remove_bucket(world: World) -> None:
    """Remove the state bucket with everything in it, as somebody might by hand."""
    s3, name = world.client("s3"), world.state_bucket
    listed = s3.list_object_versions(Bucket=name)
    for item in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=name, Key=item["Key"], VersionId=item["VersionId"])
    s3.delete_bucket(Bucket=name)


@pytest.mark.proof
def test_bucket_that_was_deleted_by_hand(world: World) -> None:
    remove_bucket(world)
    deploy = world.run().require(2)
    make = f"aws s3 mb s3://{world.state_bucket} --region us-east-1"
    assert f"The bucket {world.state_bucket} is gone" in said(deploy) and make in said(deploy) and deploy.changed == 0
    play(world, "divert").require()
    assert is_diverted(world) and len(waiting(world)) >= 3
    world.client("s3").create_bucket(Bucket=world.state_bucket)
    assert play(world, "undivert").require() and not is_diverted(world)
    assert [record["body"]["command"] for record in stored(world, "undo")] == ["undivert", "divert"]
    assert {"divert", "undivert", "failed", "started"} <= {line["what"] for line in world.audit()}
    assert world.run().require().changed == 0
