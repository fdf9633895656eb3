# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A local environment in the report: its part of the JSON, its lines of the summary, and a page for a browser."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import local_plan

HANDED_ON = ("dir", "runtime", "reason", "ports", "postgres_version", "reload", "source")
SERVICE = ("service", "action", "why", "planned", "changed")
LISTED = ("Backup", "Made", "Holds", "Why", "Complete")
DOCKER_ONLY = ("grafana",)
OPTIONAL = ("prometheus", "alertmanager", "postgres-exporter", "redis-exporter")
STYLE = """
:root{color-scheme:light dark;--line:#8884;--good:#197a3e;--bad:#b3261e;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--good:#6fd08f;--bad:#ff9a92;--warn:#f0c060}}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}td:first-child{white-space:nowrap}
.healthy{color:var(--good)}.critical,.unknown{color:var(--bad)}.warning{color:var(--warn)}
code{font-size:.9em;overflow-wrap:anywhere}
@media(max-width:40rem){.wide thead{display:none}.wide td{display:block;border:0;padding:.1rem .6rem}
.wide tr{display:block;padding:.35rem 0;border-bottom:1px solid var(--line)}
.wide td:empty{display:none}.wide td::before{content:attr(data-head) ": ";opacity:.7}}
"""

Report = dict[str, t.Any]


def local_part(deployment: dict[str, t.Any]) -> Report:
    """Return what the report says of a local environment; empty for one of another phase."""
    local = deployment.get("local")
    if not local:
        return {}
    found: Report = {"local": {key: local[key] for key in HANDED_ON if key in local}}
    found["local"]["services"] = {name: item["port"] for name, item in local.get("services", {}).items()}
    found["services"] = [{key: row.get(key) for key in SERVICE} for row in deployment.get("services", [])]
    found.update({key: deployment[key] for key in ("pages", "not_applicable", "degraded") if deployment.get(key)})
    # None at all is said too.
    return found | {key: deployment[key] for key in ("listed_backups",) if key in deployment}


def missing(report: Report) -> list[str]:
    """Name what the process runtime does without."""
    local = report["local"]
    if local["runtime"] != "process":
        return []
    absent = [name for name in OPTIONAL if name not in local["services"]]
    lines = ["Grafana, which the process runtime does not have"]
    return [*lines, *([f"not on PATH: {', '.join(absent)}; /metrics has the figures all the same"] if absent else [])]


def local_lines(report: Report) -> list[str]:
    """Return the lines of the summary that a local environment adds."""
    if "local" not in report:
        return []
    local = report["local"]
    lines = [f"runtime:   {local['runtime']}: {local['reason']}"]
    lines += local_plan.lines(report["services"])
    lines += [f"degraded:  {check['name']}: {check['reason']}" for check in report.get("degraded", [])]
    lines += [f"not here:  {item}" for item in missing(report)]
    if report.get("not_applicable"):
        lines.append(f"not applicable in phase local: {report['not_applicable']}")
    if report.get("endpoint") and local["reload"]:
        lines.append(f"reload:    a saved file in {local['source']} is served at once")
    lines += [f"page:      {url} ({name})" for name, url in report.get("pages", {}).items()]
    lines += backup_lines(report["listed_backups"]) if "listed_backups" in report else []
    return [*lines, f"folder:    {local['dir']}"]


