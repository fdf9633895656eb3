# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of data when a deploy was refused, a backup fails, a restore is killed, the bucket is a real one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.local import DIRECT, Local, is_kept, wait_until
from tests.support.playbook import start_playbook
from tests.support.world import shared_packages

pytestmark = [pytest.mark.e2e, pytest.mark.proof]
BUCKET = "team-files"


@contextlib.contextmanager
def environment(base: Path, home: Path) -> t.Iterator[Local]:
    """A checkout whose environment is not deployed yet; its services end with the block."""
    project = copy_project(ROOT, base / "project")
    link_collection(project)
    folder = Path(tempfile.mkdtemp(prefix="mcp-data-"))
    made = Local(project, folder, home, shared_packages(home))
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[Local]:
    """An environment with the emulated S3."""
    with environment(tmp_path_factory.mktemp("data"), private_home) as made:
        yield made


def dump_of(local: Local) -> str:
    """Return the database of the newest backup."""
    folder = max(path for path in (local.dir / "backups").iterdir() if not path.name.startswith("."))
    return (folder / "database.sql").read_text(encoding="utf-8")


def test_data_of_an_environment_that_never_had_a_release_are_backed_up(local: Local) -> None:
    source = local.project / "app" / "src" / "pratiko_mcp" / "reference" / "server.py"
    good = source.read_text(encoding="utf-8")
    mistake = "import os\nif 'MCP_REDIS_URL' in os.environ:\n    raise RuntimeError('a mistake')\n"
    source.write_text(f"{good}\n{mistake}", encoding="utf-8")
    assert "does not serve" in local.play().require(2).output
    source.write_text(good, encoding="utf-8")
    wait_until(lambda: local.ready()[0] == 200)
    local.play("playbooks/token.yml").require()
    local.call("save_document", document_id="worked", title="t", text="all day")
    local.play("playbooks/destroy.yml", mcp_confirm="local").require()
    assert not (local.dir / "secrets" / "aws-credentials").exists()
    look = local.play("playbooks/destroy.yml", "--check", mcp_confirm="local", mcp_destroy_data=True).require()
    assert look.changed > 0 and (local.dir / "data" / "postgres").is_dir()
    local.play("playbooks/destroy.yml", mcp_confirm="local", mcp_destroy_data=True).require()
    assert "worked\t" in dump_of(local)
    assert not (local.dir / "data").exists() and local.pids() == {}


def test_what_cannot_be_backed_up_is_not_removed(local: Local) -> None:
    local.play().require()
    local.call("save_document", document_id="dear", title="t", text="x")
    local.play("playbooks/destroy.yml", mcp_confirm="local").require()
    control = local.dir / "data" / "postgres" / "global" / "pg_control"
    whole = control.read_bytes()
    control.write_bytes(b"")
    run = local.play("playbooks/destroy.yml", mcp_confirm="local", mcp_destroy_data=True).require(2)
    for words in ("could not be backed up, so nothing was removed", "postgres did not come up", "rm -r"):
        assert words in " ".join(run.output.split())
    control.write_bytes(whole)
    local.play().require()
    assert local.call("get_document", document_id="dear")["text"] == "x"


def test_a_restore_that_is_killed_leaves_data_and_the_next_deploy_serves_them(local: Local) -> None:
    local.play("playbooks/backup.yml").require()
    local.call("save_document", document_id="after", title="t", text="x")
    command = local.command("playbooks/restore.yml", mcp_confirm="local")
    run = start_playbook(*command, home=local.home, cwd=local.project, env=local.environment)
    wait_until(lambda: "server" not in local.pids(), 300)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    local.play().require()
    assert local.call("get_document", document_id="dear")["text"] == "x"
    local.play("playbooks/restore.yml", mcp_confirm="local").require()
    assert local.call("get_document", document_id="dear")["text"] == "x"
    # The same backup as the first time, and not what was there in between.
    assert not is_kept(local, "after")


def test_a_restore_that_fails_serves_what_was_there(local: Local) -> None:
    folder = max((local.dir / "backups").iterdir())
    dump, description = folder / "database.sql", folder / "backup.json"
    with dump.open("a", encoding="utf-8") as stream:
        stream.write("CREATE EXTENSION nowhere;\n")
    run = local.play("playbooks/restore.yml", mcp_confirm="local", mcp_backup=folder.name).require(2)
    assert "is damaged: database.sql" in " ".join(run.output.split())
    from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_backup

    manifest = json.loads(description.read_text(encoding="utf-8"))
    manifest["database"]["sha256"] = local_backup.digest(dump)
    description.write_text(json.dumps(manifest), encoding="utf-8")
    run = local.play("playbooks/restore.yml", mcp_confirm="local", mcp_backup=folder.name).require(2)
    assert "The server serves what was there before" in " ".join(run.output.split())
    assert local.ready()[0] == 200
    assert local.call("get_document", document_id="dear")["text"] == "x"


