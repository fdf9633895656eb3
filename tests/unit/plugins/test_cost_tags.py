# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cost_info and a tag: what AWS does not count by it is unknown, never 0, and it can be activated."""

from __future__ import annotations

import typing as t
from datetime import date

import pytest
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

from tests.unit.plugins.cost_explorer_world import LAMBDA, RDS, Rows, World, by_day, untagged, usual

ACTIVATE = {"CostAllocationTagsStatus": [{"TagKey": "mcp:environment", "Status": "Active"}]}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def nothing_known(result: dict[str, t.Any]) -> None:
    """Make sure that no figure of an environment is shown."""
    assert (result["total"], result["groups"], result["by_day"]) == (None, [], [])
    assert (result["previous"], result["top_movers"], result["forecast"]["amount"]) == (None, [], None)
    assert result["forecast"]["why"] == "What it has cost so far is unknown."


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("Inactive", "inactive", "is not activated for cost allocation"),
        (None, "not_listed", "has not seen the tag mcp:environment"),
        ("Active", "active", "no cost carries it yet"),
    ],
)
def test_an_environment_s_costs_are_unknown_until_aws_counts_by_the_tag(
    world: World, answer: str | None, status: str, said: str
) -> None:
    world.expect(by_day(untagged))
    world.expect_tag(answer)
    result = world.run(tag_value="production")
    nothing_known(result)
    assert result["available"] and result["account_total"] == "29.7"
    assert result["tag"]["status"] == status and said in result["tag"]["why"]
    assert result["unknown"] == [{"what": "tag", "why": result["tag"]["why"]}]
    assert (result["api_calls"], result["api_cost_usd"], result["changed"]) == (2, "0.02", False)
    assert world.run(tag_value="production")["api_calls"] == 0


def test_by_tag_the_account_s_total_is_known_and_the_groups_are_not(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    result = world.run(group_by=["tag"])
    assert (result["total"], result["groups"], result["top_movers"]) == ("29.7", [], [])
    assert result["previous"]["difference"] == "4" and result["forecast"]["amount"] == "40.5"
    assert result["by_day"][0] == {
        "start": "2026-11-01",
        "end": "2026-11-01",
        "total": "1.35",
        "groups": {},
        "may_grow": False,
    }


def test_nobody_asks_about_the_tag_where_it_has_no_part(world: World) -> None:
    world.expect(by_day(untagged))
    result = world.run()
    assert (result["tag"], result["unknown"], result["api_calls"]) == (None, [], 1)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_status_that_aws_does_not_tell_is_unknown(world: World, limit: int) -> None:
    world.expect(by_day(untagged))
    if limit > 1:
        world.fail("list_cost_allocation_tags", "AccessDeniedException", "not authorized")
    result = world.run(tag_value="production", max_api_calls=limit)
    nothing_known(result)
    assert result["tag"]["status"] == "unknown"
    assert ("ce:ListCostAllocationTags" if limit > 1 else "max_api_calls is 1") in result["tag"]["why"]


def test_a_misspelt_environment_is_not_free(world: World) -> None:
    world.expect(by_day())
    result = world.run(tag_value="producton")
    nothing_known(result)
    assert "mcp:environment=producton (there are: production, staging)" in result["unknown"][0]["why"]
    assert result["tag"]["status"] == "active" and result["api_calls"] == 1


def test_an_environment_that_was_taken_down_costs_nothing(world: World) -> None:
    def rows(day: date) -> Rows:
        return usual(day) if day < date(2026, 10, 15) else [((LAMBDA, "mcp:environment$production"), "0.1")]

    world.expect(by_day(rows))
    result = world.run(tag_value="staging")
    assert (result["total"], result["unknown"]) == ("0", [])
    assert result["previous"]["amount"] == "14" and result["top_movers"][0]["percent"] == "-100"


def test_costs_from_before_the_activation_are_said_to_be_missing(world: World) -> None:
    world.expect(by_day(lambda day: usual(day) if day >= date(2026, 11, 15) else untagged(day)))
    result = world.run(tag_value="production")
    assert (result["total"], result["tag"]["first_seen"]) == ("0.8", "2026-11-15")
    assert "from 2026-11-15 on only" in result["unknown"][0]["why"]
    assert world.run(preset="trailing_7", tag_value="production")["unknown"] == []


def test_an_account_that_cost_nothing_before_misses_nothing(world: World) -> None:
    world.expect(by_day(lambda day: usual(day) if day >= date(2026, 11, 15) else []))
    assert world.run(tag_value="production")["unknown"] == []


def test_another_key_tells_environments_apart_too(world: World) -> None:
    def rows(_day: date) -> Rows:
        return [((RDS, "team$a$b"), "1"), ((RDS, "team$"), "2")]

    world.expect(by_day(rows), group_by=[{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "TAG", "Key": "team"}])
    result = world.run(group_by=["tag"], tag_key="team")
    assert [group["name"] for group in result["groups"]] == ["(no team)", "a$b"]


# Activating


def test_the_tag_is_activated_when_that_is_wanted(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    world.stub.add_response("update_cost_allocation_tags_status", {"Errors": []}, ACTIVATE)
    result = world.run(tag_value="production", activate_tags=True)
    nothing_known(result)
    assert result["changed"] and result["api_calls"] == 3
    assert result["tag"]["status"] == "active" and "activated for cost allocation just now" in result["tag"]["why"]
    again = world.run(tag_value="production", activate_tags=True)
    assert not again["changed"] and (again["api_calls"], again["total"]) == (0, None)


def test_check_mode_does_not_activate(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    assert world.run(check_mode=True, activate_tags=True)["changed"] and not world.s3.objects


@pytest.mark.parametrize("group_by", [["service"], ["usage_type"]])
def test_activating_does_not_depend_on_the_groups(world: World, group_by: list[str]) -> None:
    def rows(day: date) -> Rows:
        return untagged(day) if group_by == ["service"] else [(("Requests",), "1")]

    world.stub.add_response("get_cost_and_usage", {"ResultsByTime": by_day(rows)})
    world.expect_tag("Inactive")
    world.stub.add_response("update_cost_allocation_tags_status", {}, ACTIVATE)
    result = world.run(group_by=group_by, activate_tags=True)
    assert result["changed"] and result["unknown"] == [] and result["groups"]


@pytest.mark.parametrize("answer", ["Active", None])
def test_what_is_active_or_unseen_is_left_alone(world: World, answer: str | None) -> None:
    world.expect(by_day(untagged))
    world.expect_tag(answer)
    assert not world.run(activate_tags=True)["changed"]


def test_a_tag_that_costs_carry_needs_no_look(world: World) -> None:
    world.expect(by_day())
    result = world.run(activate_tags=True)
    assert (result["changed"], result["api_calls"], result["tag"]["status"]) == (False, 1, "active")


def test_a_refused_activation_is_an_error(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    refusal = {"TagKey": "mcp:environment", "Code": "TagKeysNotFoundException", "Message": "Tag keys not found"}
    world.stub.add_response("update_cost_allocation_tags_status", {"Errors": [refusal]}, ACTIVATE)
    with pytest.raises(McpError, match=r"tag_key is 'mcp:environment', .*Tag keys not found"):
        world.run(activate_tags=True)


def test_a_member_account_may_not_activate(world: World) -> None:
    world.expect(by_day(untagged))
    world.expect_tag("Inactive")
    message = "Linked account doesn't have access to cost allocation tags"
    world.fail("update_cost_allocation_tags_status", "AccessDeniedException", message)
    with pytest.raises(McpError, match="This is a member account"):
        world.run(activate_tags=True)
