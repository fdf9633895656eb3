#!/usr/bin/env python3
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local phase's Grafana dashboards: ``.venv/bin/python scripts/dashboards.py`` writes them as JSON into the role.

A panel is one line or a few below; what Grafana wants around it comes from its own SDK, grafana-foundation-sdk.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)

FOLDER = Path(__file__).resolve().parents[1] / "roles" / "local" / "files" / "grafana" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="mcp-prometheus")
GREEN, ORANGE, RED = "green", "orange", "red"
WIDTH = 24  # of Grafana's grid

FAILED = '{outcome=~"server_error|timeout"}'
CALLS = 'method="tools/call"'
# A subscription lasts as long as its client listens: that is no time to answer.
ANSWERS = 'method!="subscriptions/listen"'
BUSINESS = '{__name__=~"mcp_business_.+_total"}'


@dataclass(frozen=True)
class Panel:
    """One panel.

    :param queries: PromQL by the name of its lines, ``{{label}}`` for a label's value
    :param unit: as Grafana calls it: ``s``, ``bytes``, ``percentunit``, ``reqps``, ``short``
    :param limits: where the colour changes to orange and red; a single one is red
    """

    title: str
    description: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "lines"
    limits: tuple[float, ...] = ()


lines = Panel  # over time
number = functools.partial(Panel, kind="number")  # of now
bars = functools.partial(Panel, kind="bars")  # of now, side by side


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels that share the width."""

    uid: str
    title: str
    description: str
    rows: list[tuple[str, list[Panel]]]
    since: str = "now-30m"


def rate(series: str, by: str = "", window: str = "$__rate_interval") -> str:
    """Return what a counter grows by in a second."""
    return f"sum{f' by ({by})' if by else ''} (rate({series}[{window}]))"


def share(part: str, whole: str) -> str:
    """Return a share from 0 to 1; nothing where nothing happened, rather than a zero that would look like success."""
    return f"({part} / {whole}) >= 0"


def percentile(quantile: float, labels: str, by: str = "") -> str:
    """Return a percentile of the time to answer, in seconds; nothing where nobody called."""
    grouped = ", ".join(filter(None, ("le", by)))
    buckets = f"rate(mcp_request_duration_seconds_bucket{{{labels}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({grouped}) ({buckets})) >= 0"


def count_of(condition: str) -> str:
    """Return how many series fulfil a condition; 0 is an answer too."""
    return f"count({condition}) or vector(0)"


HEALTH = Board(
    "mcp-health",
    "MCP system health",
    "Does it run, does it answer, is it fast enough?",
    [
        (
            "Now",
            [
                number(
                    "Targets down",
                    "Processes and exporters that Prometheus cannot fetch from.",
                    {"down": count_of("up == 0")},
                    limits=(1,),
                ),
                number(
                    "Dependencies away",
                    "What the server's own checks, those behind /ready, do not reach.",
                    {"away": count_of("mcp_dependency_up == 0")},
                    limits=(1,),
                ),
                number(
                    "Alerts firing",
                    "Details: Alertmanager, or Prometheus under Alerts.",
                    {"firing": count_of('ALERTS{alertstate="firing"}')},
                    limits=(1,),
                ),
                number(
                    "Failed, of all messages",
                    "Server errors and timeouts. The alert McpErrorRate is at 1 %. Empty: nobody called.",
                    {"failed": share(rate(f"mcp_requests_total{FAILED}"), rate("mcp_requests_total"))},
                    "percentunit",
                    limits=(0.001, 0.01),
                ),
                number(
                    "95th percentile",
                    "Nineteen of twenty messages are answered faster. The alert McpLatencyP95 is at 500 ms.",
                    {"P95": percentile(0.95, ANSWERS)},
                    "s",
                    limits=(0.3, 0.5),
                ),
                number(
                    "Up for",
                    "Time since the server's process started.",
                    {"up for": 'time() - process_start_time_seconds{job="server"}'},
                    "s",
                ),
            ],
        ),
        (
            "Traffic",
            [
                lines(
                    "Messages a second", "All methods and outcomes.", {"messages": rate("mcp_requests_total")}, "reqps"
                ),
                lines(
                    "Time to answer",
                    "Without open subscriptions, which last as long as their client listens.",
                    {f"P{value * 100:g}": percentile(value, ANSWERS) for value in (0.5, 0.95, 0.99)},
                    "s",
                    limits=(0.5,),
                ),
                lines(
                    "Failed share",
                    "Failed: server errors and timeouts. Tool errors: what a tool reported, wrong arguments too.",
                    {
                        "failed": share(rate(f"mcp_requests_total{FAILED}"), rate("mcp_requests_total")),
                        "tool errors": share(
                            rate('mcp_requests_total{outcome="tool_error"}'), rate("mcp_requests_total")
                        ),
                    },
                    "percentunit",
                    limits=(0.01,),
                ),
            ],
        ),
        (
            "Processes",
            [
                lines("Targets", "1: Prometheus could fetch from it.", {"{{job}}": "up"}),
                lines(
                    "Starts of the server",
                    "In the last hour, as far as Prometheus saw them. Each saved file is one with hot reload.",
                    {"starts": 'sum(changes(process_start_time_seconds{job="server"}[1h]))'},
                ),
                lines("Release", "What the server says it is.", {"{{release}}": "mcp_build_info"}),
            ],
        ),
        (
            "Resources of the server",
            [
                lines(
                    "Processor",
                    "1 is one processor, busy all the time.",
                    {"processors": rate('process_cpu_seconds_total{job="server"}')},
                ),
                lines("Memory", "Resident.", {"memory": 'process_resident_memory_bytes{job="server"}'}, "bytes"),
                lines(
                    "Open files",
                    "Connections and files. The alert McpFilesExhausted is at 80 % of what is allowed.",
                    {"open": 'process_open_fds{job="server"}', "allowed": 'process_max_fds{job="server"}'},
                ),
            ],
        ),
    ],
)
TRAFFIC = Board(
    "mcp-traffic",
    "MCP traffic",
    "Who asks for what, how it ends, how long it takes. A tool has its own label once it was listed or answered.",
    [
        (
            "By tool",
            [
                lines(
                    "Calls a second by tool",
                    "All outcomes.",
                    {"{{tool}}": rate(f"mcp_requests_total{{{CALLS}}}", "tool")},
                    "reqps",
                ),
                lines(
                    "95th percentile by tool",
                    "The slow one of twenty calls.",
                    {"{{tool}}": percentile(0.95, CALLS, "tool")},
                    "s",
                    limits=(0.5,),
                ),
                lines(
                    "Failed calls by tool",
                    "Share of tool errors, server errors and timeouts.",
                    {
                        "{{tool}}": share(
                            rate(f'mcp_requests_total{{{CALLS}, outcome=~"tool_error|server_error|timeout"}}', "tool"),
                            rate(f"mcp_requests_total{{{CALLS}}}", "tool"),
                        )
                    },
                    "percentunit",
                ),
            ],
        ),
        (
            "By tool, now",
            [
                bars(
                    "Average time by tool",
                    "Of the last five minutes.",
                    {
                        "{{tool}}": share(
                            rate(f"mcp_request_duration_seconds_sum{{{CALLS}}}", "tool", "5m"),
                            rate(f"mcp_request_duration_seconds_count{{{CALLS}}}", "tool", "5m"),
                        )
                    },
                    "s",
                ),
                bars(
                    "Busiest tools",
                    "Calls of the last hour.",
                    {"{{tool}}": f"topk(10, sum by (tool) (increase(mcp_requests_total{{{CALLS}}}[1h])))"},
                ),
            ],
        ),
        (
            "By message",
            [
                lines(
                    "Messages a second by method",
                    "Methods of the protocol; others are counted as other.",
                    {"{{method}}": rate("mcp_requests_total", "method")},
                    "reqps",
                ),
                lines(
                    "Messages a second by outcome",
                    "The outcomes are explained in app/README.md.",
                    {"{{outcome}}": rate("mcp_requests_total", "outcome")},
                    "reqps",
                ),
                lines(
                    "Refused and limited",
                    "Tokens, scopes, hosts, origins; limits by token and tool.",
                    {"{{outcome}}": rate('mcp_requests_total{outcome=~"refused|limited"}', "outcome")},
                    "reqps",
                ),
            ],
        ),
        (
            "By client",
            [
                lines(
                    "Messages a second by era",
                    "stateless: from 2026-07-28 on; session: before; none: no version named.",
                    {"{{era}}": rate("mcp_requests_total", "era")},
                    "reqps",
                ),
                lines("In flight", "Requests that are being served.", {"in flight": "mcp_requests_in_flight"}),
                lines(
                    "Slow answers a second",
                    "Messages that took more than half a second.",
                    {
                        "slow": f"{rate(f'mcp_request_duration_seconds_count{{{ANSWERS}}}')} - "
                        + rate(f'mcp_request_duration_seconds_bucket{{{ANSWERS}, le="0.5"}}')
                    },
                    "reqps",
                ),
            ],
        ),
    ],
)
DEPENDENCIES = Board(
    "mcp-dependencies",
    "MCP dependencies",
    "PostgreSQL, Redis and the files, as the server and as their own exporters see them.",
    [
        (
            "As the server sees them",
            [
                lines(
                    "Checks",
                    "1: the check passed; 0.5: the server does without it.",
                    {"{{dependency}}": "mcp_dependency_up"},
                ),
                lines(
                    "Time of the checks",
                    "A check has two seconds.",
                    {"{{dependency}}": "mcp_dependency_check_seconds"},
                    "s",
                ),
                lines(
                    "Database connections of the server",
                    "waiting: requests that find no free connection; the alert is McpPoolExhausted.",
                    {"{{state}}": "mcp_db_pool_connections", "size": "mcp_db_pool_size"},
                ),
                lines(
                    "Reads from the cache",
                    "error: Redis did not answer, the database did.",
                    {"{{result}}": rate("mcp_cache_requests_total", "result")},
                    "reqps",
                ),
                lines(
                    "Found in the cache",
                    "Share of the reads that Redis answered.",
                    {
                        "found": share(
                            rate('mcp_cache_requests_total{result="hit"}'),
                            rate('mcp_cache_requests_total{result=~"hit|miss"}'),
                        )
                    },
                    "percentunit",
                ),
            ],
        ),
        (
            "PostgreSQL",
            [
                lines("PostgreSQL answers", "1: its exporter reaches it.", {"PostgreSQL": "pg_up"}),
                lines(
                    "Connections",
                    "Of all clients. The alert McpPostgresConnections is at 80 % of what is allowed.",
                    {
                        "{{state}}": "sum by (state) (pg_stat_activity_count) > 0",
                        "allowed": "max(pg_settings_max_connections)",
                    },
                ),
                lines(
                    "Transactions a second",
                    "The exporter's own are among them.",
                    {
                        "committed": rate('pg_stat_database_xact_commit{datname="mcp"}'),
                        "rolled back": rate('pg_stat_database_xact_rollback{datname="mcp"}'),
                    },
                    "ops",
                ),
                lines(
                    "Rows a second",
                    "Written rows of the server's database.",
                    {
                        action: rate(f'pg_stat_database_tup_{action}{{datname="mcp"}}')
                        for action in ("inserted", "updated", "deleted")
                    },
                    "ops",
                ),
            ],
        ),
        (
            "PostgreSQL's storage",
            [
                lines("Size of the database", "On disk.", {"size": 'pg_database_size_bytes{datname="mcp"}'}, "bytes"),
                lines(
                    "Blocks found in memory",
                    "Share that needed no read from the disk.",
                    {
                        "in memory": share(
                            rate('pg_stat_database_blks_hit{datname="mcp"}'),
                            "("
                            + rate('pg_stat_database_blks_hit{datname="mcp"}')
                            + " + "
                            + rate('pg_stat_database_blks_read{datname="mcp"}')
                            + ")",
                        )
                    },
                    "percentunit",
                ),
                lines(
                    "Deadlocks",
                    "In the last five minutes. The alert is McpPostgresDeadlocks.",
                    {"deadlocks": 'sum(increase(pg_stat_database_deadlocks{datname="mcp"}[5m]))'},
                    limits=(1,),
                ),
            ],
        ),
        (
            "Redis",
            [
                lines("Redis answers", "1: its exporter reaches it.", {"Redis": "redis_up"}),
                lines(
                    "Commands a second",
                    "The exporter's own are among them.",
                    {"commands": rate("redis_commands_processed_total")},
                    "ops",
                ),
                lines(
                    "Memory of Redis",
                    "allowed: 0 where there is no limit. A full cache lets go of what was not read for longest.",
                    {"used": "redis_memory_used_bytes", "allowed": "redis_memory_max_bytes"},
                    "bytes",
                ),
                lines("Keys", "What the cache holds.", {"keys": "sum(redis_db_keys)"}),
            ],
        ),
        (
            "Prometheus itself",
            [
                lines(
                    "Time to fetch",
                    "The server's runs its checks each time.",
                    {"{{job}}": "scrape_duration_seconds"},
                    "s",
                ),
                lines(
                    "Notifications a second",
                    "From Alertmanager; failed: the alert McpAlertsNotDelivered.",
                    {
                        "sent": rate("alertmanager_notifications_total"),
                        "failed": rate("alertmanager_notifications_failed_total"),
                    },
                    "ops",
                ),
            ],
        ),
    ],
)
BUSINESS_BOARD = Board(
    "mcp-business",
    "MCP business",
    "What people get out of it. Every pratiko_mcp.metrics.count(name) of your server is shown here by its name.",
    [
        (
            "Last 24 hours",
            [
                number(
                    "Tool calls that succeeded",
                    "Answered without an error of the tool or the server.",
                    {"calls": f'sum(increase(mcp_requests_total{{{CALLS}, outcome="ok"}}[24h]))'},
                ),
                number(
                    "Served without our fault",
                    "All messages without server errors and timeouts. Empty: nobody called.",
                    {
                        "served": "1 - "
                        + share(
                            f"sum(increase(mcp_requests_total{FAILED}[24h]))",
                            "sum(increase(mcp_requests_total[24h]))",
                        )
                    },
                    "percentunit",
                ),
                number(
                    "Tools in use",
                    "Different tools that were called.",
                    {"tools": f"count(sum by (tool) (increase(mcp_requests_total{{{CALLS}}}[24h])) > 0) or vector(0)"},
                ),
                number(
                    "Turned away",
                    "Messages refused, or over a limit.",
                    {"messages": 'sum(increase(mcp_requests_total{outcome=~"refused|limited"}[24h]))'},
                ),
            ],
        ),
        (
            "Counted by the application",
            [
                bars(
                    "Events in 24 hours",
                    "By the name that the application gave.",
                    {"{{business}}": f"sum by (business) (increase({BUSINESS}[24h]))"},
                ),
                lines(
                    "Events a minute",
                    "By the name that the application gave.",
                    {"{{business}}": f"60 * {rate(BUSINESS, 'business')}"},
                ),
            ],
        ),
        (
            "Use",
            [
                lines(
                    "Successful calls a minute by tool",
                    "What people use.",
                    {"{{tool}}": "60 * " + rate(f'mcp_requests_total{{{CALLS}, outcome="ok"}}', "tool")},
                ),
                lines(
                    "Growth of the stored data",
                    "In the last hour, on disk.",
                    {"growth": 'delta(pg_database_size_bytes{datname="mcp"}[1h])'},
                    "bytes",
                ),
            ],
        ),
    ],
    "now-24h",
)
BOARDS = {"system-health": HEALTH, "mcp-traffic": TRAFFIC, "dependencies": DEPENDENCIES, "business": BUSINESS_BOARD}


def thresholds(limits: t.Sequence[float]) -> dashboard.ThresholdsConfig:
    """Return the colours: green below all limits, red above the last."""
    colours = [GREEN, ORANGE, RED] if len(limits) > 1 else [GREEN, RED]
    steps = [Threshold(value, colour) for value, colour in zip([None, *limits], colours, strict=False)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def build_panel(panel: Panel, identity: int, span: int) -> t.Any:
    """Return the SDK's builder of a panel."""
    built: t.Any
    if panel.kind == "lines":
        built = timeseries.Panel().fill_opacity(8).show_points(shapes.VisibilityMode.NEVER).axis_soft_min(0)
        built.legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
        )
        built.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI))
        if panel.limits:
            built.thresholds_style(common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.LINE))
    else:
        built = (stat if panel.kind == "number" else bargauge).Panel()
        built.no_value("none").reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        if panel.kind == "bars":
            built.min(0).orientation(shapes.VizOrientation.HORIZONTAL)
    built.id(identity).title(panel.title).description(panel.description).unit(panel.unit)
    built.datasource(SOURCE).thresholds(thresholds(panel.limits)).span(span).height(4 if panel.kind == "number" else 8)
    for letter, (legend, expression) in zip("ABCDEF", panel.queries.items(), strict=False):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(SOURCE)
        built.with_target(query.range() if panel.kind == "lines" else query.instant())
    return built


def spans(count: int) -> list[int]:
    """Divide the width among the panels of a row."""
    return [WIDTH // count] * (count - 1) + [WIDTH - WIDTH // count * (count - 1)]


def build(board: Board) -> str:
    """Return a dashboard as JSON."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["mcp"])
        .readonly()
        .refresh("10s")
        .time(board.since, "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("MCP")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["mcp"])
            .keep_time(True)
            .include_vars(True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .expr('ALERTS{alertstate="firing"}')
            .enable(True)
            .icon_color(RED)
        )
    )
    identity = 0
    for title, panels in board.rows:
        identity += 1
        made.with_row(dashboard.Row(title).id(identity))
        for panel, span in zip(panels, spans(len(panels)), strict=True):
            identity += 1
            made.with_panel(build_panel(panel, identity, span))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def main() -> None:
    """Write all dashboards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(build(board), encoding="utf-8")


if __name__ == "__main__":
    main()
