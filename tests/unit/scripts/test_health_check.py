# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script for a bad night: its words, its exit status, and nothing but JSON where JSON was asked for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

SCRIPT = ROOT / "scripts" / "health-check.sh"
COUNTS = ("critical_issues", "warning_issues", "unknown_checks", "healthy_services")
# Stands for ansible-playbook: notes how it was called, and writes what the playbook would.
PLAYBOOK = """#!/bin/sh
printf '%s\\n' "$@" >"$NOTES/arguments"
env >"$NOTES/environment"
pwd >"$NOTES/folder"
echo "TASK [Look] noise"
[ -z "${SAYS:-}" ] || echo "$SAYS"
[ -z "${SLEEP:-}" ] || sleep "$SLEEP"
[ -z "${CHECKS:-}" ] || exit 0
[ -z "${DIES:-}" ] || { echo "[ERROR]: $DIES"; exit 4; }
for argument; do
    case $argument in *mcp_health_copy_dir*) folder=$(printf '%s' "$argument" | sed 's/.*: "\\(.*\\)"}/\\1/') ;; esac
done
printf '{\\n  "exit_status": %s,\\n  "total_checks": 1\\n}\\n' "${STATUS:-0}" >"$folder/health.json"
echo 'the table' >"$folder/health.txt"
[ "${PAGE:-}" = none ] || echo "${PAGE:-reports/health.html}" >"$folder/page"
echo "${STATUS:-0}" >"$folder/exit-status"
exit "${ENDS:-0}"
"""


INTERRUPTIONS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def with_signals() -> None:
    """Let signals arrive as in a person's shell: what runs in the background ignores some, and sh keeps that."""
    for number in INTERRUPTIONS:
        signal.signal(number, signal.SIG_DFL)


class Checkout:
    """A checkout with a stand-in for ansible-playbook, at a path that is easily mistaken."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / 'a check\'out of "ours"'
        self.notes = folder / "notes"
        self.notes.mkdir()
        for name in ("local", "staging", "production", "sandbox"):
            (self.root / "inventories" / name).mkdir(parents=True)
        (self.root / "scripts").mkdir()
        shutil.copy(SCRIPT, self.root / "scripts")
        self.program = self.root / ".venv" / "bin" / "ansible-playbook"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(PLAYBOOK)
        self.program.chmod(0o755)
        self.temporary = folder / "tem porary"
        self.temporary.mkdir()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the script."""
        own = {"NOTES": str(self.notes), "TMPDIR": str(self.temporary), **environment}
        return subprocess.Popen(
            [str(self.root / "scripts" / "health-check.sh"), *arguments],
            cwd=self.notes,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=with_signals,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run the script; return how it ended and what it said."""
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate(timeout=60)
        assert list(self.temporary.iterdir()) == []
        return process.returncode, stdout, stderr

    def noted(self, what: str) -> list[str]:
        """Return what the stand-in was given."""
        return (self.notes / what).read_text().splitlines()

    def inventories(self) -> list[str]:
        """Return the inventories of the run, in order."""
        given = self.noted("arguments")
        return [given[place + 1] for place, word in enumerate(given) if word == "-i"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Make one."""
    return Checkout(tmp_path)


ALL = ["inventories/local", "inventories/staging", "inventories/production"]


@pytest.mark.parametrize(
    ("arguments", "inventories", "name"),
    [
        ([], ALL, "health"),
        (["all", "report"], ALL, "health"),
        (["report", "all"], ALL, "health"),
        (["local"], ["inventories/local"], "health-local"),
        (["staging", "json"], ["inventories/staging"], "health-staging"),
        (["--sandbox"], [*ALL, "inventories/sandbox"], "sandbox-health"),
        (["production", "--sandbox"], ["inventories/production", "inventories/sandbox"], "sandbox-health-production"),
        (["--sandbox", "local"], ["inventories/local"], "health-local"),
    ],
)
def test_it_looks_at_what_was_asked_for(
    checkout: Checkout, arguments: list[str], inventories: list[str], name: str
) -> None:
    assert checkout.run(*arguments)[0] == 0
    assert checkout.inventories() == inventories
    assert f"mcp_health_report={name}" in checkout.noted("arguments")
    assert checkout.noted("folder") == [str(checkout.root)]


def json_of(status: int) -> str:
    """Return what the stand-in's JSON is."""
    return f'{{\n  "exit_status": {status},\n  "total_checks": 1\n}}\n'


@pytest.mark.parametrize(("status", "ends"), [("0", "0"), ("1", "0"), ("2", "0"), ("3", "0"), ("2", "2"), ("2", "4")])
def test_it_ends_as_the_report_says(checkout: Checkout, status: str, ends: str) -> None:
    assert checkout.run("console", STATUS=status, ENDS=ends) == (int(status), "the table\n", "")


@pytest.mark.parametrize("status", ["0", "1", "3"])
def test_a_playbook_that_failed_without_anything_critical_is_never_taken_for_well(
    checkout: Checkout, status: str
) -> None:
    ended, stdout, stderr = checkout.run("console", STATUS=status, ENDS="2", SAYS="fatal: [gone]: nope")
    assert (ended, stdout) == (3, "the table\n")
    assert "ended with 2, and nothing critical explains it" in stderr and "[gone]: nope" in stderr
    assert stderr.count("\n") == 1
    ended, stdout, stderr = checkout.run("json", STATUS=status, ENDS="2")
    assert (ended, stdout) == (3, json_of(3)) and "--verbose" in stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("form", ["console", "json"])
def test_what_could_not_be_told_is_not_well(checkout: Checkout, form: str) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [str(checkout.root / "scripts" / "health-check.sh"), form],
            env={**os.environ, "NOTES": str(checkout.notes)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 3 and "could not be written" in ended.stderr


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"LC_ALL": "C"}, False),
        ({"LANG": "POSIX"}, False),
        ({"LC_ALL": "C.utf8"}, True),
        ({"LANG": "de_DE.UTF-8"}, True),
        ({}, True),
    ],
)
def test_ansible_gets_a_locale_that_it_takes(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], kept: bool
) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert checkout.run(**given)[0] == 0
    seen = dict(line.split("=", 1) for line in checkout.noted("environment") if line.startswith(("LC_ALL=", "LANG=")))
    assert seen == given if kept else seen["LC_ALL"].lower().replace("-", "").endswith(".utf8")


