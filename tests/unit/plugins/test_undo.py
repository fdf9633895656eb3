# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written before traffic is flipped, and what an undo goes back to."""

from __future__ import annotations

import copy
import typing as t

import pytest
import yaml
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import undo

from tests.support.checkout import ROOT

APP = {
    "outputs": {
        "McpTemplateSha256": "aa",
        "ServerVersion": "7",
        "AuthorizerVersion": "3",
        "ApiDeploymentId": "live01",
        "MaintenanceDeploymentId": "maint1",
    },
    "parameters": {"LiveVersion": "7", "LiveAuthorizerVersion": "3", "StageDeploymentId": ""},
}
THROTTLE = {"throttle_rate": "20", "throttle_burst": "40"}
NOW = {
    "stage_deployment": "live01",
    "server_version": "7",
    "authorizer_version": "3",
    "throttle_rate": 20.0,
    "throttle_burst": 40,
}


def look(before: dict[str, t.Any], **changes: t.Any) -> dict[str, t.Any]:
    """Return what the module traffic says in check mode."""
    after = {**before, **changes}
    differences = [{"field": key, "before": before[key], "after": after[key]} for key in changes]
    return {"before": before, "after": after, "differences": differences}


def record(number: int, undoes: str | None = None, app: dict[str, t.Any] = APP) -> dict[str, t.Any]:
    """Return an undo record as the module state does."""
    body: dict[str, t.Any] = {"command": "undo" if undoes else "divert", "release": undo.release_mark(app)}
    if undoes:
        body["undoes"] = undoes
    return {"id": f"id{number}", "time": f"2026-11-22T15:00:0{number}.000Z", "who": "ada@laptop", "body": body}


def release(second: int, outcome: str = "live") -> dict[str, t.Any]:
    """Return the record of a release."""
    return {"id": "r", "time": f"2026-11-22T15:00:0{second}.500Z", "body": {"outcome": outcome}}


def newer_app() -> dict[str, t.Any]:
    """Return the app after another release."""
    app = copy.deepcopy(APP)
    app["outputs"]["McpTemplateSha256"] = "bb"
    return app


def test_a_diversion_records_every_field_and_sets_one() -> None:
    first, second = undo.flip_records(look(NOW, stage_deployment="maint1"), APP, THROTTLE, "divert", None, "live01")
    assert first["kind"] == "undo" and first["body"]["fields"] == NOW and "undoes" not in first["body"]
    assert second["kind"] == "override"
    assert second["body"] == {
        "field": "stage_deployment",
        "action": "set",
        "before": "live01",
        "after": "maint1",
        "reason": "divert",
    }


def test_going_back_to_what_the_stack_says_clears() -> None:
    diverted = {**NOW, "stage_deployment": "maint1", "server_version": "6", "throttle_rate": 1.0}
    back = look(diverted, stage_deployment="live01", server_version="7", throttle_rate=20.0)
    first, *events = undo.flip_records(back, APP, THROTTLE, "undo", "id1", "live01")
    assert first["body"]["undoes"] == "id1"
    assert {event["body"]["action"] for event in events} == {"clear"} and len(events) == 3


def test_a_stage_that_a_deploy_left_diverted_is_still_set_beside_the_real_methods() -> None:
    app = copy.deepcopy(APP)
    app["parameters"]["StageDeploymentId"] = "maint1"
    back = look({**NOW, "stage_deployment": "maint1"}, stage_deployment="live01")
    assert undo.flip_records(back, app, THROTTLE, "undivert", None, "live01")[1]["body"]["action"] == "clear"
    again = look(NOW, stage_deployment="maint1")
    assert undo.flip_records(again, app, THROTTLE, "divert", None, "live01")[1]["body"]["action"] == "set"


def released(live: str = "live01", maintenance: str = "maint1", outcome: str = "live") -> dict[str, t.Any]:
    """Return the record of a release of the versions that are live."""
    deployments = {"live": live, "maintenance": maintenance}
    versions = {"server": "7", "authorizer": "3"}
    return {"id": f"r-{live}", "body": {"outcome": outcome, "versions": versions, "deployments": deployments}}


def diverted_to(deployment: str) -> dict[str, t.Any]:
    """Return the override record of a diversion."""
    body = {"field": "stage_deployment", "action": "set", "after": deployment, "reason": "divert"}
    return {"id": f"o-{deployment}", "body": body}


def gateway(parameter: str, api: str | None, maintenance: str = "maint2") -> dict[str, t.Any]:
    """Return the app after an attempt at a new gateway that took no traffic."""
    app: dict[str, t.Any] = copy.deepcopy(APP)
    app["parameters"]["StageDeploymentId"] = parameter
    app["outputs"] |= {"ApiDeploymentId": api, "MaintenanceDeploymentId": maintenance}
    return app


