# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of cost_info, what they allow together, and the result before anything was asked."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import cost_periods
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_answers import STANDARD
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_report import Question
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.options import is_loopback

GROUPS = ["service", "tag", "usage_type", "account"]
ARGUMENT_SPEC: dict[str, t.Any] = {
    "preset": {"type": "str", "choices": list(cost_periods.PRESETS), "default": "month_to_date"},
    "start": {"type": "str"},
    "end": {"type": "str"},
    "granularity": {"type": "str", "choices": ["daily", "monthly"], "default": "daily"},
    "group_by": {"type": "list", "elements": "str", "choices": GROUPS, "default": ["service"]},
    "tag_key": {"type": "str", "default": "mcp:environment", "no_log": False},
    "tag_value": {"type": "str"},
    "services": {"type": "list", "elements": "str", "default": []},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "gross": {"type": "bool", "default": True},
    "previous": {"type": "bool", "default": True},
    "top": {"type": "int", "default": 5},
    "forecast": {"type": "str", "choices": ["average", "cost_explorer", "none"], "default": "average"},
    "forecast_level": {"type": "int", "default": 80},
    "anomalies": {"type": "bool", "default": False},
    "activate_tags": {"type": "bool", "default": False},
    "max_api_calls": {"type": "int", "default": 3},
    "bucket": {"type": "str"},
    "bucket_owner": {"type": "str"},
    "directory": {"type": "path"},
    "refresh": {"type": "bool", "default": False},
    "sandbox": {"type": "bool", "default": False},
    "cost_explorer_endpoint_url": {"type": "str"},
    "unavailable": {"type": "str", "choices": ["fail", "mark"], "default": "fail"},
}
SPEC_OPTIONS: dict[str, t.Any] = {"mutually_exclusive": [("bucket", "directory")]}
MOST_KEYS = 2
ACCOUNT = re.compile(r"[0-9]{12}")
# Cost Explorer's own limits of a prediction interval, in percent.
LEVELS = (51, 99)


def refused(option: str, value: t.Any, allowed: str) -> McpError:
    """Return the one error that a wrong option gets."""
    return McpError(f"{option} is '{value}': allowed is {allowed}. Nothing was asked for.")


def check(params: dict[str, t.Any]) -> None:
    """:raises McpError: options are wrong, or do not go together"""
    groups = params["group_by"]
    if not 1 <= len(groups) <= MOST_KEYS or len(set(groups)) < len(groups):
        raise refused("group_by", ", ".join(groups), f"one or two different ones of {', '.join(GROUPS)}")
    request_keys(params)
    for account in params["accounts"]:
        if not ACCOUNT.fullmatch(account):
            raise refused("accounts", account, "the 12 digits of an account's id")
    for option, least in (("max_api_calls", 0), ("top", 0)):
        if params[option] < least:
            raise refused(option, params[option], f"a whole number from {least}")
    if not LEVELS[0] <= params["forecast_level"] <= LEVELS[1]:
        raise refused("forecast_level", params["forecast_level"], f"a percentage from {LEVELS[0]} to {LEVELS[1]}")
    if params["directory"] and not params["accounts"]:
        raise McpError(
            "directory is set and accounts is not: a folder does not know whose costs it keeps. Name the account, for "
            'example: accounts: ["123456789012"]'
        )
    endpoint = params["cost_explorer_endpoint_url"]
    if params["sandbox"] and endpoint and not is_loopback(endpoint):
        raise refused("cost_explorer_endpoint_url", endpoint, "in the sandbox a loopback address")


def request_keys(params: dict[str, t.Any]) -> tuple[str, ...]:
    """Return what a request groups by, so that the report can be made of its answer.

    :raises McpError: more than Cost Explorer allows
    """
    keys = [*params["group_by"]]
    if params["tag_value"] and "tag" not in keys:
        keys.append("tag")
    if set(keys) <= set(STANDARD):
        return STANDARD
    if len(keys) > MOST_KEYS:
        raise McpError(
            f"group_by is '{', '.join(params['group_by'])}' and tag_value '{params['tag_value']}': Cost Explorer "
            f"groups by at most {MOST_KEYS}, and the tag is one of them. Leave one out of group_by."
        )
    if params["services"] and "service" not in keys and len(keys) < MOST_KEYS:
        keys.append("service")
    return tuple(keys)


def server_services(params: dict[str, t.Any], keys: tuple[str, ...]) -> list[dict[str, t.Any]]:
    """Return the filter by services where the answer cannot be filtered afterwards."""
    if not params["services"] or "service" in keys:
        return []
    return [{"Dimensions": {"Key": "SERVICE", "Values": sorted(params["services"])}}]


def question_of(params: dict[str, t.Any]) -> Question:
    """Return what the report is about.

    :raises McpError: the period is none
    """
    now, preset = cost_periods.today(), params["preset"]
    period = cost_periods.period_of(preset, params["start"], params["end"], now)
    monthly = params["granularity"] == "monthly"
    standard = cost_periods.standard_window(now).has(period)
    return Question(
        preset=preset,
        period=period,
        previous=cost_periods.previous_of(preset, period) if params["previous"] else None,
        group_by=tuple(params["group_by"]),
        tag_key=params["tag_key"],
        now=now,
        # A long history by day would be many pages, and each is paid for.
        by_month=monthly and preset == "range" and not standard and period.start.day == 1,
        monthly=monthly,
        tag_value=params["tag_value"] or None,
        services=tuple(params["services"]),
    )


def empty_result(params: dict[str, t.Any], question: Question) -> dict[str, t.Any]:
    """Return the result of a report that knows nothing."""
    return {
        "changed": False,
        "available": False,
        "why": None,
        "error_code": None,
        "currency": None,
        "gross": params["gross"],
        "period": {
            "preset": question.preset,
            **question.period.shown(),
            "days": question.period.days,
            "granularity": params["granularity"],
        },
        "total": None,
        "account_total": None,
        "groups": [],
        "by_day": [],
        "previous": None,
        "top_movers": [],
        "forecast": None,
        "anomalies": None,
        "tag": None,
        "may_grow_from": cost_periods.grows_from(question.now).isoformat(),
        "unknown": [],
        "api_calls": 0,
        "api_cost_usd": "0",
        "cached": False,
        "fetched_at": None,
        "cache": None,
    }
