# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run pip, and say what it answered in one sentence."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.context import McpError

UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Connection refused|Connection reset|Name or service not known|"
    r"Temporary failure in name resolution|nodename nor servname|ProxyError|SSLError|Max retries exceeded|"
    r"connection broken by|Failed to establish"
)
DEFAULT_INDEX = "https://pypi.org/simple"


class PipError(McpError):
    """pip refused; ``output`` is everything it said."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def _environment() -> dict[str, str]:
    # As variables, not options: so that the pip which pip starts for a build obeys them too.
    own = {"PIP_RETRIES": "2", "PIP_TIMEOUT": "15", "PIP_DEFAULT_TIMEOUT": "15", "PIP_USER": "0", "PIP_NO_INPUT": "1"}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off", "PIP_NO_WARN_SCRIPT_LOCATION": "1"}
    return {**os.environ, **own, **quiet}


def _redact(url: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", url)


def _run(arguments: list[str], python: str | None, extra: dict[str, str] | None = None) -> tuple[int, str]:
    chosen = ["--python", python] if python and os.path.abspath(python) != os.path.abspath(sys.executable) else []
    done = subprocess.run(
        [sys.executable, "-m", "pip", *chosen, *arguments],
        env={**_environment(), **(extra or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, _redact(done.stdout)


def index_url() -> str:
    """Return the package index that pip asks, without a password."""
    code, output = _run(["config", "get", "global.index-url"], None)
    configured = output.strip().splitlines()[-1] if code == 0 and output.strip() else DEFAULT_INDEX
    return _redact(os.environ.get("PIP_INDEX_URL") or configured)


def last_errors(output: str) -> str:
    """Return pip's own last words, without warnings and hints."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|error|fatal|[A-Za-z.]*Error):", line)]
    return " ".join(errors[-3:] or lines[-3:])


def conflict(output: str) -> str:
    """Return what pip says about requirements that exclude each other, the first few."""
    found = re.search(r"(?m)^The conflict is caused by:\n((?:[ \t]+\S.*\n)+)", output)
    lines = [re.sub(r" \(from .*", "", line.strip()) for line in found.group(1).splitlines()] if found else []
    return "; ".join(list(dict.fromkeys(lines))[:4])


def explain(doing: str, output: str) -> McpError:
    """Return the error to raise when pip failed at ``doing``."""
    if re.search(r"No module named pip\b", output):
        return McpError(f"{sys.executable} has no pip. Type: {sys.executable} -m ensurepip")
    if UNREACHABLE.search(output):
        index = index_url()
        return McpError(
            f"The package index {index} cannot be reached, so pip could not {doing}. Check the network and the proxy "
            f"with: {sys.executable} -m pip download --no-deps --dest /tmp pip   Another index is set with: "
            "export PIP_INDEX_URL=https://<index>/simple",
            variable="PIP_INDEX_URL",
            value=index,
        )
    hint = ""
    if "No matching distribution found" in output:
        hint = " Only wheels are installed: name a version in the server's pyproject.toml that has one for this target."
    clash = conflict(output)
    reason = f"these exclude each other: {clash}" if clash else last_errors(output)
    return PipError(f"pip could not {doing}: {reason}{hint}", output)


def pip(doing: str, arguments: list[str], python: str | None = None, extra: dict[str, str] | None = None) -> str:
    """Run one pip command and return what it printed.

    :param doing: completes "pip could not ..."
    :param python: the interpreter to install for (None: this one)
    :raises McpError: the index cannot be reached
    :raises PipError: anything else
    """
    code, output = _run(arguments, python, extra)
    if code:
        raise explain(doing, output)
    return output


def newest_version(requirement: str) -> str | None:
    """Ask the index for the newest version of a project; None when it does not say."""
    name = requirement.partition("[")[0]
    code, output = _run(["index", "versions", name], None)
    found = re.search(rf"^{re.escape(name)} \(([^)]+)\)", output, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if code == 0 and found else None


def only_file(folder: pathlib.Path) -> pathlib.Path:
    """Return the wheel that pip put into a new folder."""
    (wheel,) = folder.glob("*.whl")
    return wheel
