# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who hears an environment's alarms."""

from __future__ import annotations

import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import AWS_ERRORS, Context

NOBODY = "none"


def is_confirmed(client: t.Any, topic: str, address: str) -> bool | None:
    """Say whether the owner of an address has confirmed its subscription; None: AWS does not say.

    :param client: SNS
    """
    try:
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        arns = [
            item["SubscriptionArn"] for page in pages for item in page["Subscriptions"] if item["Endpoint"] == address
        ]
    except AWS_ERRORS:
        return None  # not worth a failed run
    return any(arn.startswith("arn:") for arn in arns)


def listener(ctx: Context, foundation: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the address that alerts go to and whether it is confirmed; empty where there is none.

    :param foundation: outputs and parameters of the stack with the topic
    """
    address = foundation["parameters"].get("AlertEmail", NOBODY)
    topic = foundation["outputs"].get("AlertsTopicArn")
    if address == NOBODY or not topic:
        return {}
    return {"address": address, "confirmed": is_confirmed(ctx.short_client("sns"), topic, address)}


def alert_lines(deployment: dict[str, t.Any]) -> list[str]:
    """Return what a person should know about who hears alarms."""
    stacks = deployment.get("stacks", {})
    parameters = stacks.get("foundation", {}).get("parameters", {})
    address = parameters.get("AlertEmail", NOBODY)
    if address != NOBODY:
        heard = deployment.get("alerts", {})
        if heard is None:  # nobody was asked
            return []
        known = heard.get("confirmed") if heard.get("address") == address else False
        if known:
            return [f"alerts:    {address}"]
        why = (
            "whether it is confirmed AWS did not say" if known is None else "its owner has to confirm AWS's mail first"
        )
        return [f"alerts:    {address}, {why}"]
    alarms = stacks.get("watch", {}).get("parameters", {}).get("Alarms") == "true"
    if alarms and not deployment.get("sandbox"):
        return ["alerts:    nobody hears the alarms: set mcp_alert_email, or subscribe to the topic"]
    return []
