# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dump holds, which backups are offered, what of a damaged one is named, how the file store fails."""

from __future__ import annotations

import io
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_backup, local_database
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.support.memory_s3 import FileStore, refusal

DUMP = b"""\\restrict abc
COPY public.documents (id, title) FROM stdin;
1\tone
2\ttwo
\\.
COPY public.empty (id) FROM stdin;
\\.
COPY public."Some (odd) name" (id) FROM stdin;
1
\\.
COPY public."a ""b"".c" (id) FROM stdin;
1
\\.
COPY public.without_columns  FROM stdin;


\\.
\\unrestrict abc
"""


def content(dump: bytes) -> dict[str, dict[str, t.Any]]:
    """Return what a dump holds."""
    return local_database.content_of(io.BytesIO(dump))


def test_a_dump_is_known_by_the_rows_of_every_table():
    found = content(DUMP)
    assert {name: table["rows"] for name, table in found.items()} == {
        "public.documents": 2,
        "public.empty": 0,
        'public."Some (odd) name"': 1,
        'public."a ""b"".c"': 1,
        "public.without_columns": 2,
    }
    later = b"-- dumped later\n" + DUMP.replace(b"abc", b"xyz")
    assert local_database.differing(found, content(later)) == []
    assert local_database.differing(found, content(DUMP.replace(b"two", b"too"))) == ["public.documents"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--dbname=mcp", "--dbname=x"),
        (
            "--dbname=postgresql://mcp@127.0.0.1:5432/mcp?passfile=/a/mcp",
            "--dbname=postgresql://mcp@127.0.0.1:5432/x?passfile=/a/mcp",
        ),
        ("--username=mcp", "--username=mcp"),
    ],
)
def test_a_command_is_led_to_another_database(given, expected):
    assert local_database.named([given], "x") == [expected]


# Which backups there are


def described(folder: Path, **changed: t.Any) -> None:
    """Write the description of a backup."""
    folder.mkdir(exist_ok=True)
    (folder / "backup.json").write_text(json.dumps({"id": folder.name, "format": 1, **changed}), encoding="utf-8")


def test_a_backup_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(McpError, match=r"There is no backup in .*backup\.yml"):
        local_backup.choose(tmp_path, None)
    described(tmp_path / "b1")
    assert local_backup.choose(tmp_path, None)["id"] == "b1"
    with pytest.raises(McpError, match=r"mcp_backup is 'b2': no such backup.*Allowed: b1\..*backups\.yml -i <inv"):
        local_backup.choose(tmp_path, "b2")
    described(tmp_path / "b1", format=2)
    with pytest.raises(McpError, match="has format 2"):
        local_backup.choose(tmp_path, "b1")


def test_what_a_restore_replaced_is_meant_only_by_its_name(tmp_path):
    """Whoever types a restore that failed again means the same backup as before."""
    described(tmp_path / "b2", before_restore="b1")
    with pytest.raises(McpError, match=r"There is no backup but what restores replaced in .*Allowed: b2"):
        local_backup.choose(tmp_path, None)
    described(tmp_path / "b1")
    assert local_backup.choose(tmp_path, None)["id"] == "b1"
    assert local_backup.choose(tmp_path, "b2")["id"] == "b2"


