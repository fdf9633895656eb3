# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts calls, and in which metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import Row
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_metrics import Metric
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Look


@dataclass(frozen=True)
class Source:
    """Something that counts calls.

    :param calls: metrics that together count all calls
    :param errors: metrics of failed calls, each with who failed
    :param time: the metric of how long calls took
    :param to_ms: what its figures are multiplied with
    :param note: what that metric does not contain
    """

    name: str
    namespace: str
    dimensions: Callable[[Row], dict[str, str]]
    calls: tuple[str, ...]
    errors: dict[str, str]
    time: str
    to_ms: float = 1
    note: str = ""

    def metric(self, look: Look, name: str) -> Metric:
        return Metric(self.namespace, name, self.dimensions(look.probe))

    def what(self, look: Look) -> str:
        found = self.dimensions(look.probe)
        return f"{self.name} {found.get('Resource') or ' '.join(found.values())}"


def function_name(text: str) -> str:
    """Return the name of a function, also from its ARN."""
    return text.rpartition(":function:")[2].partition(":")[0]


def function_dimensions(probe: Row) -> dict[str, str]:
    """Return how Lambda names a function; calls by an alias are counted also under the alias alone."""
    name = function_name(str(probe["target"]))
    return {"FunctionName": name} | ({"Resource": f"{name}:{probe['qualifier']}"} if probe.get("qualifier") else {})


FUNCTION = Source(
    name="function",
    namespace="AWS/Lambda",
    dimensions=function_dimensions,
    calls=("Invocations",),
    errors={"Errors": "crashed or took too long"},
    time="Duration",
    note=" (without cold starts)",
)
API = Source(
    name="API",
    namespace="AWS/ApiGateway",
    dimensions=lambda probe: {"ApiName": str(probe["target"]), "Stage": str(probe["stage"])},
    calls=("Count",),
    errors={"5XXError": "got a 5xx"},
    time="Latency",
)
# RequestCount lacks what the balancer answers without a server, which is a 5xx of its own then.
BALANCER = Source(
    name="load balancer",
    namespace="AWS/ApplicationELB",
    dimensions=lambda probe: {"LoadBalancer": str(probe["target"])},
    calls=("RequestCount", "HTTPCode_ELB_5XX_Count"),
    errors={"HTTPCode_Target_5XX_Count": "got a 5xx of a server", "HTTPCode_ELB_5XX_Count": "a 5xx of the balancer"},
    time="TargetResponseTime",
    to_ms=1000,
    note=" (of the servers alone)",
)
