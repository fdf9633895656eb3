# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records: newest first, local first, one union; and whatever lies there instead of one."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    deploy_lock,
    local_first,
    package,
    records,
    state,
    state_append,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError, call_run
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.s3_objects import Bucket, NoAnswer, Stored, to_json
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, IncompleteReadError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.memory_s3 import MemoryS3, refusal

BUCKET = "mcp-production-state-111122223333-us-east-1"
LINE = {"what": "diverted", "target": "live", "before": "1", "after": "2"}
UNDO = {"kind": "undo", "body": {"command": "divert", "fields": {"stage_deployment": "d1"}}}
NO_ANSWER = ConnectTimeoutError(endpoint_url="https://s3.example")
DENIED = refusal("AccessDenied", 403, "PutObject")
MISSING = refusal("NoSuchBucket", 404, "PutObject")
SLOW = refusal("SlowDown", 503, "PutObject")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
# Half a surrogate pair is text in Python and nothing that JSON in UTF-8 can carry.
CLEAN = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CLEAN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CLEAN, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(CLEAN, VALUES, max_size=4)


class Odd:
    """A client that answers some methods in another way than the one behind it."""

    def __init__(self, s3: MemoryS3, **methods: t.Callable[..., t.Any]) -> None:
        self._s3, self._methods = s3, methods

    def __getattr__(self, name: str) -> t.Any:
        return self._methods.get(name) or getattr(self._s3, name)


class Task:
    """One call of ``run`` on a bucket in memory."""

    def __init__(self, s3: MemoryS3 | Odd, folder: Path | None, check_mode: bool = False, **params: t.Any) -> None:
        self.warnings: list[str] = []
        defaults = {name: option.get("default") for name, option in state.ARGUMENT_SPEC.items()}
        own = {"bucket": BUCKET, "environment": "production", "run_id": "mine", "operator": "me@here"}
        where = {"fallback_dir": str(folder) if folder else None}
        self.context = Context(
            params={**defaults, **own, **where, **params},
            make_client=lambda _service, _region: s3,
            check_mode=check_mode,
            warn=self.warnings.append,
        )

    def run(self) -> dict[str, t.Any]:
        """Return the result."""
        return state.run(self.context)


def run(s3: MemoryS3 | Odd, folder: Path | None = None, **params: t.Any) -> dict[str, t.Any]:
    """Run a task that has nothing to warn of."""
    task = Task(s3, folder, **params)
    result = task.run()
    assert task.warnings == []
    return result


def files(folder: Path) -> list[Path]:
    """Return what waits on this machine."""
    return local_first.waiting(local_first.local_folder(str(folder), BUCKET))


def stored_key(s3: MemoryS3) -> str:
    """Return the key of the only record."""
    (key,) = (key for key in s3.objects if key.startswith("records/"))
    return key


def test_a_record_says_who_did_what_when() -> None:
    s3 = MemoryS3()
    result = run(s3, add=[UNDO], records={"undo": 1})
    (record,) = result["records"]["undo"]
    assert result["added"] == [record["id"]] and result["unreadable"] == result["waiting"] == []
    time = datetime.fromisoformat(record["time"])
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    assert {name: record[name] for name in ("format", "kind", "who", "environment", "run_id", "body")} == {
        "format": 1,
        "kind": "undo",
        "who": "me@here",
        "environment": "production",
        "run_id": "mine",
        "body": UNDO["body"],
    }
    assert record["id"].startswith(f"{time:%Y%m%d-%H%M%S}-{time.microsecond // 1000:03d}") and len(record["id"]) <= 22
    assert records.split_key(stored_key(s3)) == ("undo", record["id"])


def test_records_of_one_call_keep_their_order_and_kinds_stay_apart() -> None:
    s3 = MemoryS3()
    added = [{"kind": "undo", "body": {"n": number}} for number in range(12)]
    run(s3, add=[*added, {"kind": "override", "body": {"n": -1}}])
    result = run(s3, records={"undo": 0, "override": "5", "release": 3})["records"]
    assert [record["body"]["n"] for record in result["undo"]] == list(range(11, -1, -1))
    assert [record["body"]["n"] for record in result["override"]] == [-1] and result["release"] == []