def test_backups_are_listed_newest_first_with_why_and_what_is_lost(tmp_path):
    assert local_backup.listed(tmp_path / "nowhere") == []
    content = {"public.documents": {"rows": 2}}
    for name, more in (("b1", {}), ("b2", {"before_restore": "b1"}), ("b3", {"final": True}), ("b4", {})):
        whole = {"time": "2026", "database": {"bytes": 3, "tables": content}}
        described(tmp_path / name, **whole, files={"a": {"file": "0", "bytes": 1}}, **more)
        (tmp_path / name / "files").mkdir()
        (tmp_path / name / "files" / "0").write_bytes(b"a")
        (tmp_path / name / "database.sql").write_bytes(b"abc" if name != "b4" else b"ab")
    described(tmp_path / "b5", format=2, database=None)
    (tmp_path / "b6").mkdir()
    (tmp_path / ".b7.part").mkdir()
    found = local_backup.listed(tmp_path)
    assert [(row["id"], row["why"], row["problem"]) for row in found] == [
        ("b6", None, "backup.json is gone or damaged"),
        ("b5", None, "its format is 2, which is not read here"),
        ("b4", "asked for", "database.sql is not there as it was"),
        ("b3", "before the data were removed", ""),
        ("b2", "before the restore of b1", ""),
        ("b1", "asked for", ""),
    ]
    assert (found[-1]["rows"], found[-1]["files"], found[-1]["bytes"], found[-1]["complete"]) == (2, 1, 4, True)
    assert [row["complete"] for row in found] == [False, False, False, True, True, True]


def test_what_is_no_whole_backup_is_not_offered(tmp_path):
    described(tmp_path / "b1")
    described(tmp_path / "b2", id="b1")
    (tmp_path / ".b3.part").mkdir()
    for name, text in (("b4", "{"), ("b5", "[]"), ("b6", "")):
        described(tmp_path / name)
        (tmp_path / name / "backup.json").write_text(text)
    assert [item["id"] for item in local_backup.manifests(tmp_path)] == ["b1"]


# The file store


def test_files_come_back_as_they_were_and_those_besides_stay(tmp_path):
    store = FileStore()
    store.objects = {"a/b": b"one", "..": b"", "\u00e9 \n": b"two", "gone": b"x"}
    store.removed = "gone"
    bucket = local_backup.Bucket(store, "files")
    saved = bucket.save(tmp_path / "files")
    assert sorted(saved) == ["..", "a/b", "\u00e9 \n"]
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == sorted(
        item["file"] for item in saved.values()
    )
    store.objects = {"a/b": b"changed", "new": b"stays"}
    bucket.load(tmp_path / "files", saved)
    assert store.objects == {"a/b": b"one", "..": b"", "\u00e9 \n": b"two", "new": b"stays"}


@pytest.mark.parametrize(
    ("method", "said"),
    [("list_objects_v2", "listed"), ("get_object", r"copied \(a\)"), ("put_object", r"put back \(a\)")],
)
def test_a_store_that_refuses_is_one_sentence(tmp_path, method, said):
    store = FileStore()
    store.objects = {"a": b"1"}
    bucket = local_backup.Bucket(store, "files")
    saved = bucket.save(tmp_path / "files")
    store.fails[method] = refusal("AccessDenied", 403, method)
    with pytest.raises(McpError, match=rf"^The files in bucket files cannot be {said}: .*AccessDenied.*deploy\.yml"):
        if method == "put_object":
            bucket.load(tmp_path / "files", saved)
        else:
            bucket.save(tmp_path / "again")


def test_a_damaged_file_is_named(tmp_path):
    store = FileStore()
    store.objects = {"a": b"1", "b": b"2"}
    files = local_backup.Bucket(store, "files").save(tmp_path / "files")
    (tmp_path / "database.sql").write_bytes(DUMP)
    whole = local_backup.digest(tmp_path / "database.sql")
    manifest = {"id": "b1", "database": {"sha256": whole}, "files": files}
    local_backup.check_whole(tmp_path, manifest)
    (tmp_path / "files" / "0").write_bytes(b"3")
    (tmp_path / "files" / "1").unlink()
    with pytest.raises(McpError, match=r"b1 is damaged: files/0, files/1 in .*Nothing was changed"):
        local_backup.check_whole(tmp_path, manifest)
    # All rows are there, and what makes a key of a column is not.
    (tmp_path / "database.sql").write_bytes(DUMP[:-15])
    with pytest.raises(McpError, match=r"damaged: database\.sql, files"):
        local_backup.check_whole(tmp_path, manifest)
