# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the health report of several environments: JSON, a page for a browser, and a table."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import health_report_runs as runs
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import Context, McpError
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_data import build
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_page import page
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_report_table import lines
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.report import write_json, write_text

ENVIRONMENT: dict[str, t.Any] = {
    "environment": {"type": "str", "required": True},
    "phase": {"type": "str"},
    "region": {"type": "str"},
    "account": {"type": "str"},
    "sandbox": {"type": "bool", "default": False},
    "checked": {"type": "bool", "default": True},
    "results": {"type": "list", "elements": "dict", "default": []},
    "failure": {"type": "str"},
    "previous": {"type": "dict"},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "directory": {"type": "path", "required": True},
    "name": {"type": "str", "default": "health"},
    "copy_directory": {"type": "path"},
}


def clock() -> datetime.datetime:
    """Return the time; tests stop it."""
    return datetime.datetime.now(datetime.UTC)


def refuse_twice(parts: list[runs.Row]) -> None:
    """:raises McpError: two environments have one name"""
    names = [part["environment"] for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise McpError(
                f"environments has '{name}' twice: each name is allowed once, because it stands for one column of the "
                "report. Rename one host of the inventories, and run the same command again."
            )


def page_of(ctx: Context) -> Path:
    """Return where the page is."""
    return Path(ctx.params["directory"]) / f"{ctx.params['name']}.html"


def before(part: runs.Row, directory: Path, now: str) -> runs.Row:
    """Return the runs before: those of the state, and those that only this machine knows."""
    path = runs.copy_path(directory, part["environment"], part["sandbox"])
    return runs.together(runs.usable(part["previous"], now), runs.read_copy(path, now))


def write_copies(ctx: Context, report: runs.Row, table: list[str]) -> None:
    """Write the same JSON and the table where a script waits for them, the number it ends with last."""
    folder = Path(ctx.params["copy_directory"])
    write_json(folder / "health.json", report)
    write_text(folder / "health.txt", "\n".join(table) + "\n")
    write_text(folder / "exit-status", f"{report['exit_status']}\n")


def write(ctx: Context, path: Path, report: runs.Row, documents: dict[str, runs.Row], table: list[str]) -> None:
    """Write everything.

    :raises McpError: a file cannot be written
    """
    copies = ctx.params["copy_directory"]
    try:
        if copies:  # first: whoever waits for them is told how it is also where the folder of reports is full
            write_copies(ctx, report, table)
        write_json(path, report)
        write_text(page_of(ctx), page(report))
        for part in ctx.params["environments"]:
            copy = runs.copy_path(path.parent, part["environment"], part["sandbox"])
            write_json(copy, documents[part["environment"]])
        if copies:
            write_text(Path(copies) / "page", f"{page_of(ctx)}\n")
    except OSError as error:
        raise McpError(
            f"mcp_report_dir: {error.filename or path} cannot be written: {error.strerror or error}. Choose another "
            "folder: -e mcp_report_dir=...",
            report=report,
        ) from error


def run(ctx: Context) -> dict[str, t.Any]:
    """Build the report, write it, and show it.

    :raises McpError: it cannot be written
    """
    parts = ctx.params["environments"]
    refuse_twice(parts)
    path = Path(ctx.params["directory"]) / f"{ctx.params['name']}.json"
    now = clock().strftime(runs.TIME)
    previous = {part["environment"]: before(part, path.parent, now) for part in parts}
    report, documents = build(parts, previous, now)
    table = lines(report)
    for line in table:
        ctx.progress(line)
    if not ctx.check_mode:
        write(ctx, path, report, documents, table)
        ctx.progress(f"page: {page_of(ctx)}")
    return {"changed": False, "report": report, "path": str(path), "page": str(page_of(ctx)), "runs": documents}