def test_destroyed_with_its_backups_nothing_is_left_and_again_nothing_changes(local: Local) -> None:
    everything = {"mcp_confirm": "local", "mcp_destroy_data": True, "mcp_destroy_foundation": True}
    assert local.play("playbooks/destroy.yml", **everything).require().changed > 0
    assert not local.dir.exists() and local.pids() == {}
    assert local.play("playbooks/destroy.yml", **everything).require().changed == 0
    assert not local.dir.exists()


# A real bucket


def credential(url: str) -> str:
    """Return the access key with which a link was signed."""
    return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["X-Amz-Credential"][0].partition("/")[0]


def upload_link(local: Local, name: str, body: bytes) -> str:
    """Return a link to upload a file."""
    wanted = {"file_id": name, "content_type": "text/plain", "size_bytes": len(body)}
    return str(local.call("create_upload_url", **wanted)["url"])


@pytest.mark.parametrize("exists", [True, False])
def test_a_real_bucket_is_used_with_the_keys_of_the_day_and_removed_only_if_we_made_it(
    tmp_path: Path, private_home: Path, sandbox: TestSandbox, exists: bool
) -> None:
    s3, bucket = sandbox.client("s3"), f"{BUCKET}-{exists}".lower()
    if exists:
        s3.create_bucket(Bucket=bucket)
    with environment(tmp_path, private_home) as local:
        local.variables = {"mcp_local_s3_bucket": bucket, "mcp_aws_endpoint_url": sandbox.endpoint}
        local.environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        local.play().require()
        assert "s3" not in local.pids()
        link = upload_link(local, "a", b"kept")
        assert credential(link) == "test"
        DIRECT.open(urllib.request.Request(link, b"kept", {"Content-Type": "text/plain"}, method="PUT")).close()
        before = local.pids()
        assert local.play().require().changed == 0 and local.pids() == before
        # The keys of the next day.
        keys = local.environment
        local.environment = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "t"}
        look = local.play("deploy.yml", "--check").require()
        assert look.changed > 0 and local.pids() == before
        local.play().require()
        assert {name for name, pid in local.pids().items() if before[name] != pid} == {"server"}
        # The emulated account takes the first keys alone.
        assert credential(upload_link(local, "b", b"too")) == "other"
        local.environment = keys
        run = local.play("playbooks/backup.yml", mcp_local_s3_bucket="another-one").require(2)
        assert f"are in bucket {bucket}" in " ".join(run.output.split())
        local.play("playbooks/destroy.yml", mcp_confirm="local").require()
        assert not (local.dir / "secrets" / "aws-credentials").exists()
        local.play("playbooks/destroy.yml", mcp_confirm="local", mcp_destroy_data=True).require()
        (backup,) = (local.dir / "backups").iterdir()
        assert [path.read_bytes() for path in (backup / "files").iterdir()] == [b"kept"]
    there = {item["Name"] for item in s3.list_buckets()["Buckets"]}
    assert (bucket in there) is exists
    if exists:
        assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 1


def marks(s3: t.Any, bucket: str) -> list[dict[str, str]]:
    """Return the tags of a bucket; none where it has none, or is not there."""
    with contextlib.suppress(ClientError):
        return list(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
    return []


def test_a_bucket_is_ours_by_its_mark_whenever_we_are_killed_and_whoever_else_makes_it(
    tmp_path: Path, private_home: Path, sandbox: TestSandbox
) -> None:
    s3, bucket = sandbox.client("s3"), f"{BUCKET}-marked"
    gone = {"mcp_confirm": "local", "mcp_destroy_data": True}
    with environment(tmp_path, private_home) as local:
        local.variables = {"mcp_local_s3_bucket": bucket, "mcp_aws_endpoint_url": sandbox.endpoint}
        local.environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        run = start_playbook(*local.command("deploy.yml"), home=local.home, cwd=local.project, env=local.environment)
        wait_until(lambda: bool(marks(s3, bucket)), 300)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        local.play().require()
        local.play("playbooks/destroy.yml", **gone).require()
        assert bucket not in {item["Name"] for item in s3.list_buckets()["Buckets"]}
        # Noted by us, made by somebody else.
        local.play().require()
        s3.delete_bucket(Bucket=bucket)
        s3.create_bucket(Bucket=bucket)
        assert local.play().require().changed == 0
        told = local.play("playbooks/destroy.yml", **gone).require().output
        assert f"bucket {bucket}, without the mark" in " ".join(told.split())
    assert bucket in {item["Name"] for item in s3.list_buckets()["Buckets"]}
