# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""files: what differs is written whole and told, what is secret is not shown, what is as wanted is not touched."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import files
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError


def write(check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    """Run the module with diff."""
    checked = ArgumentSpecValidator(files.ARGUMENT_SPEC).validate(options)
    assert not checked.error_messages, checked.error_messages
    params = checked.validated_parameters
    return files.run(Context(params=params, make_client=lambda *_: None, check_mode=check, diff_mode=True))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o077], ids=["open umask", "closed umask"])
def umask(request: pytest.FixtureRequest) -> t.Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_set_is_written_once_and_told_before(tmp_path: Path) -> None:
    folder, file, copied = tmp_path / "a", tmp_path / "a" / "b" / "limits.json", tmp_path / "a" / "rules"
    rules = tmp_path / "source"
    (rules / "deep").mkdir(parents=True)
    (rules / "deep" / "one.yaml").write_text("one")
    wanted: dict[str, t.Any] = {
        "folders": {str(folder): "0700"},
        "files": [
            {"path": str(file), "content": "{}\n", "mode": "0644"},
            {"path": str(copied), "src": str(rules), "mode": "0644", "service": "prometheus"},
        ],
    }
    told = write(check=True, **wanted)
    assert not folder.exists()
    assert write(**wanted) == told
    assert told["changed"] and told["paths"] == [str(path) for path in (folder, file, copied / "deep" / "one.yaml")]
    assert (mode(folder), mode(file), mode(file.parent), mode(copied / "deep")) == (0o700, 0o644, 0o755, 0o755)
    assert (copied / "deep" / "one.yaml").read_text() == "one"
    before = file.stat()
    again = write(**wanted)
    assert (again["changed"], again["paths"], again["digests"]) == (False, [], told["digests"])
    assert file.stat() == before


@pytest.mark.parametrize("check", [True, False])
def test_a_wider_mode_is_told_and_corrected(tmp_path: Path, check: bool) -> None:
    folder, file = tmp_path / "secrets", tmp_path / "secrets" / "password"
    wanted: dict[str, t.Any] = {"folders": {str(folder): "0700"}, "files": [{"path": str(file), "secret": "x"}]}
    write(**wanted)
    folder.chmod(0o755)
    file.chmod(0o644)
    found = write(check=check, **wanted)
    assert found["paths"] == [str(folder), str(file)]
    assert {(diff["before"], diff["after"]) for diff in found["diff"]} == {
        ("mode 0755\n", "mode 0700\n"),
        ("mode 0644\n", "mode 0600\n"),
    }
    assert (mode(folder), mode(file)) == ((0o755, 0o644) if check else (0o700, 0o600))


def test_what_is_secret_shows_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("the old secret")
    found = write(files=[{"path": str(path), "secret": "the new secret", "service": "redis"}])
    assert found["changed"] and path.read_text() == "the new secret"
    assert "the new" not in json.dumps(found) and "the old" not in json.dumps(found)
    assert files.ARGUMENT_SPEC["files"]["options"]["secret"]["no_log"]


def test_what_is_kept_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "password"
    for text, changed in (("first", True), ("second", False)):
        assert write(files=[{"path": str(path), "secret": text, "keep": True}])["changed"] is changed
    assert path.read_text() == "first"
    path.chmod(0o644)
    assert write(files=[{"path": str(path), "secret": "third", "keep": True}])["changed"]
    assert (path.read_text(), mode(path)) == ("first", 0o600)


def test_a_text_shows_as_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    write(files=[{"path": str(path), "content": "port 1\n"}])
    (difference,) = write(check=True, files=[{"path": str(path), "content": "port 2\n"}])["diff"]
    assert (difference["before"], difference["after"]) == ("port 1\n", "port 2\n")
    assert difference["before_header"] == difference["after_header"] == str(path)


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "a.conf"
    elsewhere.write_text("of somebody else")
    path.symlink_to(elsewhere)
    assert write(files=[{"path": str(path), "content": "ours"}])["changed"]
    assert (path.is_symlink(), path.read_text(), elsewhere.read_text()) == (False, "ours", "of somebody else")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.conf", "elsewhere"]


def test_a_digest_is_of_all_files_of_a_service(tmp_path: Path) -> None:
    def digest(first: str, second: str) -> dict[str, str]:
        texts = {"one": first, "two": second}
        entries = [{"path": str(tmp_path / name), "content": text, "service": "redis"} for name, text in texts.items()]
        return dict(write(check=True, files=[*entries, {"path": str(tmp_path / "x"), "content": "x"}])["digests"])

    assert set(digest("a", "b")) == {"redis"}
    assert len({digest(*texts)["redis"] for texts in (("a", "b"), ("a", "c"), ("ab", ""), ("", "ab"))}) == 4
    assert digest("a", "b") == digest("a", "b")


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_an_owner_is_kept_to(tmp_path: Path) -> None:
    path = tmp_path / "password"
    wanted = {"path": str(path), "secret": "x", "owner": 65532}
    assert write(files=[wanted])["changed"] and not write(files=[wanted])["changed"]
    os.chown(path, 0, 0)
    (difference,) = write(files=[wanted])["diff"]
    assert difference["after"] == "mode 0600, owner 65532\n"
    assert (path.stat().st_uid, path.stat().st_gid) == (65532, 65532)


def test_what_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for options in (
        {"folders": {str(tmp_path / "file"): "0700"}},
        {"files": [{"path": str(tmp_path / "file" / "a"), "content": "x"}]},
        {"files": [{"path": str(tmp_path), "content": "x"}]},
        {"files": [{"path": str(tmp_path / "a"), "src": str(tmp_path / "absent")}]},
    ):
        with pytest.raises(McpError, match=r"cannot be written \(.*type the same command again"):
            write(**options)
    with pytest.raises(McpError, match="mode is 'u=rw'"):
        write(files=[{"path": str(tmp_path / "a"), "content": "x", "mode": "u=rw"}])


@pytest.mark.parametrize("given", [{}, {"content": "x", "secret": "y"}])
def test_an_entry_has_one_text(given: dict[str, str]) -> None:
    checked = ArgumentSpecValidator(files.ARGUMENT_SPEC).validate({"files": [{"path": "/a", **given}]})
    assert checked.error_messages