def size_text(size: int) -> str:
    """Return a size as a person reads it."""
    units = ("bytes", "kB", "MB", "GB")
    power = min((len(str(size)) - 1) // 3, len(units) - 1)
    return f"{size / 1000**power:.{1 if power else 0}f} {units[power]}"


def holds(backup: dict[str, t.Any]) -> str:
    """Say how much is in a backup."""
    return f"{backup['rows']} rows, {backup['files']} files, {size_text(backup['bytes'])}"


def backup_lines(backups: list[dict[str, t.Any]]) -> list[str]:
    """Return a line for each backup: when, how much, why it was made, and whether it lacks something."""
    told = [f"  {row['time']}  {holds(row)}  {row['why']}" if row["time"] else "" for row in backups]
    lost = [f"  NOT COMPLETE: {row['problem']}" if row["problem"] else "" for row in backups]
    return [f"  {row['id']}{told[place]}{lost[place]}" for place, row in enumerate(backups)] or ["backups:   none"]


def table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[t.Any]]) -> str:
    """Return an HTML table; what is in it is escaped."""
    cells = "".join(f"<th scope=col>{escape(name)}</th>" for name in head)
    # Too wide for a telephone: there each value stands below the other, with its heading.
    wide = len(head) > 2
    heads = [f'<td data-head="{escape(name)}">' if wide else "<td>" for name in head]
    rows = [[f"{opening}{cell(value)}</td>" for opening, value in zip(heads, row, strict=True)] for row in rows]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    opening = "<table class=wide>" if wide else "<table>"
    return f"{opening}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>" if body else "<p>None.</p>"


def cell(value: t.Any) -> str:
    """Return one value as HTML; a status has its colour, an address is a link."""
    text = "" if value is None else str(value)
    if text in ("healthy", "warning", "critical", "unknown"):
        return f'<span class="{text}">{text}</span>'
    if text.startswith(("http://127.0.0.1", "https://")):
        return f'<a href="{escape(text)}">{escape(text)}</a>'
    return escape(text)


def facts(report: Report) -> list[tuple[str, t.Any]]:
    """Return what the page says first; what is not known is left out."""
    local, failure = report.get("local", {}), report.get("failure")
    found = [
        ("Result", f"failed at {failure.get('task')}: {failure.get('msg')}" if failure else "ok"),
        ("Endpoint", report.get("endpoint")),
        ("Health", report.get("health_url")),
        *((name.capitalize(), url) for name, url in report.get("pages", {}).items()),
        ("Release", (report.get("release") or {}).get("id")),
        ("Runtime", f"{local['runtime']}: {local['reason']}" if local else None),
        ("PostgreSQL", local.get("postgres_version")),
        ("Live source", local.get("source") if local.get("reload") else "no"),
        ("Folder", local.get("dir")),
        ("Token", report.get("token_file")),
        ("Began", report.get("started_at")),
        ("Took", f"{report.get('duration_s')} s"),
    ]
    return [fact for fact in found if fact[1] not in (None, "")]


def page(report: Report) -> str:
    """Return the report as a page that needs nothing but itself."""
    local, title = report.get("local", {}), f"{report.get('environment')} (local)"
    checks = [(item["check"], item["status"], (item.get("latency_ms") or {}).get("p50")) for item in report["health"]]
    services = [
        (row["service"], row["action"], row["why"], "yes" if row["changed"] else "no")
        for row in report.get("services", [])
    ]
    absent = "".join(f"<li>{escape(item)}</li>" for item in (missing(report) if local else []))
    backups = [(item["resource"], item["target"]) for item in report.get("backups", [])]
    listed = [
        (
            *(row["id"], row["time"], holds(row) if row["time"] else None, row["why"]),
            f"no: {row['problem']}" if row["problem"] else "yes",
        )
        for row in report.get("listed_backups", [])
    ]
    degraded = [(check["name"], check["reason"]) for check in report.get("degraded", [])]
    parts = [
        *([("Backups", table(("What", "Where"), backups))] if backups else []),
        *([("All backups", table(LISTED, listed))] if "listed_backups" in report else []),
        ("Checks", table(("Check", "Status", "Milliseconds"), checks)),
        *([("Degraded", table(("What", "Why"), degraded))] if degraded else []),
        ("Services", table(("Service", "Action", "Why", "Changed"), services)),
        ("Ports on 127.0.0.1", table(("Service", "Port"), list(local.get("services", {}).items()))),
        *([("Not here", f"<ul>{absent}</ul>")] if absent else []),
    ]
    body = "".join(f"<h2>{heading}</h2>{part}" for heading, part in parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f"{table(('Fact', 'Value'), facts(report))}{body}</main></body></html>\n"
    )
