# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""free_tier_info: plan, credits and offers as AWS tells them; what it does not tell is unknown, and no failure."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import free_tier, free_tier_info
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import SHARED_SESSION, Context, McpError
from botocore.exceptions import UnknownServiceError
from botocore.stub import Stubber

TODAY = datetime.date(2026, 11, 11)
MONTHLY = "Always Free"
PLAN = {
    "accountId": "123456789012",
    "accountPlanType": "FREE",
    "accountPlanStatus": "ACTIVE",
    "accountPlanRemainingCredits": {"amount": 87.5, "unit": "USD"},
}


def usage(used: float, limit: float = 100, forecast: float = 0, **more: t.Any) -> dict[str, t.Any]:
    """Return an offer as AWS lists it."""
    return {
        "service": "AWS Lambda",
        "operation": "Invoke",
        "usageType": "Global-Request",
        "region": "global",
        "actualUsageAmount": used,
        "forecastedUsageAmount": forecast,
        "limit": limit,
        "unit": "Requests",
        "description": "1000000.0 Requests are always free per month as part of AWS Free Usage Tier",
        "freeTierType": MONTHLY,
        **more,
    }


class World:
    """An account; every request has to be expected."""

    def __init__(self) -> None:
        options = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": free_tier.REGION}
        self.client = SHARED_SESSION.client("freetier", **options)
        self.stub = Stubber(self.client)
        self.stub.activate()
        self.asked: list[tuple[str, str | None]] = []

    def expect_plan(self, **more: t.Any) -> None:
        """Expect the question about the plan."""
        self.stub.add_response("get_account_plan_state", {**PLAN, **more}, {})

    def expect_usage(self, *usages: dict[str, t.Any], token: str | None = None, more: str | None = None) -> None:
        """Expect the question about what is used."""
        answer = {"freeTierUsages": list(usages), **({"nextToken": more} if more else {})}
        self.stub.add_response("get_free_tier_usage", answer, {"nextToken": token} if token else {})

    def fail(self, operation: str, code: str) -> None:
        """Let a request fail."""
        self.stub.add_client_error(operation, code, "no", 400)

    def run(self, **options: t.Any) -> dict[str, t.Any]:
        """Run the module; all that was expected has to have been asked."""
        checked = ArgumentSpecValidator(free_tier_info.ARGUMENT_SPEC).validate(options)
        assert not checked.error_messages

        def client(service: str, region: str | None) -> t.Any:
            self.asked.append((service, region))
            return self.client

        try:
            return free_tier_info.run(Context(checked.validated_parameters, client))
        finally:
            self.stub.assert_no_pending_responses()

    def offer(self, *usages: dict[str, t.Any]) -> dict[str, t.Any]:
        """Return the first offer of a run."""
        self.expect_plan()
        self.expect_usage(*usages)
        first: dict[str, t.Any] = self.run()["offers"][0]
        return first


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(free_tier_info, "today", lambda: TODAY)
    return World()


# The plan


def test_the_plan_and_its_credits(world: World) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30, minutes=5)
    world.expect_plan(accountPlanExpirationDate=ends)
    world.expect_usage()
    result = world.run(expect=[])
    assert (result["available"], result["why"], result["offers"], result["unknown"]) == (True, None, [], [])
    assert result["plan"] == {
        "type": "FREE",
        "status": "ACTIVE",
        "credits": {"amount": "87.5", "unit": "USD"},
        "expires": ends.date().isoformat(),
        "days_left": 30,
        "account": "123456789012",
    }
    assert world.asked == [("freetier", "us-east-1")]


def test_a_plan_that_is_over_has_no_days_left(world: World) -> None:
    ended = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    world.expect_plan(accountPlanExpirationDate=ended, accountPlanStatus="EXPIRED")
    world.expect_usage()
    assert world.run()["plan"]["days_left"] == 0


