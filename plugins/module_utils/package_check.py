# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import the entrypoint of an unpacked package, alone with what Lambda's runtime has, and ask what it is."""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import tempfile
import typing as t

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

SECONDS = 120
LAMBDA_HAS = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
ALLOWED = "Allowed: package.module:object, where the object is an MCPServer, a FastMCP or an ASGI application"
# Runs in the package's interpreter without site-packages (a forgotten dependency must not be found elsewhere)
# and writes no bytecode (it would be of the kind that goes stale). What an object is made with has been imported
# with it, so the loaded classes tell its kind and the loaded SDK which revisions of the protocol it speaks.
PROGRAM = """
import importlib, importlib.metadata, inspect, json, sys
sys.path[:0] = sys.argv[3:]
import pratiko_mcp
module, _, names = sys.argv[1].partition(":")
value = importlib.import_module(module)
for name in names.split("."):
    value = getattr(value, name)
def is_a(module, name):
    kind = getattr(sys.modules.get(module), name, None)
    return inspect.isclass(kind) and isinstance(value, kind)
def takes_three():
    try:
        inspect.signature(value).bind("scope", "receive", "send")
    except TypeError:
        return False
    return True
def eras():
    new, old = (sys.modules.get(name) for name in ("mcp_types.version", "mcp.shared.version"))
    if new is None:
        return ["session"] if old else None
    names = {"session": "HANDSHAKE_PROTOCOL_VERSIONS", "stateless": "MODERN_PROTOCOL_VERSIONS"}
    return [era for era, name in names.items() if getattr(new, name, None)] or None
known = {"mcp.server.mcpserver": "MCPServer", "mcp.server.fastmcp": "FastMCP", "fastmcp": "FastMCP"}
module = next((module for module, name in known.items() if is_a(module, name)), None)
server, fits = {"kind": "other", "sdk": None, "sdk_version": None, "eras": None}, not inspect.isclass(value)
if module:
    version = next((found.version for found in importlib.metadata.distributions(name="mcp")), None)
    kind = "fastmcp" if module == "fastmcp" else known[module]
    server = {"kind": kind, "sdk": "mcp", "sdk_version": version, "eras": eras()}
elif not any(hasattr(value, name) for name in ("streamable_http_app", "http_app")):
    server["kind"], fits = "ASGI", fits and callable(value) and takes_three()
with open(sys.argv[2], "w") as stream:
    json.dump({"fits": fits, "type": type(value).__module__ + "." + type(value).__qualname__, "server": server}, stream)
"""


def bad_entrypoint(entrypoint: str, problem: str) -> McpError:
    """Return the error for an entrypoint that cannot be served."""
    return McpError(
        f"mcp_app_entrypoint is {entrypoint!r}: {problem}. {ALLOWED}. Then run the same command again.",
        variable="mcp_app_entrypoint",
        value=entrypoint,
    )


def check_form(entrypoint: str) -> None:
    """Refuse an entrypoint that is not ``package.module:object``.

    :raises McpError: it is not
    """
    if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*(\.\w+)*", entrypoint):
        raise bad_entrypoint(entrypoint, "this does not have the form package.module:object")


def lend_lambda_libraries(folder: pathlib.Path) -> None:
    """Link what Lambda's runtime ships from this interpreter into a folder (pure Python, any version reads it)."""
    for name in LAMBDA_HAS:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            origin = pathlib.Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (folder / source.name).symlink_to(source)


def _environment(home: str, extra: dict[str, str]) -> dict[str, str]:
    """Return what the server sees while it is tried: no credentials, no way to AWS."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "MCP_ENVIRONMENT": "check",
        "MCP_TABLE": "check",
        "MCP_BUCKET": "check",
        **extra,
    }


def _last_line(text: str) -> str:
    """Return the error a traceback ends with."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)?\b:?", line)]
    return (errors or lines or ["the interpreter ended without a word"])[-1].strip()


def shortcomings(server: dict[str, t.Any] | None) -> list[str]:
    """Say what a server of this kind cannot do, or what nobody knows of it before it runs."""
    if server is None or server["eras"] == ["session", "stateless"]:
        return []
    if server["eras"]:
        return [
            f"the server stands on mcp {server['sdk_version']}, which does not speak MCP 2026-07-28: clients "
            "fall back to the handshake of the revisions before, in which, without sessions as on Lambda, tools cannot "
            "ask the client (sampling, elicitation)"
        ]
    what = "a plain ASGI application" if server["kind"] == "ASGI" else "of no known SDK"
    return [
        f"the server is {what}: which revisions of MCP it speaks shows only when it runs (the verification names the "
        "one it was answered in)"
    ]


def check_entrypoint(
    site: pathlib.Path, python: str, entrypoint: str, extra: dict[str, str], *further: pathlib.Path
) -> dict[str, t.Any]:
    """Import the entrypoint and return what kind of server its object is, by ``kind, sdk, sdk_version, eras``.

    :param extra: environment variables that the server wants at import
    :param further: folders that are looked into after ``site``
    :raises McpError: it does not import, or is nothing that can be served
    """
    with tempfile.TemporaryDirectory(prefix="mcp-check-") as folder:
        lent, answer = pathlib.Path(folder, "lambda"), pathlib.Path(folder, "answer.json")
        lent.mkdir()
        lend_lambda_libraries(lent)
        path = map(str, (site, *further, lent))
        try:
            done = subprocess.run(
                [python, "-I", "-S", "-B", "-c", PROGRAM, entrypoint, str(answer), *path],
                env=_environment(folder, extra), cwd=folder, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise bad_entrypoint(entrypoint, f"importing it took more than {SECONDS} seconds") from error
        if done.returncode or not answer.exists():
            raise bad_entrypoint(entrypoint, f"it does not import: {_last_line(done.stderr)}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    if not found["fits"]:
        raise bad_entrypoint(entrypoint, f"it is of type {found['type']}")
    return dict(found["server"])
