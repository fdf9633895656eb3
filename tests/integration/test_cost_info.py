# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_info against an emulated Cost Explorer with known costs, its cache in the emulated S3, in both forms."""

from __future__ import annotations

import json
import typing as t
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.cost_explorer import CostExplorer, cost_explorer
from tests.support.emulated import TestSandbox
from tests.support.playbook import run_playbook
from tests.unit.plugins.cost_explorer_world import LAMBDA, RDS, Rows, by_day

pytestmark = pytest.mark.integration
BUCKET = "cost-info-state"
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  connection: local
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  tasks:
    - pratikoai.mcp_servers.{module}: {options}
      environment: {environment}
      check_mode: {check_mode}
      register: result
    - ansible.builtin.copy:
        content: "{{{{ result | to_json }}}}"
        dest: {answer}
        mode: "0600"
      check_mode: false
"""
FORMS = pytest.mark.parametrize("environment", [{}, {"FOR_THE_MODULE": "1"}], ids=["action plugin", "module"])


def rows(day: date) -> Rows:
    """Return what a day costs: the number of its day in the month, and a cent."""
    return [((RDS, "mcp:environment$staging"), str(day.day)), ((LAMBDA, "mcp:environment$production"), "0.01")]


def today() -> date:
    """Return the day by which costs are counted."""
    return datetime.now(UTC).date()


@pytest.fixture
def costs(tmp_path: Path) -> t.Iterator[CostExplorer]:
    now = today()
    window = {"Start": (now - timedelta(days=100)).isoformat(), "End": (now + timedelta(days=1)).isoformat()}
    with cost_explorer(tmp_path) as emulated:
        emulated.seed([{"ResultsByTime": by_day(rows, window), "DimensionValueAttributes": []}])
        yield emulated


@pytest.fixture
def bucket(sandbox: TestSandbox) -> t.Iterator[str]:
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    yield BUCKET
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    s3.delete_bucket(Bucket=BUCKET)


class Player:
    """Runs one task in a playbook of its own, from a folder and a home of its own."""

    def __init__(self, folder: Path, sandbox: TestSandbox, environment: dict[str, str]) -> None:
        self.folder, self.sandbox, self.environment = folder, sandbox, environment
        self.count = 0

    def play(self, module: str = "cost_info", check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Return the task's result."""
        self.count += 1
        place = self.folder / f"from-{self.count}"
        place.mkdir()
        answer, book = place / "answer.json", place / "book.yml"
        book.write_text(
            PLAYBOOK.format(
                module=module,
                options=json.dumps(options),
                environment=json.dumps(self.environment),
                check_mode=json.dumps(check_mode),
                answer=answer,
            )
        )
        run_playbook(str(book), home=place, env=self.sandbox.environment).require()
        return dict(json.loads(answer.read_text()))


@FORMS
def test_one_request_a_day_from_whatever_folder(
    costs: CostExplorer, bucket: str, sandbox: TestSandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    player, began = Player(tmp_path, sandbox, environment), today()
    options: dict[str, t.Any] = {"bucket": bucket, "cost_explorer_endpoint_url": costs.endpoint}
    first = player.play(**options)
    second = player.play(**options)
    own = player.play(tag_value="production", forecast="none", **options)
    if today() != began:
        pytest.skip("midnight passed: the day's answer is another one")
    month = sum(range(1, began.day + 1)) + began.day * Decimal("0.01")
    assert Decimal(first["total"]) == month and first["unknown"] == []
    assert {group["name"] for group in first["groups"]} == {RDS, LAMBDA}
    assert sum(Decimal(day["total"]) for day in first["by_day"]) == month
    assert (first["api_calls"], first["api_cost_usd"], first["cached"]) == (1, "0.01", False)
    assert (second["api_calls"], second["api_cost_usd"], second["cached"]) == (0, "0", True)
    assert {**second, "api_calls": 1, "api_cost_usd": "0.01", "cached": False} == first
    assert Decimal(own["total"]) == began.day * Decimal("0.01") and Decimal(own["account_total"]) == month
    assert costs.requests == 1 and first["cache"].startswith(f"s3://{bucket}/cost-cache/")


@FORMS
def test_what_no_emulator_has_is_said_to_be_missing(
    sandbox: TestSandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    player = Player(tmp_path, sandbox, environment)
    for module in ("cost_info", "free_tier_info"):
        result = player.play(module, sandbox=True)
        assert (result["available"], result["why"]) == (False, "not available on the emulator")
        assert not result["changed"]
