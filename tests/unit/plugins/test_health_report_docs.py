# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/HEALTH.md says of kinds, permissions, limits and checks is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_report_data, health_thresholds
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kinds import KINDS

from tests.support.checkout import ROOT
from tests.unit.roles import test_health as roles

DOCS = ROOT / "docs"
TEXT = (DOCS / "HEALTH.md").read_text()
PAGES = [DOCS / "HEALTH.md", DOCS / "runbooks" / "health.md", DOCS / "adr" / "ADR-013-HEALTH.md"]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    part = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[0].splitlines()[2:]]


def words(cell: str) -> set[str]:
    """Return what is set in code."""
    return set(re.findall(r"`([^`]+)`", cell))


def test_the_permissions_are_those_that_the_kinds_name() -> None:
    told: dict[str, set[str]] = {}
    for kinds, actions in rows("What it may ask AWS"):
        told |= {kind: words(actions) for kind in words(kinds)}
    wanted = {kind.name: set(kind.actions.values()) for kind in KINDS.values() if kind.actions}
    assert told == wanted


def test_the_limits_are_the_defaults() -> None:
    told = {}
    for name, warning, critical, _of in rows("Limits"):
        levels = {"warning": warning, "critical": critical}
        told[name.strip("`")] = {level: float(value) for level, value in levels.items() if value}
    wanted = {
        name: value if isinstance(value, dict) else {"warning": value}
        for name, value in health_thresholds.DEFAULTS.items()
    }
    assert told == wanted


@pytest.mark.parametrize("phase", ["local", "staging", "production"])
def test_every_check_of_the_phases_is_explained_with_its_kind(phase: str) -> None:
    told = {name: words(kinds) for names, _where, kinds, _says in rows("What is checked") for name in words(names)}
    for probe in roles.asked(phase):
        name = re.sub(
            r"^(stack|secret) .*",
            lambda found: f"{found[1]} {'LAYER' if found[1] == 'stack' else 'NAME'}",
            probe["name"],
        )
        assert probe["kind"] in told[name], probe["name"]


def test_the_exit_statuses_are_in_their_order() -> None:
    assert [int(status) for status, _ in rows("What it ends with")] == [
        health_report_data.CRITICAL,
        health_report_data.NOT_CHECKED,
        health_report_data.NOT_HEALTHY,
        health_report_data.PERFECT,
    ]


def anchors(text: str) -> set[str]:
    """Return what a page's headings can be linked by."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text()), link