def test_the_newest_of_thousands_cost_one_listing() -> None:
    s3 = MemoryS3()
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(2500):
        record_id = records.new_id(begin + timedelta(minutes=number))
        value = {**whole(record_id), "body": {"n": number}}
        s3.objects[records.key_of("undo", record_id)] = to_json(value)
    newest = run(s3, records={"undo": 20})["records"]["undo"]
    assert [record["body"]["n"] for record in newest] == list(range(2499, 2479, -1))
    assert s3.calls == {"list_objects_v2": 1, "get_object": 20}
    assert len(run(s3, records={"undo": 0})["records"]["undo"]) == 2500
    assert s3.calls["list_objects_v2"] == 1 + 3


def test_one_record_is_read_by_its_id() -> None:
    s3 = MemoryS3()
    first, second = run(s3, add=[UNDO, UNDO])["added"]
    result = run(s3, records={"undo": first, "release": second})
    assert [record["id"] for record in result["records"]["undo"]] == [first] and result["records"]["release"] == []
    assert s3.calls["list_objects_v2"] == 0


@pytest.mark.parametrize("wanted", [{"undos": 1}, {"undo": -1}, {"undo": "all"}, {"undo": True}, {"undo": None}])
def test_a_wrong_wish_is_refused_before_anything_is_done(wanted: dict[str, t.Any]) -> None:
    s3 = MemoryS3()
    with pytest.raises(McpError, match=r"^records: .*allowed "):
        run(s3, records=wanted, lock="acquire", add=[UNDO])
    assert not s3.calls


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"n": {1, 2}}, {"n": "\ud800"}])
def test_a_body_that_is_no_json_is_refused(body: dict[str, t.Any], tmp_path: Path) -> None:
    with pytest.raises(McpError, match=r"a new record 'undo' cannot be written as JSON"):
        run(MemoryS3(), tmp_path, add=[{"kind": "undo", "body": body}])
    assert not files(tmp_path)


