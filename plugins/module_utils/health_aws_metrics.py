# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of CloudWatch: asked one metric at a time, because that is free."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import Row, actions
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Look

METRIC_ACTIONS = actions(cloudwatch="GetMetricStatistics")


@dataclass(frozen=True)
class Metric:
    """One series of figures."""

    namespace: str
    name: str
    dimensions: t.Mapping[str, str]


def minutes(look: Look) -> int:
    """Return the length of the window."""
    return max(int(look.thresholds.number("traffic_window_minutes")), 1)


def window(look: Look) -> str:
    """Name the window."""
    return plural(minutes(look), "minute")


def points(look: Look, metric: Metric, period: int = 0, **statistic: t.Any) -> list[Row]:
    """Return the datapoints of the window, the oldest first; none where nothing was written.

    CloudWatch counts the periods from the first minute, so a period as long as the window is one datapoint.

    :param period: seconds of each; 0: the whole window
    :param statistic: ``Statistics`` or ``ExtendedStatistics``; the API takes only one of them
    """
    end = look.now.replace(second=0, microsecond=0)
    answer = look.client("cloudwatch").get_metric_statistics(
        Namespace=metric.namespace,
        MetricName=metric.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
        StartTime=end - timedelta(minutes=minutes(look)),
        EndTime=end,
        Period=period or minutes(look) * 60,
        **statistic,
    )
    return sorted(answer.get("Datapoints") or [], key=lambda point: point["Timestamp"])


def total(look: Look, metric: Metric, statistic: str = "Sum") -> float | None:
    """Return the sum over the window, None where there is no datapoint.

    :param statistic: ``Sum`` or ``SampleCount``
    """
    found = points(look, metric, Statistics=[statistic])
    return sum(point[statistic] for point in found) if found else None


def highest(look: Look, metric: Metric) -> float | None:
    """Return the highest value of the window, None where there is none."""
    return max((point["Maximum"] for point in points(look, metric, Statistics=["Maximum"])), default=None)


def newest(look: Look, metric: Metric) -> Row | None:
    """Return the newest datapoint of five minutes with its ``Minimum``, None where there is none."""
    found = points(look, metric, 300, Statistics=["Minimum"])
    return found[-1] if found else None


def p95(look: Look, metric: Metric) -> float | None:
    """Return the 95th percentile, None where there is none; of several periods the worst."""
    found = points(look, metric, ExtendedStatistics=["p95"])
    return max((point["ExtendedStatistics"]["p95"] for point in found if point.get("ExtendedStatistics")), default=None)
