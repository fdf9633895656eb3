# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules and dashboards of the local phase, by themselves: the live ones are in tests/integration."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from scripts import dashboards
from tests.support.checkout import ROOT
from tests.support.watching import DASHBOARDS, RULES, needs

TESTS = ROOT / "tests" / "promtool"
PROVISIONING = ROOT / "roles" / "local" / "files" / "grafana" / "provisioning"


def rules_of(path: Path) -> list[dict[str, t.Any]]:
    """Return the rules of a file."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: (path, rule) for path in sorted(RULES.glob("*.yaml")) for rule in rules_of(path)}
EVERY_ALERT = pytest.mark.parametrize("name", ALERTS)


def promtool(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a file of rules."""
    return subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)


@needs("promtool")
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_rules_ring_when_they_should(path: Path) -> None:
    done = promtool(path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("promtool")
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("rings", [False, True])
def test_every_alert_has_a_test_that_hears_it_and_one_that_does_not(path: Path, rings: bool, tmp_path: Path) -> None:
    document = yaml.safe_load((RULES / path.name).read_text(encoding="utf-8"))
    names = set()
    for group in document["groups"]:
        for rule in group["rules"]:
            names.add(rule["alert"])
            rule |= {"expr": "vector(1)" if rings else "vector(1) > 1", "for": "0s"}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    tests = yaml.safe_load(path.read_text(encoding="utf-8")) | {"rule_files": ["rules.yaml"]}
    for test in tests["tests"]:
        # What is heard would have other labels anyway.
        test["alert_rule_test"] = [look for look in test["alert_rule_test"] if not (rings and look["exp_alerts"])]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    done = promtool(tmp_path / "tests.yaml")
    assert set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr)) == names


@EVERY_ALERT
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    _, rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert all(len(text) > 20 for text in rule["annotations"].values())


def test_the_dashboards_are_what_the_script_makes() -> None:
    made = {f"{name}.json": dashboards.build(board) for name, board in dashboards.BOARDS.items()}
    stored = {path.name: path.read_text(encoding="utf-8") for path in DASHBOARDS.iterdir()}
    assert made == stored, "type: .venv/bin/python scripts/dashboards.py"


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_fits_the_grid_and_asks_the_source_that_is_there(path: Path) -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))
    prometheus = next(one["uid"] for one in sources["datasources"] if one["type"] == "prometheus")
    board = json.loads(path.read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + column, place["y"] + line) for column in range(place["w"]) for line in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        targets = panel.get("targets", [])
        assert {target["datasource"]["uid"] for target in targets} <= {prometheus}
        assert len({target["refId"] for target in targets}) == len(targets) == len({t["expr"] for t in targets})
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_alerts_that_a_dashboard_names_exist() -> None:
    named = {
        word for path in DASHBOARDS.iterdir() for word in re.findall(r"\bMcp[A-Z]\w+", path.read_text(encoding="utf-8"))
    }
    assert named and named <= set(ALERTS)