def test_check_mode_writes_nothing_and_reads_what_waits(tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails["put_object"] = NO_ANSWER
    (added,) = Task(s3, tmp_path, add=[UNDO]).run()["added"]
    s3.fails.clear()
    result = run(s3, tmp_path, check_mode=True, add=[UNDO], audit=[LINE], records={"undo": 0})
    assert result["added"] == [] and [record["id"] for record in result["records"]["undo"]] == [added]
    assert not s3.objects and len(files(tmp_path)) == 1


# Local first


@pytest.mark.parametrize("failure", [NO_ANSWER, DENIED, MISSING, SLOW, EndpointConnectionError(endpoint_url="x")])
def test_what_the_bucket_does_not_take_waits_on_disk_and_arrives_later(failure: Exception, tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails["put_object"] = failure
    task = Task(s3, tmp_path, add=[UNDO, UNDO], audit=[LINE])
    early = task.run()
    (warning,) = task.warnings
    assert len(early["added"]) == 2 and early["waiting"] == [str(path) for path in files(tmp_path)]
    assert len(early["waiting"]) == 3 and all(path in warning for path in early["waiting"])
    assert {stat.S_IMODE(os.stat(path).st_mode) for path in early["waiting"]} == {0o600}
    assert s3.calls["put_object"] == 1, "an S3 that does not answer is asked once"

    s3.fails.clear()
    late = run(s3, tmp_path, audit=[LINE], records={"undo": 0})
    assert sorted(record["id"] for record in late["records"]["undo"]) == sorted(early["added"])
    assert len(late["uploaded"]) == 3 and late["waiting"] == [] and files(tmp_path) == []
    assert len([key for key in s3.objects if key.startswith("audit/")]) == 2


def test_what_was_stored_before_the_bucket_went_away_is_not_stored_twice(tmp_path: Path) -> None:
    s3 = MemoryS3()

    def put_once(**options: t.Any) -> t.Any:
        answer = s3.put_object(**options)
        s3.fails["put_object"] = NO_ANSWER
        return answer

    result = Task(Odd(s3, put_object=put_once), tmp_path, add=[UNDO, UNDO], audit=[LINE]).run()
    assert len(s3.objects) == 1 and len(files(tmp_path)) == 2
    s3.fails.clear()
    after = run(s3, tmp_path, records={"undo": 0})["records"]["undo"]
    assert [record["id"] for record in after] == result["added"][::-1]


def test_an_upload_whose_answer_got_lost_is_not_repeated_as_another_record(tmp_path: Path) -> None:
    s3 = MemoryS3()
    twice = Odd(s3, put_object=lambda **options: s3.put_object(**options) and s3.put_object(**options))
    assert run(twice, tmp_path, add=[UNDO])["added"] == [records.split_key(stored_key(s3))[1]]


def test_a_write_that_met_another_one_is_no_record(tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails["put_object"] = refusal("ConditionalRequestConflict", 409, "PutObject")
    task = Task(s3, tmp_path, add=[UNDO])
    result = task.run()
    assert s3.objects == {} and result["waiting"] == [str(path) for path in files(tmp_path)] != []
    assert len(task.warnings) == 1


@pytest.mark.parametrize("emergency", [False, True])
def test_without_a_folder_a_record_is_not_lost_in_silence(emergency: bool) -> None:
    s3 = MemoryS3()
    s3.fails["put_object"] = NO_ANSWER
    task = Task(s3, None, add=[UNDO], emergency=emergency)
    if emergency:
        task.run()
        assert "recorded nowhere, keep it" in task.warnings[0] and '"stage_deployment": "d1"' in task.warnings[0]
        return
    with pytest.raises(McpError, match="fallback_dir is not set"):
        task.run()


def test_a_disk_that_is_no_help_either_is_an_error(tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails["put_object"] = NO_ANSWER
    (tmp_path / "file").write_text("")
    with pytest.raises(McpError, match=r"file/.*cannot be written: .*-e mcp_report_dir="):
        Task(s3, tmp_path / "file", add=[UNDO]).run()


def test_files_that_are_not_ours_stay_with_a_warning(tmp_path: Path) -> None:
    s3 = MemoryS3()
    folder = local_first.local_folder(str(tmp_path), BUCKET)
    foreign = whole(records.new_id(datetime.now(UTC)), environment="staging")
    key = records.key_of("undo", foreign["id"])
    for name, body in {
        key: to_json(foreign),
        "records/undo/half.json": b'{"format": 1, "id',
        "20261122T150000.000000Z-run-1.jsonl": b'{"what": "x", "environment": "staging"}\n',
        "20261122T150001.000000Z-run-1.jsonl": b'{"what": "x", "envir',
        "notes-1.jsonl": b"{}\n",
    }.items():
        local_first.save(folder, name, body)
    (folder / "records" / "undo" / "cut.json.17.part").write_bytes(b"{")
    task = Task(s3, tmp_path, add=[UNDO], records={"undo": 0})
    result = task.run()
    assert len(task.warnings) == 5 and all("not uploaded and stays" in text for text in task.warnings)
    assert [record["id"] for record in result["records"]["undo"]] == result["added"]
    assert result["uploaded"] == [] and len(files(tmp_path)) == 5 and len(s3.objects) == 1


def test_a_key_that_another_object_has_is_left_alone(tmp_path: Path) -> None:
    s3 = MemoryS3()
    waiting = whole(records.new_id(datetime.now(UTC)))
    key = records.key_of("undo", waiting["id"])
    local_first.save(local_first.local_folder(str(tmp_path), BUCKET), key, to_json(waiting))
    s3.objects[key] = b"something else"
    task = Task(s3, tmp_path, audit=[LINE])
    assert task.run()["audit_key"] and s3.objects[key] == b"something else" and len(files(tmp_path)) == 1
    assert "already there with another content" in task.warnings[0]


@pytest.mark.parametrize("before", [1, 4])
def test_an_id_that_another_machine_took_in_the_same_millisecond_is_replaced(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of 4,096 that meet: seen once in CI."""
    s3, moment = MemoryS3(), "20261122-150000-000"
    digits = iter(f"{number:03x}" for number in range(10))
    for number in range(before):
        key = records.key_of("undo", f"{moment}{number:03x}")
        s3.objects[key] = to_json({**whole(f"{moment}{number:03x}"), "who": "you@there"})
    monkeypatch.setattr(records, "new_id", lambda _moment: f"{moment}{next(digits)}")
    monkeypatch.setattr(records, "another_id", lambda _id: f"{moment}{next(digits)}")
    task = Task(s3, None, add=[UNDO], records={"undo": 0})
    if before > state_append.SAME_MILLISECOND:
        with pytest.raises(McpError, match="already there with another content"):
            task.run()
        assert len(s3.objects) == before
        return
    result = task.run()
    assert result["added"] == [f"{moment}{before:03x}"] and len(s3.objects) == before + 1
    assert [(record["id"], record["who"]) for record in result["records"]["undo"]] == [
        (f"{moment}{before:03x}", "me@here"),
        (f"{moment}{before - 1:03x}", "you@there"),
    ]


@given(st.integers(0, 0xFFF))
def test_another_id_is_another_one(digits: int) -> None:
    record_id = f"20261122-150000-000{digits:03x}"
    other = records.another_id(record_id)
    assert other != record_id and other[:-3] == record_id[:-3] and records.key_of("undo", other)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=12), st.integers(0, 6))
def test_machines_in_and_out_of_reach_end_in_one_union(steps: list[tuple[int, bool, bool]], limit: int) -> None:
    """Three machines add records, with and without an answer, some of which arrived all the same."""
    s3, added = MemoryS3(), []
    # Equal digits in one millisecond are the test above.
    digits = mock.patch.object(records.secrets, "token_hex", side_effect=(f"{each:03x}" for each in range(4096)))
    with tempfile.TemporaryDirectory() as base, digits:
        for number, (machine, answers, arrives) in enumerate(steps):
            folder = Path(base) / str(machine)
            s3.fails = {} if answers else {"put_object": NO_ANSWER}
            (record_id,) = Task(s3, folder, add=[{"kind": "undo", "body": {"n": number}}]).run()["added"]
            added.append(record_id)
            if arrives and not answers:
                key = records.key_of("undo", record_id)
                s3.objects[key] = (local_first.local_folder(str(folder), BUCKET) / key).read_bytes()
        s3.fails = {}
        for machine in range(3):
            run(s3, Path(base) / str(machine), audit=[LINE])
            assert files(Path(base) / str(machine)) == []
    found = [record["id"] for record in run(s3, records={"undo": limit})["records"]["undo"]]
    assert found == sorted(added, reverse=True)[: limit or None]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.integers(0, 10))
def test_merging_is_a_union(stored: set[int], local: set[int], limit: int) -> None:
    def made(numbers: set[int]) -> list[records.Record]:
        return [whole(f"20261122-150000-0000{number:02d}") for number in sorted(numbers, reverse=True)]

    merged = records.union(made(stored), made(local), limit)
    assert merged == made(stored | local)[: limit or None]
    assert merged == records.union(merged, made(local), limit) == records.union(made(local), made(stored), limit)


@settings(deadline=None)
@given(BODIES)
def test_what_is_added_is_what_is_read(body: dict[str, t.Any]) -> None:
    s3 = MemoryS3()
    (record,) = run(s3, add=[{"kind": "plan", "body": body}], records={"plan": 0})["records"]["plan"]
    assert record["body"] == body == json.loads(s3.objects[stored_key(s3)])["body"]


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2099, 1, 1)), st.sampled_from(records.KINDS))
def test_a_key_leads_back_to_its_id_and_later_sorts_first(moment: datetime, kind: str) -> None:
    earlier, later = (records.new_id(moment + timedelta(milliseconds=extra)) for extra in (0, 1))
    assert records.split_key(records.key_of(kind, earlier)) == (kind, earlier)
    assert earlier < later and records.key_of(kind, later) < records.key_of(kind, earlier)


# What lies there and is no record


def whole(record_id: str, **changes: t.Any) -> dict[str, t.Any]:
    """Return a record of another run."""
    own = {"format": 1, "id": record_id, "kind": "undo", "time": "2026-11-22T15:00:00.000Z", "who": "ada@laptop"}
    return {**own, "environment": "production", "run_id": "theirs", "body": {}, **changes}


RECORD_ID = "20261122-150001-1234f2"
KEY = records.key_of("undo", RECORD_ID)
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not JSON"),
    "garbage": (b"\x00\xff<x>", "is not JSON"),
    "cut": (to_json(whole(RECORD_ID))[:40], "is not JSON"),
    "list": (b"[]", "JSON of another type"),
    "number": (b"3", "JSON of another type"),
    "empty object": (b"{}", "its format is None, known is 1"),
    "text as format": (to_json(whole(RECORD_ID, format="1")), "its format is '1', known is 1"),
    "newer": (to_json(whole(RECORD_ID, format=2)), "has format 2, and this version of the collection reads format 1"),
    "no body": (to_json(whole(RECORD_ID, body=[])), "missing or of a wrong type: body"),
    "no time": (to_json({**whole(RECORD_ID), "time": None}), "missing or of a wrong type: time"),
    "another id": (to_json(whole("20261122-150001-1234f3")), "does not fit its key"),
    "deep": (b"[" * 100_000, "is not JSON"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_unreadable_record_is_told_and_left_alone(name: str, tmp_path: Path) -> None:
    body, words = BROKEN[name]
    s3 = MemoryS3()
    s3.objects[KEY] = body
    for wanted in (5, 0, RECORD_ID):
        with pytest.raises(McpError) as caught:
            run(s3, tmp_path, records={"undo": wanted})
        message = caught.value.message
        assert f"s3://{BUCKET}/{KEY}" in message and words in message
        assert "ansible-galaxy collection install --upgrade pratikoai.mcp_servers" in message
        assert f"aws s3api list-object-versions --bucket {BUCKET} --prefix {KEY}" in message
    assert s3.objects == {KEY: body}


@pytest.mark.parametrize("name", BROKEN)
def test_an_emergency_goes_on_without_it_but_not_when_it_is_named(name: str) -> None:
    s3 = MemoryS3()
    s3.objects[KEY] = BROKEN[name][0]
    s3.objects[f"records/undo/{'0' * 20}-note.txt"] = b"a note"
    task = Task(s3, None, emergency=True, add=[UNDO], records={"undo": 1})
    result = task.run()
    assert [record["id"] for record in result["records"]["undo"]] == result["added"]
    assert [item["key"] for item in result["unreadable"]] == [f"records/undo/{'0' * 20}-note.txt"]
    older = Task(s3, None, emergency=True, records={"undo": 2})
    assert len(older.run()["records"]["undo"]) == 1 and len(older.warnings) == 2
    assert any(f"s3://{BUCKET}/{KEY}" in text and "SKIPPED" in text for text in older.warnings)
    with pytest.raises(McpError, match=re.escape(KEY)):
        Task(s3, None, emergency=True, records={"undo": RECORD_ID}).run()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_record_or_a_clear_error(body: bytes) -> None:
    s3 = MemoryS3()
    s3.objects.update({KEY: body, "lock.json": body, "a.json": body})
    for params in ({"records": {"undo": 0}}, {"lock": "acquire"}, {"get": ["a.json"]}):
        answer = call_run(Task(s3, None, **params).context, state.run)
        assert answer["changed"] is False and (answer.get("msg") or answer.get("objects"))
    assert s3.objects["lock.json"] == body


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*whole(""), *deploy_lock.FIELDS, "pid"]), SCALARS | st.just(1)))
def test_any_object_is_a_record_or_a_clear_error(value: dict[str, t.Any]) -> None:
    body = json.dumps(value).encode()
    for read in (
        lambda: records.parse(body, "it", KEY),
        lambda: deploy_lock.parse_lock(Bucket(None, BUCKET), Stored(body, "e")),
    ):
        try:
            assert read()["format"] == 1
        except McpError as error:
            assert error.message
        except KeyError:
            assert "format" not in value, "only a lock may leave it out"


# Reading over a bad line, and S3 out of reach


class Torn:
    """A body that breaks off."""

    def read(self) -> bytes:
        """Fail as botocore does."""
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    s3 = MemoryS3()
    s3.objects["a.json"] = b"{}"
    answers = [{"Body": Torn(), "ETag": "x"}] * 4
    torn = Odd(s3, get_object=lambda **options: answers.pop() if answers else s3.get_object(**options))
    assert run(torn, get=["a.json"])["objects"] == {"a.json": {}}
    answers += [{"Body": Torn(), "ETag": "x"}] * 5
    with pytest.raises(NoAnswer, match="read s3://"):
        run(torn, get=["a.json"])


ALL = ("put_object", "get_object", "list_objects_v2", "head_bucket", "delete_object")


@pytest.mark.parametrize("failure", [NO_ANSWER, SLOW])
def test_an_emergency_goes_on_without_the_bucket(failure: Exception, tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails = dict.fromkeys(ALL, failure)
    emergency: dict[str, t.Any] = {"emergency": True}
    lock = Task(s3, tmp_path, lock="acquire", audit=[LINE], **emergency)
    result = lock.run()
    assert result["acquired"] is False and result["bucket_exists"] is None
    assert "GOING ON WITHOUT THE DEPLOY LOCK" in lock.warnings[0]
    undo = Task(s3, tmp_path, add=[UNDO], records={"undo": 1}, get=["a.json"] if failure is None else [], **emergency)
    listed = undo.run()
    assert [record["id"] for record in listed["records"]["undo"]] == listed["added"]
    assert any("only the records that wait on this machine are known" in text for text in undo.warnings)
    assert sum(s3.calls.values()) == 1, "one run asks an S3 that does not answer once"
    end = Task(s3, tmp_path, lock="release", audit=[LINE], **emergency).run()
    assert end["released"] is False and len(end["waiting"]) == 3
    assert [path.name for path in tmp_path.rglob(".away*")] == []
    s3.fails = {}
    assert len(run(s3, tmp_path, lock="acquire", run_id="next")["uploaded"]) == 3


def test_an_emergency_gives_s3_seconds(tmp_path: Path) -> None:
    task = Task(MemoryS3(), tmp_path, lock="acquire", emergency=True)
    task.run()
    assert task.context.params["aws_config"]["connect_timeout"] == 2
    assert "aws_config" not in Task(MemoryS3(), tmp_path).context.params


@pytest.mark.parametrize("failure", [NO_ANSWER, DENIED])
def test_without_an_emergency_what_needs_the_bucket_stops(failure: Exception, tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.fails = dict.fromkeys(ALL, failure)
    with pytest.raises(McpError):
        Task(s3, tmp_path, lock="acquire", audit=[LINE]).run()
    assert len(files(tmp_path)) == 1
    for params in ({"records": {"undo": 1}}, {"get": ["a.json"]}, {"put": {"a.json": 1}}):
        with pytest.raises(McpError):
            Task(s3, tmp_path, add=[UNDO], **params).run()
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("failure", [NO_ANSWER, DENIED])
def test_the_end_of_a_run_does_not_fail_for_its_lock(failure: Exception, tmp_path: Path) -> None:
    s3 = MemoryS3()
    run(s3, tmp_path, lock="acquire")
    s3.fails = dict.fromkeys(ALL, failure)
    task = Task(s3, tmp_path, lock="release", audit=[LINE])
    result = task.run()
    assert result["released"] is False and len(result["waiting"]) == 1
    assert "was not given back" in task.warnings[-1] and "-e mcp_take_over_run_id=mine" in task.warnings[-1]


LOCK = {**dict.fromkeys(deploy_lock.FIELDS, "x"), "run_id": "theirs", "lease_until": "2099-01-01T00:00:00Z"}


def test_a_lock_that_somebody_holds_is_respected_in_an_emergency_too() -> None:
    s3 = MemoryS3()
    s3.objects["lock.json"] = to_json(LOCK)
    with pytest.raises(deploy_lock.LockHeld, match="at least until 2099-01-01T00:00:00Z"):
        Task(s3, None, lock="acquire", emergency=True).run()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "cannot be read"),
        (to_json({**LOCK, "pid": "1"}), "cannot be read .*pid"),
        (to_json({**LOCK, "lease_until": "2099-01-01"}), "cannot be read .*lease_until"),
        (to_json({**LOCK, "format": "1"}), "cannot be read .*format"),
        (to_json({**LOCK, "format": 2}), "has format 2, and this version of the collection reads format 1 only"),
    ],
)
def test_a_lock_that_nobody_can_read(body: bytes, words: str, tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.objects["lock.json"] = body
    with pytest.raises(deploy_lock.LockUnreadable, match=words):
        Task(s3, tmp_path, lock="acquire").run()
    emergency = Task(s3, tmp_path, lock="acquire", emergency=True)
    assert emergency.run()["acquired"] is False and re.search(words, emergency.warnings[0])
    end = Task(s3, tmp_path, lock="release")
    assert end.run()["released"] is False and re.search(words, end.warnings[0])
    assert s3.objects["lock.json"] == body


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"packages": [{}]}', b'{"packages": [1]}', b"x"])
def test_a_broken_description_of_a_release_is_told_and_left_alone(body: bytes) -> None:
    s3 = MemoryS3()
    key = "releases/abc/release.json"
    s3.objects[key] = body
    release = package.Release("abc", "a:b", "3.13", "s")
    for act in (package.recorded, lambda bucket, one: package.record(bucket, one, {"target": "t"})):
        with pytest.raises(McpError, match=rf"s3://{BUCKET}/{key} .*aws s3"):
            act(Bucket(s3, BUCKET), release)
    assert s3.objects == {key: body}