def test_each_format_says_its_own_and_nothing_else(checkout: Checkout) -> None:
    assert checkout.run("json") == (0, json_of(0), "")
    assert checkout.run("console") == (0, "the table\n", "")
    assert checkout.run("report") == (0, f"the table\npage: {checkout.root}/reports/health.html\n", "")
    assert checkout.run("report", PAGE="/else where/h.html")[1] == "the table\npage: /else where/h.html\n"
    status, stdout, _ = checkout.run("report", PAGE="none", STATUS="2", ENDS="2")
    assert status == 2 and "page: could not be written" in stdout


def test_what_ansible_says_is_shown_on_request_and_never_on_standard_output(checkout: Checkout) -> None:
    status, stdout, stderr = checkout.run("--verbose", "json")
    assert (status, stdout) == (0, json_of(0))
    assert "noise" in stderr


def test_more_arguments_reach_ansible_as_they_are(checkout: Checkout) -> None:
    more = ["-e", '{"mcp_report_dir": "a b"}', "--limit", "x:!y"]
    checkout.run("all", "json", "--", *more)
    assert checkout.noted("arguments")[-4:] == more


BAD = [
    (["prod"], "'prod' is neither an environment"),
    (["all", "xml"], "'xml' is neither an environment"),
    (["--check"], "'--check' is no option"),
    (["local", "staging"], "'staging' is one too many"),
    (["console", "report"], "'report' is one too many"),
    (["local staging"], "'local staging' is neither"),
    ([""], "'' is neither"),
    (["*"], "'*' is neither"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_wrong_word_is_named_with_what_is_allowed(checkout: Checkout, arguments: list[str], message: str) -> None:
    status, stdout, stderr = checkout.run(*arguments)
    assert (status, stdout) == (3, "")
    assert message in stderr and stderr.count("\n") == 1
    assert not (checkout.notes / "arguments").exists()


@pytest.mark.parametrize(
    "arguments",
    [["json", "prod"], ["prod", "json"], ["--no", "json"], ["json", 'a"b\\c\n\td'], ["json", "\x1b[2J\xff"]],
)
def test_an_error_is_json_too(checkout: Checkout, arguments: list[str]) -> None:
    status, stdout, stderr = checkout.run(*arguments)
    answer = json.loads(stdout)
    assert (status, stderr, answer["exit_status"]) == (3, "", 3)
    assert [answer[key] for key in ("total_checks", *COUNTS)] == [0] * 5
    assert answer["results"] == [] and answer["error"] and answer["timestamp"].endswith("Z")


def test_a_playbook_that_wrote_no_report_is_said_with_its_reason(checkout: Checkout) -> None:
    status, stdout, stderr = checkout.run("all", DIES="no such module")
    assert (status, stdout) == (3, "")
    assert "ansible-playbook ended with 4" in stderr and "no such module" in stderr and "--verbose" in stderr
    status, stdout, _ = checkout.run("all", "json", DIES='quoted "words" \\ and more')
    assert status == 3 and 'quoted "words" \\ and more' in json.loads(stdout)["error"]


def test_in_check_mode_there_is_no_report(checkout: Checkout) -> None:
    status, _, stderr = checkout.run("all", "--", "--check", CHECKS="yes")
    assert status == 3 and "with --check, --list-tasks and the like there is none" in stderr


def test_without_a_virtual_environment_path_is_searched_and_else_it_says_what_to_do(
    checkout: Checkout, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "bin"
    elsewhere.mkdir()
    checkout.program.rename(elsewhere / "ansible-playbook")
    assert checkout.run(PATH=f"{elsewhere}:{os.environ['PATH']}")[0] == 0
    status, _, stderr = checkout.run(PATH="/usr/bin:/bin")
    assert status == 3 and "make venv" in stderr


def test_a_missing_inventory_is_named(checkout: Checkout) -> None:
    (checkout.root / "inventories" / "staging").rmdir()
    status, _, stderr = checkout.run("all")
    assert status == 3 and "there is no inventories/staging" in stderr


def test_it_can_be_called_by_a_link(checkout: Checkout, tmp_path: Path) -> None:
    link = tmp_path / "look"
    link.symlink_to(checkout.root / "scripts" / "health-check.sh")
    environment = {**os.environ, "NOTES": str(checkout.notes), "CDPATH": "/"}
    ended = subprocess.run([str(link), "json"], capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, ended.stdout) == (0, json_of(0))


def test_in_the_sandbox_the_persons_own_aws_stays_out(checkout: Checkout) -> None:
    own = {"AWS_PROFILE": "mine", "AWS_ACCESS_KEY_ID": "AKIA", "AWS_ENDPOINT_URL": "http://x"}
    checkout.run("--sandbox", **own)
    assert not [line for line in checkout.noted("environment") if line.startswith(tuple(f"{name}=" for name in own))]
    checkout.run(**own)
    assert "AWS_PROFILE=mine" in checkout.noted("environment")


def test_a_checkout_that_is_not_linked_says_how_to(checkout: Checkout) -> None:
    said = "Error loading module_defaults: could not resolve the module_defaults group pratikoai.mcp_servers.mcp"
    code, stdout, stderr = checkout.run(DIES=said)
    assert (code, stdout) == (3, "") and stderr.count("\n") == 1 and stderr.endswith("make venv\n")


@pytest.mark.parametrize("number", INTERRUPTIONS)
def test_interrupted_it_leaves_nothing_and_knows_nothing(checkout: Checkout, number: int) -> None:
    process = checkout.start("json", SLEEP="30")
    until = time.monotonic() + 20
    while not (checkout.notes / "folder").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=20)
    answer: dict[str, t.Any] = json.loads(stdout)
    assert process.returncode == 3 and "interrupted" in answer["error"]
    assert list(checkout.temporary.iterdir()) == []


def test_help_says_what_the_numbers_mean(checkout: Checkout) -> None:
    status, stdout, _ = checkout.run("--help")
    assert status == 0 and "Usage:" in stdout and "2: something is critical" in stdout


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not program:
        pytest.skip("shellcheck is neither in this virtual environment nor on PATH")
    ended = subprocess.run([program, "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")
