# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The budget guard: what is known decides, what is not known is named, and going on anyway is written down."""

from __future__ import annotations

import datetime
import typing as t
from decimal import Decimal

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pratikoai.mcp_servers.plugins.filter.audit_lines import audit_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
    budget_credits,
    budget_figures,
    budget_guard,
    budget_spent,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_guard import Figure, guard_lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from botocore.exceptions import EndpointConnectionError

from tests.support.memory_aws import Refused
from tests.support.memory_budgets import Budgets

ACCOUNT = "123456789012"
TODAY = datetime.date(2026, 11, 24)  # with it 7 of 30 days are left
ESTIMATE: dict[str, t.Any] = {
    "totals": {"list": "60", "always_free": "52.7", "credits": None},
    "unpriced": [],
    "difference": {"monthly": "+13.5"},
}
FREE_PLAN = {"type": "FREE", "credits": {"amount": "100", "unit": "USD"}, "expires": "2027-05-24"}


class Day(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz: t.Any = None) -> Day:
        return cls(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=tz)


class Deploy:
    """A deploy of staging, in an account whose budget and costs a test sets."""

    def __init__(self) -> None:
        self.budgets = Budgets()
        self.costs: dict[str, t.Any] = {"available": False, "why": "Cost Explorer is not enabled", "total": None}
        self.asked: list[dict[str, t.Any]] = []
        self.warned: list[str] = []
        self.broken: Exception | None = None
        self.plan: dict[str, t.Any] = {"type": "unknown"}
        self.plans_asked = 0

    def budget(self, spent: str, forecast: str | None = None) -> None:
        """Let the environment have a budget of which so much was spent."""
        spend = {"ActualSpend": {"Amount": spent, "Unit": "USD"}}
        if forecast:
            spend["ForecastedSpend"] = {"Amount": forecast, "Unit": "USD"}
        found = {"BudgetName": "mcp-staging", "TimeUnit": "MONTHLY", "BudgetType": "COST", "CalculatedSpend": spend}
        self.budgets.budgets["mcp-staging"] = found

    def cost_explorer(self, ctx: Context) -> dict[str, t.Any]:
        """Stand for cost_info.run."""
        self.asked.append(dict(ctx.params))
        if isinstance(self.costs, Exception):
            raise self.costs
        return self.costs

    def account_plan(self, _ctx: Context, _sandbox: bool) -> dict[str, t.Any]:
        """Stand for free_plan.look."""
        self.plans_asked += 1
        return self.plan

    def client(self, service: str, region: str | None) -> t.Any:
        assert service == "budgets"
        if self.broken:
            raise self.broken
        return self.budgets.client

    def guard(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Run the module."""
        given: dict[str, t.Any] = {
            "environment": "staging",
            "account": ACCOUNT,
            "estimate": ESTIMATE,
            "deployed": True,
            "cap_usd": "60",
            **options,
        }
        validated = ArgumentSpecValidator(budget_figures.ARGUMENT_SPEC).validate(given)
        assert not validated.error_messages, validated.error_messages
        params = validated.validated_parameters
        before = dict(params)
        try:
            result = budget_figures.run(Context(params, self.client, check_mode, warn=self.warned.append))
        finally:
            assert {name: params[name] for name in before} == before
        assert result["changed"] is False
        found: dict[str, t.Any] = result["guard"]
        return found


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    made = Deploy()
    monkeypatch.setattr(budget_figures.datetime, "datetime", Day)
    monkeypatch.setattr(budget_spent.cost_info, "run", made.cost_explorer)
    monkeypatch.setattr(budget_figures.free_plan, "look", made.account_plan)
    return made


def by_name(guard: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the values of the figures."""
    return {figure["name"]: figure["value"] for figure in guard["figures"]}


# The judgement


def figures(*values: str | None) -> list[Figure]:
    """Return the three figures."""
    names = ("estimate", "month_to_date", "forecast")
    return [
        Figure(name, None if value is None else Decimal(value), "young account" if value is None else "asked")
        for name, value in zip(names, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (("52.70", "10", "40"), "within"),
        (("60", "60", "60"), "within"),
        (("60.01", "10", "40"), "over"),
        (("52.70", "60.01", "40"), "over"),
        (("52.70", "10", "60.01"), "over"),
        (("52.70", None, None), "within"),
        ((None, None, "61"), "over"),
        ((None, None, None), "unknown"),
    ],
)
def test_each_figure_is_held_against_the_budget_for_itself(values: tuple[str | None, ...], verdict: str) -> None:
    assert budget_guard.judge("staging", Decimal(60), figures(*values))["verdict"] == verdict


@pytest.mark.parametrize(
    ("estimate", "policy", "found"),
    [
        ("52.70", "block", ("unknown", "warned")),
        ("52.70", "warn", ("unknown", "warned")),
        ("60.01", "block", ("over", "stopped")),
    ],
)
def test_what_comes_on_top_without_a_price_is_not_within(estimate: str, policy: str, found: tuple[str, str]) -> None:
    """Nobody knows whether it is within; a deploy is not stopped for that, and it is said."""
    known = [Figure("estimate", Decimal(estimate), "priced in part", least=True), *figures(None, "10", "40")[1:]]
    guard = budget_guard.judge("staging", Decimal(60), known, policy)
    assert (guard["verdict"], guard["decision"]) == found
    if found[0] == "unknown":
        assert guard["text"].startswith("not known to be within the budget of staging")
        assert "estimate at least 52.70" in guard["text"]


def test_without_a_budget_nothing_is_stopped() -> None:
    guard = budget_guard.judge("staging", None, figures("1000", None, None), "block")
    assert (guard["verdict"], guard["decision"], guard["cap"]) == ("off", "go", None)
    assert guard_lines(guard)[0].startswith("budget:    no budget is set for staging: estimate 1000.00")


@pytest.mark.parametrize(
    ("verdict", "policy", "reason", "difference", "decision"),
    [
        ("within", "block", None, None, "go"),
        ("over", "warn", None, None, "warned"),
        ("over", "warn", "why not", None, "warned"),
        ("over", "block", None, None, "stopped"),
        ("over", "block", None, Decimal(0), "warned"),
        ("over", "block", None, Decimal("0.01"), "stopped"),
        ("over", "block", None, Decimal("-0.01"), "warned"),
        ("over", "block", "load test", None, "overridden"),
        ("unknown", "block", None, None, "stopped"),
        ("unknown", "warn", None, None, "warned"),
        ("off", "block", None, None, "go"),
    ],
)
def test_what_follows(verdict: str, policy: str, reason: str | None, difference: Decimal | None, decision: str) -> None:
    assert budget_guard.decision(verdict, policy, reason, difference, known=verdict != "unknown") == decision


@pytest.mark.parametrize(
    ("today", "difference", "value"),
    [
        (datetime.date(2026, 11, 1), "30", "70"),
        (datetime.date(2026, 11, 30), "30", "41"),
        (datetime.date(2026, 2, 22), "28", "47"),
        (datetime.date(2026, 11, 1), "-30", "40"),
        (datetime.date(2026, 11, 1), None, "40"),
    ],
)
def test_a_forecast_has_what_the_deploy_adds_for_the_days_that_are_left(
    today: datetime.date, difference: str | None, value: str
) -> None:
    """By hand: 30 more a month on the first of November is 30 more, on its last day 1 more."""
    adds = None if difference is None else Decimal(difference)
    assert budget_guard.with_deploy(Decimal(40), adds, today)[0] == Decimal(value)


# The whole way


def test_a_deploy_within_its_budget_goes_on_silently(deploy: Deploy) -> None:
    deploy.budget("20.126", "45")
    guard = deploy.guard(policy="block")
    assert (guard["verdict"], guard["decision"]) == ("within", "go")
    # 45 + 13.5 x 7 / 30
    assert by_name(guard) == {"estimate": "52.70", "month_to_date": "20.13", "forecast": "48.15"}
    assert deploy.warned == [] and deploy.asked == []
    (line,) = guard_lines(guard)
    assert line == (
        "budget:    within the budget of staging, 60.00 USD a month: "
        "estimate 52.70, month to date 20.13, forecast 48.15"
    )
    assert audit_lines({"environment": "staging", "budget_guard": guard})[:-1] == []


def test_block_stops_and_says_all_ways_on(deploy: Deploy) -> None:
    deploy.budget("61.20")
    with pytest.raises(McpError) as caught:
        deploy.guard(policy="block")
    said = caught.value.message
    assert "This deploy is OVER the budget of staging, 60.00 USD a month" in said
    assert "estimate 52.70, month to date 61.20, forecast unknown" in said
    assert "forecast: AWS Budgets has none" in said
    assert "nothing was changed" in said
    assert "-e mcp_budget_usd=62" in said
    assert "ansible-playbook deploy.yml -i <inventory> -e 'mcp_budget_override_reason=" in said
    assert caught.value.details["budget_guard"]["decision"] == "stopped"


def test_warn_goes_on_and_says_so(deploy: Deploy) -> None:
    guard = deploy.guard(cap_usd="50")
    assert guard["decision"] == "warned" and len(deploy.warned) == 1
    assert "OVER the budget of staging, 50.00 USD a month: estimate 52.70" in deploy.warned[0]
    assert guard["reason"] is None


def test_a_reason_lets_it_go_on_and_the_audit_trail_has_it(deploy: Deploy) -> None:
    guard = deploy.guard(cap_usd="50", policy="block", override_reason="load test until Friday")
    assert guard["decision"] == "overridden"
    line = audit_lines({"environment": "staging", "budget_guard": guard})[0]
    assert line["what"] == "budget overridden" and line["target"] == "staging"
    assert line["after"] == "load test until Friday" and "OVER the budget" in line["before"]
    assert "OVER THE BUDGET, on purpose: load test until Friday" in guard_lines(guard)
    assert "On purpose: load test until Friday" in deploy.warned[0]


def test_a_reason_that_nobody_needed_is_not_written_down(deploy: Deploy) -> None:
    guard = deploy.guard(policy="block", override_reason="to be sure")
    assert guard["decision"] == "go" and guard["reason"] is None
    assert len(audit_lines({"environment": "staging", "budget_guard": guard})) == 1


def test_the_way_back_into_the_budget_is_open(deploy: Deploy) -> None:
    deploy.budget("80", "90")
    cheaper = {**ESTIMATE, "difference": {"monthly": "-20"}}
    assert deploy.guard(policy="block", estimate=cheaper)["decision"] == "warned"


def test_what_has_no_price_makes_the_estimate_a_lower_bound(deploy: Deploy) -> None:
    partly = {**ESTIMATE, "unpriced": [{"resource": "Map", "type": "AWS::Location::Map", "why": "unknown type"}]}
    guard = deploy.guard(estimate=partly)
    assert "estimate at least 52.70" in guard["text"]
    assert "1 without a price come on top" in guard["figures"][0]["why"]


def test_a_difference_that_is_not_known_stops_nothing(deploy: Deploy) -> None:
    unknown = {**ESTIMATE, "difference": {"monthly": None, "why": "the deployed template cannot be read"}}
    deploy.budget("20", "45")
    assert by_name(deploy.guard(estimate=unknown))["forecast"] == "45.00"


def test_without_an_estimate_the_rest_decides(deploy: Deploy) -> None:
    deploy.budget("20", "45")
    guard = deploy.guard(estimate={}, policy="block")
    assert guard["verdict"] == "within"
    assert guard_lines(guard)[1] == "unknown:   estimate: there is none of this deploy"


def test_a_first_deploy_asks_nobody_what_was_spent(deploy: Deploy) -> None:
    guard = deploy.guard(deployed=False)
    assert deploy.budgets.calls == [] and deploy.asked == []
    assert {figure["why"] for figure in guard["figures"][1:]} == {"nothing is deployed yet"}


# What was spent


def test_budgets_are_asked_first_because_they_are_free(deploy: Deploy) -> None:
    deploy.budget("20", "45")
    deploy.guard()
    assert deploy.budgets.calls == ["describe_budget"] and deploy.asked == []


def test_cost_explorer_is_asked_where_there_is_no_budget(deploy: Deploy) -> None:
    deploy.costs = {"available": True, "total": "31.4159", "forecast": {"amount": "55"}, "unknown": []}
    guard = deploy.guard(bucket="mcp-staging-state", policy="block")
    assert by_name(guard) == {"estimate": "52.70", "month_to_date": "31.42", "forecast": "58.15"}
    (asked,) = deploy.asked
    assert asked["tag_value"] == "staging" and asked["accounts"] == [ACCOUNT]
    assert (asked["bucket"], asked["bucket_owner"]) == ("mcp-staging-state", ACCOUNT)
    assert asked["unavailable"] == "mark" and asked["max_api_calls"] == 3 and asked["preset"] == "month_to_date"


@pytest.mark.parametrize("options", [{"policy": "warn"}, {"policy": "block", "check_mode": True}])
def test_cost_explorer_is_paid_only_for_what_it_may_stop(deploy: Deploy, options: dict[str, t.Any]) -> None:
    guard = deploy.guard(**options)
    assert deploy.asked == [] and deploy.budgets.calls == ["describe_budget"]
    why = guard["figures"][1]["why"]
    assert "there is no budget mcp-staging" in why and "Cost Explorer is paid for" in why


@pytest.mark.parametrize(("added", "decision"), [(True, "stopped"), (False, "warned")])
def test_what_is_added_without_a_price_is_not_nothing(deploy: Deploy, added: bool, decision: str) -> None:
    """One that goes is the way back into the budget."""
    item = {"resource": "Map", "type": "AWS::Location::Map", "why": "unknown type"}
    deploy.budget("80", "90")
    estimate = {
        **ESTIMATE,
        "unpriced": [item] if added else [],
        "difference": {"monthly": "0", "unpriced": [item]},
    }
    if decision == "stopped":
        with pytest.raises(McpError, match="OVER the budget"):
            deploy.guard(policy="block", estimate=estimate)
        return
    assert deploy.guard(policy="block", estimate=estimate)["decision"] == decision


def test_nobody_is_asked_about_a_deploy_that_adds_nothing(deploy: Deploy) -> None:
    same = {**ESTIMATE, "difference": {"monthly": "0"}}
    deploy.budget("20", "45")
    guard = deploy.guard(estimate=same)
    assert (deploy.budgets.calls, deploy.asked, deploy.plans_asked) == ([], [], 0)
    assert (guard["verdict"], by_name(guard)["month_to_date"]) == ("within", None)
    assert "adds nothing" in guard["figures"][1]["why"]
    # With block it is held against what was spent, and goes on.
    deploy.budget("80", "90")
    guard = deploy.guard(estimate=same, policy="block")
    assert (guard["verdict"], guard["decision"]) == ("over", "warned")


def test_nothing_counted_is_not_zero(deploy: Deploy) -> None:
    """The tag of a budget counts nothing until it is activated for cost allocation."""
    deploy.budget("0.0")
    guard = deploy.guard(policy="block")
    assert by_name(guard)["month_to_date"] is None
    why = guard["figures"][1]["why"]
    assert "has counted nothing for budget mcp-staging" in why and "Cost Explorer is not enabled" in why
    assert guard["verdict"] == "within"


def test_cost_explorer_is_not_asked_where_nothing_may_be_paid(deploy: Deploy) -> None:
    guard = deploy.guard(max_api_calls=0)
    assert deploy.asked == []
    assert "there is no budget mcp-staging; playbooks/budget.yml makes it" in guard["figures"][1]["why"]


@pytest.mark.parametrize(
    "costs",
    [
        {"available": True, "total": None, "unknown": [{"what": "tag", "why": "the tag is not activated"}]},
        McpError("the tag is not activated"),
        EndpointConnectionError(endpoint_url="the tag is not activated"),
    ],
)
def test_what_cost_explorer_cannot_tell_is_named(deploy: Deploy, costs: t.Any) -> None:
    deploy.costs = costs
    guard = deploy.guard(policy="block")
    assert by_name(guard) == {"estimate": "52.70", "month_to_date": None, "forecast": None}
    assert all("the tag is not activated" in figure["why"] for figure in guard["figures"][1:])


def test_a_refusal_of_aws_fails_no_deploy(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_arguments: t.Any) -> None:
        raise Refused("AccessDeniedException", "not authorized to perform: budgets:ViewBudget", 403)

    monkeypatch.setattr(deploy.budgets, "describe_budget", refuse)
    guard = deploy.guard()
    assert "AWS Budgets does not tell (budgets:ViewBudget)" in guard["figures"][1]["why"]


def test_the_emulator_knows_of_no_costs(deploy: Deploy) -> None:
    guard = deploy.guard(sandbox=True)
    assert deploy.budgets.calls == [] and deploy.asked == []
    assert {figure["why"] for figure in guard["figures"][1:]} == {"not available on the emulator"}
    assert "unknown:   forecast: not available on the emulator" in guard_lines(guard)


def test_an_emulated_cost_explorer_is_asked(deploy: Deploy) -> None:
    deploy.costs = {"available": True, "total": "12", "forecast": {"amount": None, "why": "too young"}, "unknown": []}
    guard = deploy.guard(sandbox=True, cost_explorer_endpoint_url="http://127.0.0.1:5001")
    assert deploy.asked[0]["cost_explorer_endpoint_url"] == "http://127.0.0.1:5001"
    assert by_name(guard)["month_to_date"] == "12.00" and guard["figures"][2]["why"] == "too young"


# Credits


@pytest.mark.parametrize(
    ("plan", "monthly", "day"),
    [
        # 100 / 52.70 x 30.4 days
        (FREE_PLAN, "52.70", datetime.date(2027, 1, 20)),
        (FREE_PLAN, "10", None),
        (FREE_PLAN, "0", None),
        (FREE_PLAN, None, None),
        ({**FREE_PLAN, "type": "PAID"}, "52.70", None),
        ({**FREE_PLAN, "type": "unknown"}, "52.70", None),
        ({**FREE_PLAN, "credits": None}, "52.70", None),
        ({**FREE_PLAN, "expires": None}, "52.70", None),
        ({**FREE_PLAN, "credits": {"amount": "0", "unit": "USD"}}, "1", TODAY),
        ({}, "52.70", None),
    ],
)
def test_when_credits_run_out(plan: dict[str, t.Any], monthly: str | None, day: datetime.date | None) -> None:
    cost = None if monthly is None else Decimal(monthly)
    assert budget_credits.last_day(plan, cost, TODAY) == day


def test_credits_are_used_up_only_by_somebody_who_says_so(deploy: Deploy) -> None:
    with pytest.raises(McpError) as caught:
        deploy.guard(account_plan=FREE_PLAN, deployed=False)
    assert "100.00 USD of credits" in caught.value.message and "about 2027-01-20" in caught.value.message
    assert "deploy.yml -i <inventory> -e mcp_use_credits=true" in caught.value.message
    assert deploy.guard(account_plan=FREE_PLAN, deployed=False, use_credits=True)["decision"] == "go"


def test_what_runs_already_and_adds_nothing_is_not_asked_about_again(deploy: Deploy) -> None:
    same = {**ESTIMATE, "difference": {"monthly": "0"}}
    assert deploy.guard(account_plan=FREE_PLAN, estimate=same)["decision"] == "go"
    with pytest.raises(McpError, match="uses them up"):
        deploy.guard(account_plan=FREE_PLAN)
    unknown = {**ESTIMATE, "difference": {"monthly": None, "why": "the deployed template cannot be read"}}
    assert deploy.guard(account_plan=FREE_PLAN, estimate=unknown)["decision"] == "go"
    assert deploy.plans_asked == 0


@pytest.mark.parametrize(("command", "asked"), [("deploy", 1), ("plan", 1), ("undo", 0)])
def test_what_adds_to_the_bill_asks_for_a_plan_that_preflight_left_out(
    deploy: Deploy, command: str, asked: int
) -> None:
    deploy.plan = FREE_PLAN
    if asked:
        with pytest.raises(McpError, match="uses them up"):
            deploy.guard(command=command)
    else:
        assert deploy.guard(command=command)["decision"] == "go"
    assert deploy.plans_asked == asked


def test_a_cap_that_is_no_amount_is_refused(deploy: Deploy) -> None:
    with pytest.raises(McpError, match="cap_usd is 'sixty'"):
        deploy.guard(cap_usd="sixty")


def test_an_empty_guard_has_no_lines() -> None:
    assert guard_lines({}) == []
