# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomalies that AWS found in the costs, and whether anything looks for them."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_cache import DayCache
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_periods import Period
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.cost_requests import CostExplorer
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.estimate_amount import plain


def plain_anomaly(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return an anomaly as it is shown; AWS gives its amounts as floating point numbers."""
    impact = found["Impact"]

    def amount(name: str) -> str | None:
        return plain(Decimal(str(impact[name]))) if name in impact else None

    return {
        "id": found["AnomalyId"],
        "start": (found.get("AnomalyStartDate") or "")[:10] or None,
        "end": (found.get("AnomalyEndDate") or "")[:10] or None,
        "what": found.get("DimensionValue"),
        "impact": amount("TotalImpact") or amount("MaxImpact"),
        "expected": amount("TotalExpectedSpend"),
        "actual": amount("TotalActualSpend"),
        "causes": [
            ", ".join(str(cause[name]) for name in ("Service", "UsageType", "Region", "LinkedAccount") if name in cause)
            for cause in found.get("RootCauses", [])
        ],
    }


def anomalies(explorer: CostExplorer, cache: DayCache, period: Period) -> dict[str, t.Any]:
    """Return the anomalies of a period, and whether anything looks for them at all."""
    between = {"StartDate": period.start.isoformat(), "EndDate": period.end.isoformat()}

    def ask() -> dict[str, t.Any]:
        pages = explorer.pages("get_anomalies", DateInterval=between)
        found = [plain_anomaly(item) for page in pages for item in page["Anomalies"]]
        # Without a monitor there is never one, which says nothing.
        watched = bool(found) or bool(explorer.ask("get_anomaly_monitors", MaxResults=1)["AnomalyMonitors"])
        return {"found": found, "watched": watched}

    answer: dict[str, t.Any] = cache.answer({"operation": "anomalies", **between}, ask)[0]
    return answer
