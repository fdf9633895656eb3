# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at three environments, as the module health hands them on, for tests of the report."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime, timedelta

NOW = "2026-11-23T07:00:00Z"
Row = dict[str, t.Any]
STEPS = {
    "database": "aws rds start-db-instance --db-instance-identifier mcp-staging --region eu-south-1",
    "alarms": "aws cloudwatch describe-alarms --alarm-name-prefix mcp-production- --state-value ALARM",
}
LOCAL = ("mcp", "health", "ready", "postgres", "redis", "s3", "prometheus", "alertmanager", "grafana")
AWS = ("mcp", "health", "stack foundation", "stack data", "stack app", "overrides", "alarms", "certificate", "tls")
STAGING = (*AWS, "servers", "targets", "database", "database storage", "database connections", "backup", "aws health")
PRODUCTION = (*AWS, "table", "backup", "distribution", "traffic errors", "traffic latency", "secret origin", "spend")
LONG = (
    "GET https://mcp-staging-1234567890.eu-south-1.elb.amazonaws.com/health: HTTP 503 Service Unavailable, wanted 200; "
    "the body begins with <html><head><title>503 Service Temporarily Unavailable</title></head><body><center>"
)


def before(minutes: float) -> str:
    """Return the time so many minutes before now."""
    then = datetime.fromisoformat(NOW).astimezone(UTC) - timedelta(minutes=minutes)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def result(check: str, status: str = "healthy", **more: t.Any) -> Row:
    """Return what one check has seen."""
    timed = check in ("mcp", "health", "ready", "postgres", "redis") and status != "unknown"
    return {
        "environment": "ignored",
        "check": check,
        "kind": check,
        "status": status,
        "latency_ms": {"p50": 11.5, "p95": 14.2} if timed else None,
        "evidence": f"{check} is as it should be; nothing else was seen",
        "since": NOW,
        "next_step": "" if status == "healthy" else STEPS.get(check, f"curl -i http://127.0.0.1:8000/{check}"),
        **more,
    }


def history(checks: t.Sequence[str], runs: int = 50, bad: str = "") -> Row:
    """Return the document of earlier runs, every ten minutes; one check was bad now and then."""
    turns = ("healthy", "warning", "critical", "unknown")
    past = [
        {
            "at": before(10 * (runs - place)),
            "statuses": {check: turns[place // 5 % 4] if check == bad else "healthy" for check in checks},
        }
        for place in range(runs)
    ]
    since = {check: {"status": "healthy", "since": before(30000)} for check in checks if check != bad}
    return {"format": 1, "runs": past, "since": since}


def part(environment: str, results: list[Row], **more: t.Any) -> Row:
    """Return what was found out of an environment, as the module's options have it."""
    return {
        "environment": environment,
        "phase": environment,
        "region": "" if environment == "local" else "us-east-1",
        "account": "",
        "sandbox": False,
        "checked": True,
        "results": results,
        "failure": "",
        "previous": {},
        **more,
    }


def three(runs: int = 50) -> list[Row]:
    """Return three environments with everything in them."""
    local = [result(check) for check in LOCAL]
    local[3] = result("postgres", "warning", evidence="connections: 82 of 100 used (82 %), over connections_percent=80")
    staging = [result(check) for check in STAGING]
    places = {check: place for place, check in enumerate(STAGING)}
    staging[places["health"]] = result("health", "critical", evidence=LONG)
    staging[places["database"]] = result("database", "critical", evidence="mcp-staging is stopped", since=before(95))
    staging[places["aws health"]] = result(
        "aws health", "unknown", evidence="AWS Health answers only with a Business support plan"
    )
    production = [result(check) for check in PRODUCTION]
    places = {check: place for place, check in enumerate(PRODUCTION)}
    for check in ("traffic errors", "traffic latency"):
        said = "12 calls in 60 minutes, fewer than 100: not judged"
        production[places[check]] = result(check, "unknown", evidence=said, next_step="ansible-playbook deploy.yml")
    production[places["certificate"]] = result("certificate", "warning", evidence="29 days left of *.example.com")
    return [
        part("local", local, previous=history(LOCAL, runs, "redis")),
        part("staging", staging, previous=history(STAGING, runs, "database")),
        part("production", production, previous=history(PRODUCTION, runs, "mcp"), region="eu-south-1", sandbox=True),
    ]
