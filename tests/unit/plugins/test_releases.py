# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release is live, which one was before it, and what stands beside the stack: as decisions over records."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.filter.releases import traffic_state
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import releases

THROTTLE = {"throttle_rate": "50", "throttle_burst": 100}


def release(number: int, server: int, outcome: str = "live", **body: t.Any) -> dict[str, t.Any]:
    """Return a release record; the authorizer has a version for two of the server."""
    return {
        "id": f"r{number}",
        "kind": "release",
        "time": f"2026-11-22T15:00:0{number}.000Z",
        "who": "ann@desk",
        "run_id": f"run{number}",
        "body": {
            "format": 1,
            "outcome": outcome,
            "release": {"id": f"release{server}"},
            "versions": {"server": str(server), "authorizer": str(server // 2)},
            "template_key": "templates/source.yaml",
            "literals": {"CodeKey": "package.zip"},
            **body,
        },
    }


def pair(number: int, server: int, **body: t.Any) -> list[dict[str, t.Any]]:
    """Return both records of a release that went well, newest first."""
    return [
        release(number + 1, server, approved=f"r{number}", **body),
        release(number, server, "approved", **body),
    ]


def app(server: int = 2, planned: bool = False, **more: t.Any) -> dict[str, t.Any]:
    """Return the app's stack with this version live."""
    return {
        "parameters": {
            "LiveVersion": str(server),
            "LiveAuthorizerVersion": str(server // 2),
            "StageDeploymentId": "",
            **more.get("parameters", {}),
        },
        "outputs": {"ApiDeploymentId": "real", "MaintenanceDeploymentId": "closed", **more.get("outputs", {})},
        "planned": planned,
    }


def actual(server: int = 2, **fields: t.Any) -> dict[str, t.Any]:
    """Return where traffic goes."""
    return {
        "stage_deployment": "real",
        "server_version": str(server),
        "authorizer_version": str(server // 2),
        "throttle_rate": 50.0,
        "throttle_burst": 100,
        **fields,
    }


def override(field: str, action: str = "set", after: t.Any = None) -> dict[str, t.Any]:
    """Return an override record."""
    return {
        "id": "o1",
        "time": "2026-11-22T16:00:00.000Z",
        "who": "bob@desk",
        "run_id": "run9",
        "body": {"field": field, "action": action, "after": after},
    }


def test_a_release_counts_once_and_the_record_after_its_move_counts() -> None:
    records = [*pair(3, 4), *pair(1, 2)]
    assert [record["id"] for record in releases.history(records)] == ["r4", "r2"]


def test_a_release_that_was_killed_after_its_move_is_known_by_the_record_before() -> None:
    records = [release(3, 4, "approved", previous="r2"), *pair(1, 2)]
    assert releases.present(records, app(4))["id"] == "r3"
    assert releases.find_by_id(records, "r2")["id"] == "r2"


def test_what_the_stack_holds_is_listed_as_live_though_its_run_did_not_live_to_say_so() -> None:
    records = [release(3, 4, "approved", previous="r2"), *pair(1, 2)]
    outcomes = {row["id"]: row["outcome"] for row in releases.rows(records, app(4), actual(4))}
    assert outcomes == {"r3": "live", "r2": "live"}
    outcomes = {row["id"]: row["outcome"] for row in releases.rows(records, app(2), actual(2))}
    assert outcomes == {"r3": "approved", "r2": "live"}


FAILED = {"failed": True, "msg": "Stack mcp-production-app: no."}


@pytest.mark.parametrize(
    ("more", "approved", "refused"),
    [
        ({}, None, True),
        ({"status": "UPDATE_ROLLBACK_COMPLETE"}, "r3", True),
        ({"status": "UPDATE_ROLLBACK_FAILED"}, "r3", True),
        ({"status": "UPDATE_ROLLBACK_IN_PROGRESS"}, "r3", False),
        ({"status": "UPDATE_IN_PROGRESS"}, "r3", False),
        ({"error_code": "EndpointConnectionError"}, "r3", False),
    ],
    ids=["before the move", "rolled back", "stuck", "on its way back", "timeout", "network away"],
)
@pytest.mark.parametrize("looped", [True, False])
def test_a_move_is_refused_only_where_it_was_taken_back(
    more: dict[str, str], approved: str | None, refused: bool, looped: bool
) -> None:
    failed = {**FAILED, **more}
    result = {"failed": True, "msg": "One or more items failed", "results": [failed]} if looped else failed
    assert releases.failure(result, approved) == {"refused": refused, "reason": FAILED["msg"]}


def test_a_move_that_failed_is_not_live_though_its_versions_may_be() -> None:
    """A change of the gateway alone keeps the versions: the record before the failed move has those of the live one."""
    records = [
        release(4, 2, "refused", approved="r3", reason="the stage"),
        release(3, 2, "approved"),
        *pair(1, 2),
    ]
    assert releases.present(records, app(2))["id"] == "r2"


def test_an_alias_that_was_moved_tells_another_live_release_than_the_stack() -> None:
    records = [*pair(3, 4), *pair(1, 2)]
    found = {row["id"]: (row["live"], row["in_stack"]) for row in releases.rows(records, app(4), actual(2))}
    assert found == {"r4": (False, True), "r2": (True, False)}


def test_without_records_nothing_is_live() -> None:
    assert releases.present([], app()) is None and releases.rows([], app(), actual()) == []
    assert releases.find_live(pair(1, 2), {}) is None


@pytest.mark.parametrize(("wanted", "found"), [("r1", "r2"), ("r2", "r2"), ("release2", "r2"), ("release9", None)])
def test_a_release_is_found_by_either_of_its_records_and_by_its_own_id(wanted: str, found: str | None) -> None:
    record = releases.find_by_id([*pair(3, 4), *pair(1, 2)], wanted)
    assert (record and record["id"]) == found


def test_of_a_release_that_went_live_twice_the_newest_is_meant() -> None:
    records = [release(5, 2, "refused"), *pair(3, 2), *pair(1, 2)]
    assert releases.find_by_id(records, "release2")["id"] == "r4"


# What stands beside the stack


def test_what_is_as_the_stack_says_is_no_override() -> None:
    assert releases.overrides(app(), actual(), THROTTLE, []) == []
    assert releases.overrides(app(), {}, THROTTLE, []) == []


def test_an_override_says_who_and_since_when() -> None:
    (found,) = releases.overrides(app(4), actual(4, server_version="2"), THROTTLE, [override("server_version")])
    assert found == {
        "field": "server_version",
        "stack": "4",
        "actual": "2",
        "since": "2026-11-22T16:00:00.000Z",
        "who": "bob@desk",
        "run_id": "run9",
    }


def test_what_was_set_by_hand_is_an_override_of_nobody() -> None:
    (found,) = releases.overrides(app(4), actual(4, server_version="2"), THROTTLE, [])
    assert (found["who"], found["since"]) == (None, None)


def test_a_record_that_ends_an_override_counts_before_the_one_that_set_it() -> None:
    events = [override("server_version", "clear"), override("server_version")]
    (found,) = releases.overrides(app(4), actual(4, server_version="2"), THROTTLE, events)
    assert found["who"] is None


@pytest.mark.parametrize(
    ("planned", "events", "count"),
    [(False, [], 1), (True, [], 0), (True, [override("throttle_rate")], 1)],
    ids=["by hand", "a new size is wanted", "recorded"],
)
def test_another_throttle_is_an_override_unless_a_new_size_is_wanted(
    planned: bool, events: list[dict[str, t.Any]], count: int
) -> None:
    found = releases.overrides(app(planned=planned), actual(throttle_rate=5.0), THROTTLE, events)
    assert [item["field"] for item in found] == ["throttle_rate"] * count


DIVERTED = override("stage_deployment", after="closed")


@pytest.mark.parametrize(
    ("stack", "stage", "events", "diverted"),
    [
        (app(), "real", [], False),
        (app(), "closed", [DIVERTED], True),
        (app(), "closed", [], True),
        (app(parameters={"StageDeploymentId": "closed"}), "closed", [DIVERTED], True),
        (app(parameters={"StageDeploymentId": "closed"}), "real", [DIVERTED], False),
        (app(parameters={"StageDeploymentId": "before"}), "before", [], False),
        (app(outputs={"MaintenanceDeploymentId": "newer"}), "closed", [DIVERTED], True),
        (app(parameters={"StageDeploymentId": "closed"}), "closed", [], False),
    ],
    ids=[
        "no",
        "yes",
        "by hand",
        "deployed while diverted",
        "came back after that",
        "a release that was refused",
        "a newer answer waits for the release",
        "the first release did not pass yet",
    ],
)
def test_whether_the_stage_is_diverted(
    stack: dict[str, t.Any], stage: str, events: list[dict[str, t.Any]], diverted: bool
) -> None:
    found = releases.overrides(stack, actual(stage_deployment=stage), THROTTLE, events)
    assert releases.is_diverted(stack, found, events) is diverted


def test_a_stage_that_is_held_is_compared_with_the_real_methods() -> None:
    given_to_the_stack = app(parameters={"StageDeploymentId": "closed"})
    (held,) = releases.overrides(given_to_the_stack, actual(stage_deployment="closed"), THROTTLE, [DIVERTED])
    assert (held["stack"], held["actual"]) == ("real", "closed")
    assert releases.overrides(given_to_the_stack, actual(), THROTTLE, []) == []


def test_before_the_first_release_the_stage_serves_what_the_stack_says() -> None:
    first = app(outputs={"ApiDeploymentId": None, "LiveVersion": "1", "LiveAuthorizerVersion": "1"})
    first["parameters"] = {"GatewayMode": "maintenance"}
    found = releases.overrides(
        first, actual(stage_deployment="closed", server_version="1", authorizer_version="1"), THROTTLE, []
    )
    assert found == []


def test_without_a_plan_the_throttle_is_compared_with_what_it_was_before_it_was_set() -> None:
    """A size of the inventory that was never deployed is no value of the stack."""
    stack = app()
    del stack["planned"]
    wanted = {"throttle_rate": "80", "throttle_burst": 160}
    assert traffic_state(stack, actual(), wanted, [])["overrides"] == []
    event = override("throttle_rate", after=5.0)
    event["body"]["before"] = 50.0
    (found,) = traffic_state(stack, actual(throttle_rate=5.0), wanted, [event])["overrides"]
    assert (found["field"], found["stack"], found["actual"]) == ("throttle_rate", 50.0, 5.0)
    planned = traffic_state(stack | {"planned": False}, actual(), wanted, [])["overrides"]
    assert [item["stack"] for item in planned] == [80.0, 160.0]


def test_a_release_ends_the_overrides_of_the_aliases_alone() -> None:
    held = [
        {"field": "server_version", "actual": "2", "stack": "4"},
        {"field": "throttle_rate", "actual": 5.0, "stack": 50.0},
    ]
    (record,) = releases.ended(held, app(6))
    assert record["kind"] == "override"
    assert record["body"] == {
        "field": "server_version",
        "action": "clear",
        "before": "2",
        "after": "6",
        "reason": "a new release passed its round trip",
    }


CANARY: dict[str, t.Any] = {
    "strategy": "Canary10Percent5Minutes",
    "sandbox": False,
    "closed": False,
    "held": [],
    "rollback": False,
    "ringing": [],
}


def test_a_release_on_aws_gets_a_part_of_the_traffic_first() -> None:
    assert releases.shifts_gradually(app(), **CANARY) is True


@pytest.mark.parametrize(
    "why",
    [
        {"strategy": "AllAtOnce"},
        {"sandbox": True},
        {"closed": True},
        {"held": ["server_version"]},
        {"rollback": True},
        {"ringing": ["mcp-production-error-rate"]},
    ],
    ids=lambda why: next(iter(why)),
)
def test_traffic_moves_at_once_where_alarms_or_aliases_tell_of_something_else(why: dict[str, t.Any]) -> None:
    assert releases.shifts_gradually(app(), **{**CANARY, **why}) is False


def test_nothing_is_shifted_before_the_first_release() -> None:
    assert releases.shifts_gradually(app(parameters={"LiveVersion": ""}), **CANARY) is False
