# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS does when a budget is spent: an action of AWS Budgets, by itself or after a person has agreed."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_notifications import (
    Address,
    shown,
    subscribers,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.budget_steps import Step
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

SPEC: dict[str, t.Any] = {
    "type": {"type": "str", "choices": ["iam_policy", "organization_policy", "stop_instances", "stop_databases"]},
    "percent": {"type": "int", "default": 100},
    "basis": {"type": "str", "choices": ["actual", "forecast"], "default": "actual"},
    "approval": {"type": "str", "choices": ["manual", "automatic"], "default": "manual"},
    "role_arn": {"type": "str"},
    "policy": {"type": "str"},
    "roles": {"type": "list", "elements": "str", "default": []},
    "groups": {"type": "list", "elements": "str", "default": []},
    "users": {"type": "list", "elements": "str", "default": []},
    "targets": {"type": "list", "elements": "str", "default": []},
    "instances": {"type": "list", "elements": "str", "default": []},
}
# What each type has to be given; of a group one is enough.
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "iam_policy": (("role_arn",), ("policy",), ("roles", "groups", "users")),
    "organization_policy": (("role_arn",), ("policy",), ("targets",)),
    "stop_instances": (("role_arn",), ("instances",)),
    "stop_databases": (("role_arn",), ("instances",)),
}
TYPES = {
    "iam_policy": "APPLY_IAM_POLICY",
    "organization_policy": "APPLY_SCP_POLICY",
    "stop_instances": "RUN_SSM_DOCUMENTS",
    "stop_databases": "RUN_SSM_DOCUMENTS",
}
DOCUMENTS = {"stop_instances": "STOP_EC2_INSTANCES", "stop_databases": "STOP_RDS_INSTANCES"}
WARNINGS = {
    "stop_instances": "An Auto Scaling group starts another instance for one that is stopped, so stopping those of a "
    "group saves nothing: scale the group to 0 instead, or remove the app with playbooks/destroy.yml.",
    "stop_databases": "A stopped database goes on billing its storage, and RDS starts it again after 7 days.",
}
BILLS = "the first two budgets with actions of an account are free, each further one is 0.10 USD a day"

Action = dict[str, t.Any]


def given(action: Action | None) -> Action | None:
    """Return the action that is asked for, an empty one where it shall be removed; None: nothing was said.

    :raises McpError: something that it needs is missing
    """
    if action is None:
        return None
    if not action.get("type"):
        said = ("role_arn", "policy", "roles", "groups", "users", "targets", "instances")
        if any(action.get(name) for name in said):
            raise McpError(
                f"action has no type: allowed is one of {', '.join(TYPES)}; and {{}} removes the action. Nothing was "
                "changed. See: ansible-doc pratikoai.mcp_servers.budget"
            )
        return {}
    missing = [" or ".join(names) for names in NEEDS[action["type"]] if not any(action.get(name) for name in names)]
    if missing:
        raise McpError(
            f"action of type {action['type']} has no {', no '.join(missing)}: it needs "
            f"{', '.join(' or '.join(names) for names in NEEDS[action['type']])}. Nothing was changed. See: "
            "ansible-doc pratikoai.mcp_servers.budget"
        )
    return action


def definition(action: Action, region: str) -> dict[str, t.Any]:
    """Return what AWS shall do, as it takes it."""
    if action["type"] == "iam_policy":
        named = {name.capitalize(): sorted(action[name]) for name in ("roles", "groups", "users") if action[name]}
        return {"IamActionDefinition": {"PolicyArn": action["policy"], **named}}
    if action["type"] == "organization_policy":
        return {"ScpActionDefinition": {"PolicyId": action["policy"], "TargetIds": sorted(action["targets"])}}
    document = {"ActionSubType": DOCUMENTS[action["type"]], "Region": region}
    return {"SsmActionDefinition": {**document, "InstanceIds": sorted(action["instances"])}}


def request(action: Action, region: str, told: frozenset[Address]) -> dict[str, t.Any]:
    """Return an action as AWS takes it."""
    return {
        "NotificationType": "FORECASTED" if action["basis"] == "forecast" else "ACTUAL",
        "ActionType": TYPES[action["type"]],
        "ActionThreshold": {"ActionThresholdValue": float(action["percent"]), "ActionThresholdType": "PERCENTAGE"},
        "Definition": definition(action, region),
        "ExecutionRoleArn": action["role_arn"],
        "ApprovalModel": action["approval"].upper(),
        "Subscribers": subscribers(told),
    }


def comparable(item: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return what two actions are compared by: lists have no order."""
    definitions = {
        kind: {key: sorted(value) if isinstance(value, list) else value for key, value in parts.items() if value}
        for kind, parts in item["Definition"].items()
        if parts
    }
    told = shown((entry["SubscriptionType"], entry["Address"]) for entry in item["Subscribers"])
    same = ("NotificationType", "ActionType", "ExecutionRoleArn", "ApprovalModel")
    threshold = {"ActionThreshold": float(item["ActionThreshold"]["ActionThresholdValue"])}
    return {**{key: item[key] for key in same}, **threshold, "Definition": definitions, "Subscribers": told}


def read(client: t.Any, account: str, name: str) -> list[dict[str, t.Any]]:
    """Return the actions of a budget."""
    pages = client.get_paginator("describe_budget_actions_for_budget").paginate(AccountId=account, BudgetName=name)
    return [item for page in pages for item in page["Actions"]]


def steps(
    client: t.Any, where: dict[str, str], wanted: dict[str, t.Any] | None, found: list[dict[str, t.Any]]
) -> list[Step]:
    """Return the steps to the one action that is wanted, or to none.

    :param wanted: as AWS takes it
    """
    name = f"{where['BudgetName']}: action"
    # AWS cannot change the type of an action.
    same = next((item for item in found if wanted and item["ActionType"] == wanted["ActionType"]), None)
    listed = []
    for item in found:
        if item is not same:
            act = functools.partial(client.delete_budget_action, **where, ActionId=item["ActionId"])
            listed.append(Step("action removed", name, comparable(item), None, act))
    if wanted and same is None:
        act = functools.partial(client.create_budget_action, **where, **wanted)
        listed.append(Step("action created", name, None, comparable(wanted), act))
    elif wanted and same is not None and comparable(same) != comparable(wanted):
        changed = {key: value for key, value in wanted.items() if key != "ActionType"}
        act = functools.partial(client.update_budget_action, **where, ActionId=same["ActionId"], **changed)
        listed.append(Step("action changed", name, comparable(same), comparable(wanted), act))
    return listed


def describe(found: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return actions as a result shows them."""
    return [{**comparable(item), "Status": item["Status"], "bills": BILLS} for item in found]
