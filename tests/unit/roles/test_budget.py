# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles do about budgets beside the modules: the audit trail, and what a destroy leaves."""

from __future__ import annotations

import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.support.checkout import ROOT

ROLES = ROOT / "roles"
DONE: list[dict[str, t.Any]] = [{"what": "budget created", "target": "mcp-staging", "before": None, "after": {}}]


def loaded(*path: str) -> t.Any:
    """Return a file of the roles with its templates."""
    return DataLoader().load_from_file(str(ROLES.joinpath(*path)), cache="none", trusted_as_template=True)


@pytest.mark.parametrize(
    ("answer", "changed"),
    [
        ({"preflight__budget": {"differences": DONE}}, DONE),
        ({"preflight__budget": {"failed": True, "msg": "no", "done": DONE}}, DONE),
        ({"preflight__budget": {"failed": True, "msg": "Nobody would be told"}}, []),
        ({}, []),
    ],
)
def test_what_was_changed_before_a_failure_is_handed_on(answer: dict[str, t.Any], changed: list[t.Any]) -> None:
    (block,) = (task for task in loaded("preflight", "tasks", "budget.yml") if "block" in task)
    (always,) = block["always"]
    assert "rescue" not in block and "flips" in always["ansible.builtin.set_fact"]["mcp_deployment"]
    assert Templar(DataLoader(), variables=answer).template(always["vars"]["_mcp_changed"]) == changed


@pytest.mark.parametrize("phase", ["staging", "production"])
def test_a_destroy_says_how_budgets_are_removed(phase: str) -> None:
    kept = loaded(phase, "vars", "main.yml")["_mcp_kept_budgets"]
    (row,) = Templar(DataLoader(), variables={"mcp_environment": "blue"}).template(kept)
    assert row["resource"] == "budgets and alerts of mcp-blue, if you made them"
    assert "playbooks/budget.yml -i <inventory> -e mcp_budget_state=absent" in row["bills"]
    assert "+ _mcp_kept_budgets" in (ROLES / phase / "tasks" / "destroy.yml").read_text(encoding="utf-8")


def test_a_look_at_the_costs_pays_for_nothing() -> None:
    asked = DataLoader().load_from_file(
        str(ROOT / "playbooks" / "tasks" / "cost_questions.yml"), cache="none", trusted_as_template=True
    )
    (block,) = (task for task in asked if "block" in task)
    most = block["module_defaults"]["pratikoai.mcp_servers.cost_info"]["max_api_calls"]
    for check_mode, calls in ((True, 0), (False, 3)):
        variables = {"ansible_check_mode": check_mode, "mcp_cost_max_api_calls": 3}
        assert Templar(DataLoader(), variables=variables).template(most) == calls
