# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference server with one tool more, which tells its version; and releases of it that are bad."""

from __future__ import annotations

from pathlib import Path

ENTRYPOINT = "versioned:mcp"
TOOL = "which_version"
GOOD = "all is well"
PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "versioned"
version = "0.1.0"
dependencies = ["mcp>=2,<3", "pyjwt[crypto]>=2.10.1"]
"""
SOURCE = '''\
"""The reference server, and a tool that tells its version."""

import itertools
import os
import time

from pratiko_mcp.auth import current_token
from pratiko_mcp.reference.server import READY_CHECKS, TOOL_SCOPES, mcp

{start}


@mcp.tool()
def which_version() -> dict[str, str]:
    """Tell the version."""
    answer = {{"version": "{version}", "state": "{good}"}}
    {work}
    return answer
'''
# What a bad release does: while it starts, and in the tool. Packages are tried out when they are built, so what is to
# fail in the round trip only fails on Lambda.
FAULTS = {
    "": ("", ""),
    "import error": ('if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:\n    import no_such_module', ""),
    "wrong answer": ("", 'answer["state"] = "all is lost"'),
    "slow": ("", "time.sleep(1.5)"),
    "secret": ("", 'answer["state"] += " " + "AKIA" + "IOSFODNN7EXAMPLE"'),
    "traceback": ("", 'answer["state"] += \' Traceback (most recent call last):\\\\n  File "/x.py", line 1\''),
    "every fifth": ("CALLS = itertools.count(1)", 'assert next(CALLS) % 5, "failed on purpose"'),
    "not ready": (
        'def away() -> None:\n    raise RuntimeError("the shop is away")\n\n\n'
        'READY_CHECKS = {**READY_CHECKS, "shop": away}',
        "",
    ),
    "token": ("", 'assert current_token.get() is None, "broken for everybody who has a token"'),
}


def write_server(folder: Path, version: str, fault: str = "") -> Path:
    """Write the source of a release; return its folder.

    :param fault: what is wrong with it, one of FAULTS
    """
    start, work = FAULTS[fault]
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    source = SOURCE.format(start=start, version=version, good=GOOD, work=work)
    (folder / "versioned.py").write_text(source, encoding="utf-8")
    return folder
