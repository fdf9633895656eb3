# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy lock, audit lines and records, against botocore's own model of S3."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import sys
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    audit_log,
    deploy_lock,
    local_first,
    state,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import NoAnswer
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

BUCKET = "mcp-production-state-111122223333-us-east-1"
OWNER = "111122223333"
OWNED = {"ExpectedBucketOwner": OWNER}
LINE = {"what": "alias moved", "target": "app/live", "before": "6", "after": "7"}


class S3:
    """A stubbed S3 client whose expected calls are written in order."""

    def __init__(self, **owner: str) -> None:
        self.place = {"Bucket": BUCKET, **owner}
        self.client = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        self.stub = Stubber(self.client)
        self.bodies: list[bytes] = []
        self.client.meta.events.register("provide-client-params.s3.PutObject", self._keep_body)

    def _keep_body(self, params: dict[str, t.Any], **_rest: t.Any) -> None:
        self.bodies.append(params["Body"])

    def put(self, key: str, error: str = "", **condition: t.Any) -> S3:
        """Expect a PutObject that works, or ends with an error."""
        expected = {**self.place, "Key": key, "Body": ANY, **condition}
        return self._expect("put_object", {"ETag": '"new"'}, expected, error)

    def get(self, key: str, body: t.Any = None, error: str = "", etag: str = '"old"') -> S3:
        """Expect a GetObject that finds a body, or nothing."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = {"Body": io.BytesIO(raw), "ETag": etag}
        missing = "NoSuchKey" if body is None else ""
        return self._expect("get_object", answer, {**self.place, "Key": key}, error or missing)

    def delete(self, error: str = "") -> S3:
        """Expect the lock to be removed as it was read."""
        return self._expect("delete_object", {}, {**self.place, "Key": "lock.json", "IfMatch": '"old"'}, error)

    def head_bucket(self, error: str = "") -> S3:
        """Expect the question whether the bucket exists."""
        return self._expect("head_bucket", {}, self.place, error)

    def _expect(self, method: str, answer: dict[str, t.Any], params: dict[str, t.Any], error: str) -> S3:
        if error:
            self.stub.add_client_error(method, error, expected_params=params, http_status_code=status(error))
        else:
            self.stub.add_response(method, answer, params)
        return self


def status(code: str) -> int:
    return {"PreconditionFailed": 412, "AccessDenied": 403, "403": 403, "ServiceUnavailable": 503}.get(code, 404)


class Task:
    """One call of ``run``."""

    def __init__(self, s3: t.Any, check_mode: bool = False, **params: t.Any) -> None:
        self.warnings: list[str] = []
        defaults = {name: option.get("default") for name, option in state.ARGUMENT_SPEC.items()}
        own = {"bucket": BUCKET, "environment": "production", "run_id": "mine", "operator": "me@here"}
        client = s3.client if isinstance(s3, S3) else s3
        self.context = Context(
            params={**defaults, **own, **params},
            make_client=lambda _service, _region: client,
            check_mode=check_mode,
            warn=self.warnings.append,
        )
        self.s3 = s3

    def run(self, pid: int | None = None) -> dict[str, t.Any]:
        if not isinstance(self.s3, S3):
            return state.run(self.context, pid)
        with self.s3.stub:
            result = state.run(self.context, pid)
        self.s3.stub.assert_no_pending_responses()
        return result


def lock(**changes: t.Any) -> dict[str, t.Any]:
    """A lock of another run on another machine, still good for ten minutes."""
    now = datetime.now(UTC)
    return {
        "environment": "production",
        "run_id": "theirs",
        "operator": "ada@laptop",
        "host": "laptop",
        "machine_id": "another",
        "pid": 1,
        "pid_started": "1",
        "since": "2026-11-22T15:00:00Z",
        "lease_until": deploy_lock.utc(now + timedelta(minutes=10)),
        "command": "ansible-playbook deploy.yml",
        **changes,
    }


def own_process(**changes: t.Any) -> dict[str, t.Any]:
    """A lock of this machine, held by this living process."""
    started = deploy_lock.process_started(os.getpid())
    return lock(**{"machine_id": deploy_lock.machine_id(), "pid": os.getpid(), "pid_started": started, **changes})


def dead_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def contested(held: t.Any) -> S3:
    """A lock lies there: the first put is refused, the read shows it."""
    return S3().put("lock.json", "PreconditionFailed", IfNoneMatch="*").get("lock.json", held)


def test_free_lock_is_taken_with_everything_that_identifies_the_run() -> None:
    s3 = S3().put("lock.json", IfNoneMatch="*")
    result = Task(s3, lock="acquire", lease=60, command="ansible-playbook deploy.yml").run(pid=os.getpid())
    written = json.loads(s3.bodies[0])
    assert result["acquired"] and result["lock"] == written and result["taken_over_from"] is None
    assert result["changed"] is False
    assert written["pid"] == os.getpid() and written["pid_started"] == deploy_lock.process_started(os.getpid())
    assert written["machine_id"] == deploy_lock.machine_id() and written["operator"] == "me@here"
    lease = datetime.fromisoformat(written["lease_until"]) - datetime.fromisoformat(written["since"])
    assert lease == timedelta(seconds=60)


def test_own_lock_is_renewed_and_keeps_its_beginning() -> None:
    s3 = contested(lock(run_id="mine")).put("lock.json", IfMatch='"old"')
    result = Task(s3, lock="acquire").run()
    assert result["acquired"] and result["lock"]["since"] == "2026-11-22T15:00:00Z"
    assert result["taken_over_from"] is None


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (lambda: own_process(pid=dead_pid()), "on this machine is gone"),
        (lambda: own_process(pid_started="another start"), "on this machine is gone"),
        (lambda: lock(lease_until=deploy_lock.utc(datetime.now(UTC) - timedelta(seconds=2))), "its lease ended"),
    ],
    ids=["dead process", "reused process id", "lease over"],
)
def test_lock_of_a_run_that_ended_is_taken_over_with_a_word(held: t.Callable[[], dict[str, t.Any]], words: str) -> None:
    before = held()
    task = Task(contested(before).put("lock.json", IfMatch='"old"'), lock="acquire")
    result = task.run()
    assert result["acquired"] and result["lock"]["run_id"] == "mine" and result["taken_over_from"] == before
    (warning,) = task.warnings
    assert words in warning and "ada@laptop since 2026-11-22T15:00:00Z" in warning


@pytest.mark.parametrize(
    "holder",
    [lock, own_process, lambda: lock(pid=None, pid_started=None)],
    ids=["other machine", "this process", "no process id"],
)
def test_living_holder_is_respected(holder: t.Callable[[], dict[str, t.Any]]) -> None:
    held = holder()
    with pytest.raises(McpError) as caught:
        Task(contested(held), lock="acquire").run()
    for words in ("ada@laptop", "2026-11-22T15:00:00Z", held["lease_until"], "ansible-playbook deploy.yml"):
        assert words in caught.value.message
    assert "-e mcp_take_over_run_id=theirs" in caught.value.message
    assert caught.value.details["lock"] == held


def test_an_emergency_is_told_how_to_end_a_gradual_shift_by_hand() -> None:
    by_hand = "aws deploy stop-deployment --deployment-id"
    with pytest.raises(McpError) as caught:
        Task(contested(lock()), lock="acquire", emergency=True).run()
    for words in (by_hand, "--auto-rollback-enabled", "-e mcp_take_over_run_id=theirs"):
        assert words in caught.value.message
    # Without application and group the list is that of the whole account: each of them would be taken back.
    listed = re.findall(r"aws deploy list-deployments ([^,]*)", caught.value.message)
    assert listed == [
        f"--application-name mcp-production --deployment-group-name mcp-production-{role} "
        "--include-only-statuses InProgress --query deployments --output text"
        for role in ("server", "authorizer")
    ]
    with pytest.raises(McpError) as caught:
        Task(contested(lock()), lock="acquire").run()
    assert by_hand not in caught.value.message


def test_only_the_named_holder_can_be_replaced() -> None:
    with pytest.raises(McpError):
        Task(contested(lock()), lock="acquire", take_over_run_id="somebody").run()
    result = Task(contested(lock()).put("lock.json", IfMatch='"old"'), lock="acquire", take_over_run_id="theirs").run()
    assert result["taken_over_from"]["run_id"] == "theirs"


def test_lost_race_for_a_dead_lock_ends_in_refusal() -> None:
    over = lock(lease_until="2020-01-01T00:00:00Z")
    s3 = contested(over).put("lock.json", "PreconditionFailed", IfMatch='"old"')
    s3.put("lock.json", "PreconditionFailed", IfNoneMatch="*").get("lock.json", lock(run_id="faster"))
    with pytest.raises(McpError, match="run faster"):
        Task(s3, lock="acquire").run()
    s3.stub.assert_no_pending_responses()


def test_lock_released_between_two_calls_is_taken() -> None:
    s3 = contested(None).put("lock.json", IfNoneMatch="*")
    assert Task(s3, lock="acquire").run()["acquired"]


def test_lock_removed_before_the_take_over_is_taken() -> None:
    s3 = contested(lock(lease_until="2020-01-01T00:00:00Z")).put("lock.json", "NoSuchKey", IfMatch='"old"')
    assert Task(s3.put("lock.json", IfNoneMatch="*"), lock="acquire").run()["acquired"]


def test_endless_race_ends() -> None:
    s3 = S3()
    for _attempt in range(deploy_lock.ATTEMPTS):
        s3.put("lock.json", "PreconditionFailed", IfNoneMatch="*").get("lock.json", None)
    with pytest.raises(McpError, match="changed hands"):
        Task(s3, lock="acquire").run()


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'"x"', json.dumps(lock(lease_until="soon")).encode()])
def test_unreadable_lock_is_told(body: bytes) -> None:
    with pytest.raises(McpError, match=r"cannot be read .* aws s3 rm s3://mcp-production-state"):
        Task(contested(body), lock="acquire").run()


def test_release_removes_only_the_own_lock() -> None:
    assert Task(S3().get("lock.json", lock(run_id="mine")).delete(), lock="release").run()["released"]
    assert not Task(S3().get("lock.json", lock()), lock="release").run()["released"]
    assert not Task(S3().get("lock.json", None), lock="release").run()["released"]
    lost = S3().get("lock.json", lock(run_id="mine")).delete("PreconditionFailed")
    assert not Task(lost, lock="release").run()["released"]


def renew(s3: S3, *owner: str) -> bool:
    with s3.stub:
        return deploy_lock.renew_lock(s3.client, BUCKET, "lock.json", "mine", 900, *owner)


def test_renewal_moves_the_lease_of_the_own_lock_only() -> None:
    s3 = (
        S3().get("lock.json", lock(run_id="mine", lease_until="2020-01-01T00:00:00Z")).put("lock.json", IfMatch='"old"')
    )
    assert renew(s3)
    renewed = json.loads(s3.bodies[0])
    assert datetime.fromisoformat(renewed["lease_until"]) > datetime.now(UTC) + timedelta(seconds=800)
    assert renewed["since"] == "2026-11-22T15:00:00Z"
    assert not renew(S3().get("lock.json", lock()))
    assert not renew(S3().get("lock.json", None))
    assert renew(S3(**OWNED).get("lock.json", lock(run_id="mine")).put("lock.json", IfMatch='"old"'), OWNER)
    lost = S3().get("lock.json", lock(run_id="mine")).put("lock.json", "PreconditionFailed", IfMatch='"old"')
    assert not renew(lost.get("lock.json", lock()))


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this Python cannot wait for a process and leave it a zombie")
def test_zombie_counts_as_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as ended:
        assert ended.stdout
        ended.stdout.read()  # its end of the pipe closes when it ends; it stays a zombie until it is waited for
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert deploy_lock.process_started(ended.pid) is None


def test_check_mode_tells_the_holder_and_writes_nothing() -> None:
    held = lock()
    s3 = S3().get("lock.json", held).get("a.json", {"x": 1})
    result = Task(s3, True, lock="acquire", audit=[LINE], put={"a.json": {"x": 2}}).run()
    assert result["lock"] == held and not result["acquired"]
    assert result["written"] == ["a.json"] and result["audit_key"] is None


def test_audit_lines_are_one_new_object() -> None:
    s3 = S3().put(ANY, IfNoneMatch="*", ContentType="application/x-ndjson")
    result = Task(s3, audit=[LINE, {"what": "looked", "target": "app"}]).run()
    first, second = (json.loads(line) for line in s3.bodies[0].splitlines())
    time = datetime.fromisoformat(first.pop("time"))
    assert first == {**LINE, "who": "me@here", "environment": "production", "run_id": "mine"}
    assert second["before"] is None and second["after"] is None
    assert result["audit_key"] == f"audit/{time:%Y/%m/%d}/{time:%Y%m%dT%H%M%S.%fZ}-mine-0.jsonl"


def test_audit_name_that_is_taken_is_never_overwritten() -> None:
    s3 = S3().put(ANY, "PreconditionFailed", IfNoneMatch="*", ContentType="application/x-ndjson")
    s3.get(ANY, b"other lines\n").put(ANY, IfNoneMatch="*", ContentType="application/x-ndjson")
    assert Task(s3, audit=[LINE]).run()["audit_key"].endswith("-mine-1.jsonl")


def test_before_the_bucket_exists_lines_wait_on_disk_and_are_merged_later(tmp_path: Path) -> None:
    missing = S3().put("lock.json", "NoSuchBucket", IfNoneMatch="*")
    result = Task(missing, lock="acquire", audit=[LINE], get=["a.json"], fallback_dir=str(tmp_path)).run()
    assert result["bucket_exists"] is False and result["acquired"] is False and result["objects"] == {"a.json": None}
    (path,) = result["waiting"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    waited = Path(path).read_bytes()
    assert json.loads(waited)["what"] == "alias moved"

    found = S3().put("lock.json", IfNoneMatch="*").put(ANY, IfNoneMatch="*", ContentType="application/x-ndjson")
    found.put(ANY, IfNoneMatch="*", ContentType="application/x-ndjson")
    later = Task(found, lock="acquire", audit=[{**LINE, "what": "later"}], fallback_dir=str(tmp_path)).run()
    assert found.bodies[1] == waited and json.loads(found.bodies[2])["what"] == "later"
    assert len(later["uploaded"]) == 1 and later["audit_key"] not in later["uploaded"]
    assert not os.path.exists(path)


def test_upload_that_was_killed_before_it_removed_the_file_adds_nothing(tmp_path: Path) -> None:
    body = b'{"what": "x"}\n'
    folder = local_first.local_folder(str(tmp_path), BUCKET)
    path = local_first.save(folder, audit_log.local_name(audit_log.audit_name("mine", datetime.now(UTC))), body)
    s3 = S3().head_bucket().put(ANY, "PreconditionFailed", IfNoneMatch="*", ContentType="application/x-ndjson")
    result = Task(s3.get(ANY, body), fallback_dir=str(tmp_path)).run()
    assert len(result["uploaded"]) == 1 and not os.path.exists(path)


def test_lines_of_another_bucket_stay(tmp_path: Path) -> None:
    path = local_first.save(local_first.local_folder(str(tmp_path), "another"), "20261122T1-x-1.jsonl", b"{}\n")
    assert Task(S3().head_bucket(), fallback_dir=str(tmp_path)).run()["uploaded"] == []
    assert os.path.exists(path)


class Silent:
    """An S3 that nobody can reach."""

    def __getattr__(self, name: str) -> t.Any:
        def refuse(**_params: t.Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://s3.example")

        return refuse


def test_aws_does_not_answer(tmp_path: Path) -> None:
    task = Task(Silent(), audit=[LINE], fallback_dir=str(tmp_path))
    result = task.run()
    assert (
        result["bucket_exists"] is None
        and len(result["waiting"]) == 1
        and "uploaded by a later run" in task.warnings[0]
    )
    with pytest.raises(NoAnswer, match="AWS did not answer"):
        Task(Silent(), audit=[LINE], get=["a.json"], fallback_dir=str(tmp_path)).run()
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2
    with pytest.raises(NoAnswer):
        Task(Silent(), lock="acquire").run()


def test_refused_audit_waits_on_disk_with_a_warning(tmp_path: Path) -> None:
    s3 = S3().put(ANY, "AccessDenied", IfNoneMatch="*", ContentType="application/x-ndjson")
    task = Task(s3, audit=[LINE], fallback_dir=str(tmp_path))
    result = task.run()
    assert re.search(r"AccessDenied.*s3:PutObject.*aws sts get-caller-identity", task.warnings[0])
    (path,) = tmp_path.rglob("*.jsonl")
    assert result["waiting"] == [str(path)] and str(path) in task.warnings[0]


def test_refused_lock_tells_the_audit_nothing(tmp_path: Path) -> None:
    with pytest.raises(McpError):
        Task(contested(lock()), lock="acquire", audit=[LINE], fallback_dir=str(tmp_path)).run()
    assert not list(tmp_path.rglob("*.jsonl"))


def test_lost_audit_lines_are_said() -> None:
    task = Task(S3().put(ANY, "NoSuchBucket", IfNoneMatch="*", ContentType="application/x-ndjson"), audit=[LINE])
    assert task.run()["waiting"] == []
    assert "fallback_dir is not set" in task.warnings[0]


def test_objects_are_written_only_when_they_differ() -> None:
    same = state.to_json({"b": 1, "a": [True, None]})
    s3 = S3().get("same.json", same).get("new.json", None).put("new.json", ContentType="application/json")
    s3.get("other.json", {"x": 1}).put("other.json", ContentType="application/json")
    s3.get("new.json", {"x": 2})
    wanted = {"same.json": {"a": [True, None], "b": 1}, "new.json": {"x": 2}, "other.json": {"x": 2}}
    result = Task(s3, put=wanted, get=["new.json"]).run()
    assert result["written"] == ["new.json", "other.json"] and result["objects"] == {"new.json": {"x": 2}}


def test_missing_object_is_null_and_a_broken_one_an_error() -> None:
    assert Task(S3().get("a.json", None), get=["a.json"]).run()["objects"] == {"a.json": None}
    with pytest.raises(McpError, match=r"s3://.*/a.json is not JSON"):
        Task(S3().get("a.json", b"<x>"), get=["a.json"]).run()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDenied", "s3:ListBucket"),
        ("ExpiredToken", "have expired"),
        ("InvalidClientTokenId", "may not be enabled .* aws account get-region-opt-status --region-name <mcp_region>"),
        ("SignatureDoesNotMatch", "aws sts get-caller-identity$"),
    ],
)
def test_other_refusals_are_errors(code: str, words: str) -> None:
    with pytest.raises(McpError, match=words):
        Task(S3().get("a.json", {}, error=code), get=["a.json"]).run()


def test_every_call_names_the_account_that_owns_the_bucket() -> None:
    s3 = S3(**OWNED).put("lock.json", IfNoneMatch="*").put(ANY, IfNoneMatch="*", ContentType="application/x-ndjson")
    s3.get("a.json", None).put("a.json", ContentType="application/json").get("b.json", {"x": 1})
    Task(s3, bucket_owner=OWNER, lock="acquire", audit=[LINE], put={"a.json": 1}, get=["b.json"]).run()
    Task(S3(**OWNED).head_bucket(), bucket_owner=OWNER).run()
    released = S3(**OWNED).get("lock.json", lock(run_id="mine")).delete()
    assert Task(released, bucket_owner=OWNER, lock="release").run()["released"]


@pytest.mark.parametrize(
    ("s3", "get"),
    [(S3(**OWNED).head_bucket("403"), []), (S3(**OWNED).get("a.json", {}, error="AccessDenied"), ["a.json"])],
    ids=["bucket", "object"],
)
def test_a_bucket_of_another_account_is_told(s3: S3, get: list[str]) -> None:
    with pytest.raises(McpError) as failure:
        Task(s3, bucket_owner=OWNER, get=get).run()
    message = failure.value.message
    assert f"{BUCKET} belongs to another account than {OWNER}" in message
    assert f"aws s3 ls | grep {BUCKET}" in message and "s3:ListBucket" in message


def test_missing_bucket_without_anything_to_do() -> None:
    assert Task(S3().head_bucket("404")).run()["bucket_exists"] is False
    task = Task(S3().get("a.json", {}, error="NoSuchBucket"), put={"a.json": {}})
    assert task.run()["written"] == [] and "Not written: a.json" in task.warnings[0]


def test_operator_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(state.getpass, "getuser", nameless)
    assert state.default_operator() == f"{os.getuid()}@{state.platform.node()}"