REFUSED = released("live02", "maint2", "refused")


@pytest.mark.parametrize(
    ("app", "records", "live"),
    [
        (APP, {}, "live01"),
        # Refused: the stack holds the stage where it was, no record is needed.
        (gateway("live01", "live02"), {}, "live01"),
        # Killed between the maintenance answer and the real methods.
        (gateway("live01", None), {}, "live01"),
        # Released while diverted: the stack's own, also where no record can be read.
        (gateway("maint2", "live02"), {"release": [released("live02", "maint2")]}, "live02"),
        (gateway("maint2", "live02"), {}, "live02"),
        # Refused, or killed, while diverted: only the record of the release knows.
        (gateway("maint1", "live02"), {"release": [REFUSED, released()]}, "live01"),
        (gateway("maint1", None), {"release": [released()]}, "live01"),
        # Diverted to the answer that a killed run had made.
        (gateway("maint9", "live02"), {"release": [released()], "override": [diverted_to("maint9")]}, "live01"),
        (gateway("", None), {}, ""),
    ],
)
def test_traffic_goes_back_to_the_gateway_that_was_released(
    app: dict[str, t.Any], records: dict[str, list[dict[str, t.Any]]], live: str
) -> None:
    assert undo.live_deployment(app, records) == live


def test_what_the_stack_rendered_last_is_no_way_back_from_an_override() -> None:
    diverted = {**NOW, "stage_deployment": "maint1"}
    app = gateway("live01", "live02")
    for after, action in (("live01", "clear"), ("live02", "set")):
        seen = look(diverted, stage_deployment=after)
        records = undo.flip_records(seen, app, THROTTLE, "undo", "id1", undo.live_deployment(app, {}))
        assert records[1]["body"]["action"] == action


SINCE = "2026-11-22T15:00:00.000+00:00"


def began(second: int, after: str, action: str = "set", reason: str = "divert") -> dict[str, t.Any]:
    """Return the override record of a flip of the stage, some seconds after that moment."""
    body = {"field": "stage_deployment", "action": action, "after": after, "reason": reason}
    return {"id": f"o{second}", "time": f"2026-11-22T15:00:0{second}.000Z", "body": body}


@pytest.mark.parametrize(
    ("events", "diverted"),
    [
        ([], False),
        ([began(0, "maint1")], True),
        # To the answer of the gateway before, which this run has replaced.
        ([began(1, "maint0")], True),
        ([began(2, "live01", "clear", "undivert"), began(1, "maint1")], False),
        ([began(3, "maint1", reason="undo"), began(2, "live01", "clear", "undivert"), began(1, "maint1")], True),
        ([began(1, "live00", reason="undo")], False),
        ([{**began(1, "maint1"), "time": "2026-11-22T14:59:59.999Z"}], False),
    ],
    ids=["never", "diverted", "to an older answer", "ended", "undone", "to real methods", "before"],
)
def test_a_diversion_counts_from_a_moment_until_it_is_ended(events: list[dict[str, t.Any]], diverted: bool) -> None:
    assert undo.diverted_since(APP, {"override": events}, SINCE) is diverted


@pytest.mark.parametrize(("after", "action"), [("true", "set"), ("false", "clear")])
def test_a_switch_of_the_cdn_records_the_way_back(after: str, action: str) -> None:
    before = "false" if after == "true" else "true"
    flip = {"what": "undo", "target": "cdn_maintenance", "before": before, "after": after}
    first, second = undo.cdn_records(flip, "id1")
    body = {"command": "undo", "fields": {"cdn_maintenance": before}, "undoes": "id1"}
    assert first == {"kind": "undo", "body": body}
    event = {"field": "cdn_maintenance", "action": action, "before": before, "after": after, "reason": "undo"}
    assert second == {"kind": "override", "body": event}
    assert "undoes" not in undo.cdn_records(flip, None)[0]["body"]


def test_a_switch_of_a_rule_is_recorded_under_its_own_name() -> None:
    flip = {"what": "divert", "target": "maintenance", "before": "false", "after": "true"}
    first, second = undo.cdn_records(flip, None)
    assert first["body"] == {"command": "divert", "fields": {"maintenance": "false"}}
    assert (second["body"]["field"], second["body"]["action"]) == ("maintenance", "set")


@pytest.mark.parametrize("state", [None, "false"])
def test_a_rule_that_is_off_is_no_override_whatever_was_recorded(state: str | None) -> None:
    assert undo.rule_overrides(state, [rule_event("set")]) == []


