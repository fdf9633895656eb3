# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections of a database of RDS, held against how many it takes."""

from __future__ import annotations

import re

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_common import (
    ANY_NAME,
    TARGET,
    Row,
    actions,
    named,
    pages,
    play,
    target,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_database import (
    DESCRIBE,
    GIB,
    find_database,
    gone,
    metric,
    no_figure,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_metrics import (
    METRIC_ACTIONS,
    highest,
    window,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_aws_words import judged, number, plural
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import Kind, Look, Observation

# Of a class of the family m; the system keeps about a quarter of it from small ones, which the formula does not count.
MEMORY_GB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32, "4xlarge": 64}
USABLE = 0.75
# How many times as much other families have, the longest beginning first.
TIMES = {"x2iedn": 8, "x2iezn": 8, "x1e": 8, "x": 4, "r": 2, "z": 2, "c": 0.5, "m": 1, "t": 1}
FORMULA = re.compile(r"LEAST\(\{DBInstanceClassMemory/(\d+)\},(\d+)\)")


def limit_of(text: str, instance_class: str) -> tuple[int, str] | None:
    """Return how many connections a parameter allows and how exactly that is known, None where it is not."""
    if text.isdigit():
        return int(text), ""
    formula = FORMULA.fullmatch(text.replace(" ", ""))
    family, _dot, size = instance_class.removeprefix("db.").partition(".")
    times = next((found for begin, found in TIMES.items() if family.startswith(begin)), None)
    if not formula or size not in MEMORY_GB or times is None:
        return None
    memory = MEMORY_GB[size] * times * USABLE * GIB
    return min(int(memory / int(formula[1])), int(formula[2])), "about "


def connection_limit(look: Look, found: Row) -> tuple[int, str] | None:
    """Return what the parameter group says of max_connections, None where that tells no number."""
    groups = found.get("DBParameterGroups") or [{}]
    name = groups[0].get("DBParameterGroupName")
    if not name:
        return None
    for parameter in pages(look, "rds", "describe_db_parameters", "Parameters", DBParameterGroupName=name):
        if parameter.get("ParameterName") == "max_connections":
            return limit_of(str(parameter.get("ParameterValue") or ""), str(found.get("DBInstanceClass")))
    return None


def look_at_connections(look: Look) -> Observation:
    """Hold the most connections of the window against what the server takes."""
    found = find_database(look)
    if found is None:
        return gone(look)
    most = highest(look, metric(look, "DatabaseConnections"))
    if most is None:
        return no_figure(look, "DatabaseConnections")
    text = f"database {target(look)}: at most {plural(most, 'connection')} in {window(look)}"
    limit = connection_limit(look, found)
    if limit is None:
        why = (
            f"how many a {found.get('DBInstanceClass')} takes is not known, because its max_connections names no number"
        )
        return Observation("unknown", f"{text}; {why}")
    allowed, about = limit
    percent = 100 * most / allowed
    text += f", {number(percent, 1)} % of the {about}{allowed} that a {found.get('DBInstanceClass')} takes"
    status, passed = judged(look, "connections_percent", percent)
    return Observation(status, text + passed, next_step=play(look, "limits"))


KINDS = named(
    Kind(
        name="db_connections",
        look=look_at_connections,
        options=TARGET,
        required=("target",),
        services=("rds", "cloudwatch"),
        check=ANY_NAME,
        step=DESCRIBE,
        actions=actions(rds="DescribeDBInstances DescribeDBParameters") | METRIC_ACTIONS,
    ),
)
