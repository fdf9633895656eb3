# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was spent, from Cost Explorer: one paid request a day answers most reports; what AWS cannot tell is a gap."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_answers, cost_periods, cost_tags
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_anomalies import anomalies
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache, place_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_forecast import (
    Forecast,
    by_average,
    by_cost_explorer,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_options import (
    check,
    empty_result,
    question_of,
    request_keys,
    server_services,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import month_of
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_report import (
    Report,
    amounts_of,
    missing_days,
    sum_of,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import (
    CostExplorer,
    CostsUnknown,
    but_credits,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_services import check_services
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain

NOT_AVAILABLE = "not available on the emulator"

Row = dict[str, t.Any]


class Inquiry:
    """One question, on its way to a result."""

    def __init__(self, ctx: Context) -> None:
        self.ctx, self.params = ctx, ctx.params
        self.question = question_of(ctx.params)
        self.explorer = CostExplorer(ctx, ctx.params["max_api_calls"])
        endpoint = ctx.params["cost_explorer_endpoint_url"] or ""
        self.cache = DayCache(
            ctx, self.question.now, place_of(ctx), endpoint, ctx.params["refresh"], lambda: self.explorer.left
        )
        self.unknown: list[Row] = []

    def miss(self, what: str, why: str | None) -> None:
        """Mark a gap."""
        if why:
            self.unknown.append({"what": what, "why": why})

    def conditions(self, *more: Row) -> Row:
        """Return the filter of a request."""
        return but_credits(self.params["accounts"], self.params["gross"], *more)

    def ask(self) -> tuple[cost_answers.Costs, str]:
        """Return the costs of every day that the question needs, and when AWS told them."""
        question, keys = self.question, request_keys(self.params)
        steps = "MONTHLY" if question.by_month else "DAILY"
        periods = [question.period, *([question.previous] if question.previous else [])]
        window = cost_periods.window_of(question.preset, periods, question.now)
        cost_periods.check_reach(window, steps, question.now)
        request: Row = {
            "TimePeriod": window.request(),
            "Granularity": steps,
            "Metrics": [cost_answers.METRIC],
            "GroupBy": cost_answers.grouping(keys, question.tag_key),
            **self.conditions(*server_services(self.params, keys)),
        }

        def ask() -> Row:
            if keys == cost_answers.STANDARD:
                return cost_answers.ask_standard(self.explorer, question.tag_key, request)
            return cost_answers.ask_costs(self.explorer, keys, question.tag_key, request)

        answer, fetched_at = self.cache.answer({"operation": "costs", **request}, ask)
        costs = cost_answers.read_costs(keys, answer)
        check_services(self.explorer, self.cache, costs, list(question.services), window)
        return costs, fetched_at

    def forecast(self, report: Report, known: bool) -> Row | None:
        """Return what the current month may come to."""
        method, question, level = self.params["forecast"], self.question, self.params["forecast_level"]
        if method == "none":
            return None
        if not known:
            why = "What it has cost so far is unknown."
            return Forecast(method, month_of(question.now), level, why=why).shown()
        if method == "average":
            return by_average(report.steps, question.now, level).shown()
        more: list[Row] = server_services(self.params, ())
        if question.tag_value is not None:
            more.append({"Tags": {"Key": question.tag_key, "Values": [question.tag_value]}})
        try:
            found = by_cost_explorer(
                self.explorer, self.cache, report.steps, question.now, level, self.conditions(*more)
            )
        except CostsUnknown as error:
            found = Forecast(method, month_of(question.now), level, why=error.message)
        self.miss("forecast", found.why)
        return found.shown()

    def anomalies(self) -> list[Row] | None:
        """Return the anomalies of the period where they were asked for and AWS looks for them."""
        if not self.params["anomalies"]:
            return None
        try:
            answer = anomalies(self.explorer, self.cache, self.question.period)
        except CostsUnknown as error:
            self.miss("anomalies", error.message)
            return None
        if not answer["watched"]:
            self.miss(
                "anomalies",
                "The account has no anomaly monitor, so AWS looks for none. playbooks/budget.yml makes one.",
            )
            return None
        found: list[Row] = answer["found"]
        return found

    def totals(self, costs: cost_answers.Costs, report: Report, tag: cost_tags.Tag | None) -> Row:
        """Return the figures, without those that the tag leaves unknown."""
        question = self.question
        known = not (tag and tag.why and question.tag_value is not None)
        grouped = known and not (tag and tag.why and "tag" in question.group_by)
        partial = server_services(self.params, costs.keys)
        days = report.by_day() if known else []
        return {
            "total": plain(sum_of(report.amounts)) if known else None,
            "account_total": None if partial else plain(sum_of(amounts_of(costs.steps, question.period))),
            "groups": report.groups() if grouped else [],
            "by_day": days if grouped else [{**day, "groups": {}} for day in days],
            "previous": report.previous() if known else None,
            "top_movers": report.movers(self.params["top"]) if grouped else [],
            "forecast": self.forecast(report, known),
        }

    def result(self) -> Row:
        """Ask, and return the whole result."""
        costs, fetched_at = self.ask()
        question = self.question
        tag = cost_tags.look(self.ctx, self.explorer, self.cache, costs, question)
        if tag:
            asked = question.tag_value is not None or "tag" in question.group_by
            self.miss("tag", (tag.why or cost_tags.counted_late(costs, question, tag)) if asked else None)
        if missing := missing_days(costs.steps, question.period):
            self.miss("days", f"Cost Explorer says nothing of {missing} of the {question.period.days} days asked for.")
        return {
            "changed": bool(tag and tag.changed),
            "currency": costs.currency,
            **self.totals(costs, Report(costs, question), tag),
            "anomalies": self.anomalies(),
            "tag": tag.shown(question) if tag else None,
            "fetched_at": fetched_at,
            "cached": not self.explorer.calls,
            "cache": self.cache.used[0] if self.cache.used else None,
        }


def run(ctx: Context) -> Row:
    """Report what was spent."""
    check(ctx.params)
    inquiry = Inquiry(ctx)
    common = empty_result(ctx.params, inquiry.question)
    if ctx.params["sandbox"] and not ctx.params["cost_explorer_endpoint_url"]:
        return {**common, "why": NOT_AVAILABLE}
    try:
        found = {"available": True, **inquiry.result()}
    except McpError as error:
        paid = {"api_calls": inquiry.explorer.calls, "api_cost_usd": plain(inquiry.explorer.cost)}
        if ctx.params["unavailable"] == "fail" or not (
            isinstance(error, CostsUnknown) or error.details.get("limit_reached")
        ):
            error.details.update(paid)
            raise
        found = {"why": error.message, "error_code": error.details.get("error_code"), **paid}
    return {
        **common,
        "unknown": inquiry.unknown,
        "api_calls": inquiry.explorer.calls,
        "api_cost_usd": plain(inquiry.explorer.cost),
        **found,
    }