def rule_event(action: str) -> dict[str, t.Any]:
    """Return the record of a switch of the rule."""
    body = {"field": "maintenance", "action": action, "before": "false", "after": "true"}
    return {"id": "id9", "time": "2026-11-22T15:00:09.000Z", "who": "ada@laptop", "run_id": "run9", "body": body}


def test_a_rule_that_is_on_names_who_did_it() -> None:
    (found,) = undo.rule_overrides("true", [rule_event("set")])
    assert found == {
        "field": "maintenance",
        "stack": "false",
        "actual": "true",
        "who": "ada@laptop",
        "run_id": "run9",
        "since": "2026-11-22T15:00:09.000Z",
    }


@pytest.mark.parametrize("events", [[], [rule_event("clear"), rule_event("set")]])
def test_a_rule_that_somebody_switched_by_hand_names_nobody(events: list[dict[str, t.Any]]) -> None:
    (found,) = undo.rule_overrides("by hand", events)
    assert (found["actual"], found["who"], found["since"]) == ("by hand", None, None)


def test_weights_are_told_and_not_gone_back_to() -> None:
    before = {**NOW, "server_version_weights": {"8": 0.1}}
    seen = {
        "before": before,
        "after": NOW,
        "differences": [{"field": "server_version_weights", "before": {}, "after": None}],
    }
    records = undo.flip_records(seen, APP, THROTTLE, "rollback", None, "live01")
    assert [item["kind"] for item in records] == ["undo"] and records[0]["body"]["fields"] == NOW


def test_every_field_is_listed_also_what_stays() -> None:
    result = undo.flip_result(look(NOW, stage_deployment="maint1"), "divert")
    assert [item["field"] for item in result["fields"]] == list(NOW)
    assert [item["field"] for item in result["fields"] if item["before"] != item["after"]] == ["stage_deployment"]
    assert result["flips"] == [{"what": "divert", "target": "stage_deployment", "before": "live01", "after": "maint1"}]


def test_a_switch_that_fails_half_way_has_its_line_of_the_audit_trail() -> None:
    """The alias may have moved when the stage does not: what the report reads is handed on before the switch."""
    tasks = yaml.safe_load((ROOT / "roles" / "production" / "tasks" / "flip.yml").read_text(encoding="utf-8"))
    names = [task["name"] for task in tasks]
    told = [task["name"] for task in tasks if "flip_result" in str(task)]
    assert told and max(map(names.index, told)) < names.index("Switch traffic")


def test_without_an_id_the_last_flip_is_undone_once() -> None:
    assert undo.undo_target([], None, APP, []) == {"record": None, "problem": ""}
    first, second = record(1), record(2)
    assert undo.undo_target([second, first], None, APP, [])["record"] == second
    undone = record(3, undoes="id2")
    assert undo.undo_target([undone, second, first], None, APP, []) == {"record": None, "problem": ""}


def test_an_undo_is_undone_by_its_id_and_so_is_any_other_record() -> None:
    records = [record(3, undoes="id2"), record(2), record(1)]
    for wanted in records:
        assert undo.undo_target(records, wanted["id"], APP, [])["record"] == wanted


def test_an_unknown_id_is_named_with_the_known_ones() -> None:
    problem = undo.undo_target([record(1)], "id9", APP, [])["problem"]
    assert problem.startswith("mcp_undo is 'id9': no such undo record is known. Allowed: id1 (before divert at 2026")


@pytest.mark.parametrize(
    ("app", "releases", "refused"),
    [
        (APP, [], False),
        (APP, [release(0)], False),
        (APP, [release(5, "refused")], False),
        (APP, [release(5)], True),
        (newer_app(), [], True),
    ],
)
def test_another_release_since_is_refused_with_what_to_type(
    app: dict[str, t.Any], releases: list[dict[str, t.Any]], refused: bool
) -> None:
    target = undo.undo_target([record(1)], None, app, releases)
    assert bool(target["problem"]) == refused == (target["record"] is None)
    assert not refused or (
        "playbooks/rollback.yml" in target["problem"] and "playbooks/undivert.yml" in target["problem"]
    )


@pytest.mark.parametrize("field", ["cdn_maintenance", "maintenance"])
def test_what_the_cdn_or_a_load_balancer_answers_fits_every_release(field: str) -> None:
    at_cdn = record(1)
    at_cdn["body"] = {"command": "divert", "fields": {field: "false"}}
    assert undo.undo_target([at_cdn], None, newer_app(), [release(5)]) == {"record": at_cdn, "problem": ""}


def test_a_record_that_names_its_release_otherwise_is_judged_by_the_releases_since() -> None:
    other = record(1)
    other["body"]["release"] = "0c1d2e3f4a5b"
    assert undo.undo_target([other], None, APP, [])["record"] == other
    assert undo.undo_target([other], None, APP, [release(5)])["problem"]