def test_a_paid_account_has_neither_credits_nor_an_end(world: World) -> None:
    answer = {"accountId": "123456789012", "accountPlanType": "PAID", "accountPlanStatus": "ACTIVE"}
    world.stub.add_response("get_account_plan_state", answer, {})
    world.expect_usage()
    plan = world.run()["plan"]
    assert (plan["type"], plan["credits"], plan["expires"], plan["days_left"]) == ("PAID", None, None, None)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ResourceNotFoundException", "AWS knows no plan of this account"),
        ("AccessDeniedException", "may not use freetier:GetAccountPlanState"),
        ("InternalServerException", "AWS does not tell the account's plan"),
    ],
)
def test_a_plan_that_aws_does_not_tell_is_unknown(world: World, code: str, said: str) -> None:
    world.fail("get_account_plan_state", code)
    world.expect_usage()
    result = world.run(expect=[])
    assert result["available"] and result["plan"]["type"] == "unknown"
    assert (result["plan"]["credits"], result["plan"]["expires"]) == (None, None)
    assert said in result["plan"]["unknown"]
    assert result["unknown"] == [{"what": "account plan", "why": result["plan"]["unknown"]}]


def test_a_botocore_that_is_too_old_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2025-07 it knows no plan, before 2023-11 no free tier at all."""
    params = ArgumentSpecValidator(free_tier_info.ARGUMENT_SPEC).validate({"unavailable": "mark"}).validated_parameters

    def none(_service: str, _region: str | None) -> t.Any:
        raise UnknownServiceError(service_name="freetier", known_service_names="many")

    def without_plans(_service: str, _region: str | None) -> t.Any:
        return object()

    for make in (none, without_plans):
        plan = free_tier.account_plan(lambda make=make: make("freetier", None))
        assert plan["type"] == "unknown" and "pip install --upgrade boto3" in plan["unknown"]
    result = free_tier_info.run(Context(params, none))
    assert (result["available"], result["plan"]["type"]) == (False, "unknown")
    assert "freetier:GetFreeTierUsage" in result["why"] and "many" not in result["why"]


# Offers


def test_an_offer_as_it_is_shown(world: World) -> None:
    assert world.offer(usage(77.5, 200, 210.25)) == {
        "service": "AWS Lambda",
        "description": "1000000.0 Requests are always free per month as part of AWS Free Usage Tier",
        "region": "global",
        "operation": "Invoke",
        "usage_type": "Global-Request",
        "unit": "Requests",
        "type": MONTHLY,
        "used": "77.5",
        "limit": "200",
        "forecast": "210.25",
        "percent": "38.8",
        # 7.75 a day so far: the other 122.5 last 15 days.
        "days_to_exhaustion": 15,
        "exhausted_on": "2026-11-26",
        "state": "forecast_over",
    }


@pytest.mark.parametrize(
    ("given", "state", "days"),
    [
        (usage(10), "ok", None),
        (usage(0), "ok", None),
        # 10 days made 34.5, so the rest lasts 18; 19 are left, and then it begins anew.
        (usage(34.5), "ok", 18),
        (usage(30), "ok", None),
        (usage(100), "exhausted", 0),
        (usage(250), "exhausted", 0),
        (usage(50, freeTierType="Free Trial"), "ok", None),
        (usage(120, freeTierType="Free Trial"), "exhausted", 0),
        (usage(50, freeTierType="12 Months Free"), "ok", 10),
        (usage(5, limit=0), "unknown", None),
    ],
)
def test_how_long_an_offer_lasts(world: World, given: dict[str, t.Any], state: str, days: int | None) -> None:
    offer = world.offer(given)
    assert (offer["state"], offer["days_to_exhaustion"]) == (state, days)
    assert (offer["exhausted_on"] is None) == (days is None)


def test_the_first_of_a_month_counts_as_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_tier_info, "today", lambda: datetime.date(2026, 11, 1))
    assert world.offer(usage(10))["days_to_exhaustion"] == 9


def test_an_offer_without_figures_is_unknown(world: World) -> None:
    offer = world.offer({"service": "AWS Lambda", "freeTierType": MONTHLY})
    assert (offer["state"], offer["used"], offer["percent"], offer["days_to_exhaustion"]) == (
        "unknown",
        None,
        None,
        None,
    )


def test_the_nearest_to_its_end_comes_first_from_all_pages(world: World) -> None:
    world.expect_plan()
    world.expect_usage(usage(10), usage(20, service="Amazon DynamoDB"), more="next")
    world.expect_usage(usage(90, service="AmazonCloudWatch"), token="next")
    assert [offer["service"] for offer in world.run()["offers"]] == [
        "AmazonCloudWatch",
        "Amazon DynamoDB",
        "AWS Lambda",
    ]


def test_small_numbers_are_not_rounded_away(world: World) -> None:
    assert world.offer(usage(0.0000012))["used"] == "0.0000012"


def test_what_is_not_listed_is_unknown_and_not_free(world: World) -> None:
    world.expect_plan()
    world.expect_usage(usage(1), usage(1, service="Amazon CloudWatch"))
    unknown = world.run()["unknown"]
    assert [gap["what"] for gap in unknown] == [
        "AWS Data Transfer",
        "AWS Key Management Service",
        "Amazon CloudFront",
        "Amazon DynamoDB",
        "Amazon Simple Notification Service",
    ]
    assert {gap["why"] for gap in unknown} == {free_tier_info.NOT_LISTED}
    assert "unknown, not free" in free_tier_info.NOT_LISTED


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDeniedException", "may not use freetier:GetFreeTierUsage"),
        ("InternalServerException", "does not tell what is used of the free tier"),
        ("ThrottlingException", "does not tell what is used of the free tier"),
    ],
)
def test_usage_that_aws_does_not_tell(world: World, code: str, said: str) -> None:
    world.expect_plan()
    world.fail("get_free_tier_usage", code)
    with pytest.raises(McpError, match=said):
        world.run()
    world.expect_plan()
    world.fail("get_free_tier_usage", code)
    result = world.run(unavailable="mark")
    assert (result["available"], result["error_code"], result["offers"]) == (False, code, [])
    assert result["plan"]["type"] == "FREE" and said in result["why"]


def test_the_emulator_knows_neither(world: World) -> None:
    result = world.run(sandbox=True)
    assert (result["available"], result["why"]) == (False, "not available on the emulator")
    assert result["plan"] == free_tier.no_plan("not available on the emulator") and world.asked == []


# What a plan refuses

FREE = {"type": "FREE"}
FITS = {"phase": "staging", "ec2": ["t3.micro", "t4g.small"], "rds": ["db.t4g.micro"], "backup_days": 1}


def test_what_fits_a_free_plan_is_left_alone() -> None:
    assert free_tier.free_plan_problems(FREE, FITS) == []
    assert free_tier.free_plan_problems(FREE, {"phase": "production"}) == []
    assert free_tier.free_plan_problems(FREE, {**FITS, "backup_days": 0}) == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"phase": "growth"}, "the phase growth"),
        ({"phase": "scale"}, "the phase scale"),
        ({"ec2": ["t3.micro", "t3.medium"]}, "EC2 refuses t3.medium: allowed are t3.micro"),
        ({"rds": ["db.t4g.small"]}, "RDS refuses db.t4g.small"),
        ({"backup_days": 7}, "for 7 days: allowed is 1 at most"),
    ],
)
@pytest.mark.parametrize("plan", ["FREE", "PAID", "unknown"])
def test_a_free_plan_refuses_more(plan: str, wanted: dict[str, t.Any], said: str) -> None:
    problems = free_tier.free_plan_problems({"type": plan}, {**FITS, **wanted})
    if plan != "FREE":
        assert problems == []
        return
    (problem,) = problems
    assert said in problem


def test_an_unknown_plan_in_its_short_form_refuses_nothing() -> None:
    assert free_tier.free_plan_problems({"unknown": "not available on the emulator"}, {"phase": "scale"}) == []
