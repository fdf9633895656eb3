# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read out of the staging phase's user data what a stand-in for its instance has to do; the script is not run."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import shlex
from pathlib import Path

# Assignments at its top that have to be there; DEADLINE and READY_SECONDS may.
OPTIONAL = {"DEADLINE": "840", "READY_SECONDS": "300"}
NAMES = ("RELEASE", "REGION", "PACKAGE_BUCKET", "PACKAGE_KEY", "PACKAGE_SHA256", "PYTHON", "PORT", "HOOK", "GROUP")
ENVIRONMENT = "/etc/mcp/server.env"
UNIT = "/etc/systemd/system/mcp-server.service"
AGENT = "/opt/aws/amazon-cloudwatch-agent/etc/mcp.json"
# What the script runs as the server: the release's Python with the server's settings.
RUN = "mcp-run"
# Folders of an instance that are folders in the stand-in's own.
FOLDERS = ("/opt/mcp", "/etc/mcp", "/var/log/mcp", "/var/lib/mcp", "/run/mcp", "/usr/local/bin/mcp-run")


class Unreadable(ValueError):
    """This is no user data of the staging phase."""


@dataclasses.dataclass(frozen=True)
class Script:
    """What the user data says.

    :param values: the assignments at its top
    :param files: content by path
    :param commands: arguments of Python, in their order, that are run before the server starts
    """

    values: dict[str, str]
    files: dict[str, str]
    commands: list[list[str]]

    @property
    def environment(self) -> dict[str, str]:
        """The server's settings, with what its unit adds."""
        added = [word for line in self.unit.get("Environment", []) for word in shlex.split(line)]
        pairs = [word.partition("=") for word in added]
        return {**settings_in(self.files.get(ENVIRONMENT, "")), **{name: value for name, _, value in pairs}}

    @property
    def unit(self) -> dict[str, list[str]]:
        """The unit's settings; those that may come more than once as lists."""
        found: dict[str, list[str]] = {}
        for line in self.files.get(UNIT, "").splitlines():
            name, given, value = line.partition("=")
            if given and re.fullmatch(r"[A-Za-z]+", name):
                found.setdefault(name, []).append(value)
        return found

    @property
    def allowed_host(self) -> str:
        """A Host that the server answers to."""
        settings = self.environment
        hosts = settings.get("MCP_ALLOWED_HOSTS") or settings.get("MCP_PUBLIC_URL", "").partition("://")[2]
        return hosts.partition(",")[0].removesuffix(":*")

    @property
    def log_group(self) -> str:
        """The log group that the agent would write to."""
        try:
            files = json.loads(self.files[AGENT])["logs"]["logs_collected"]["files"]["collect_list"]
            return str(files[0]["log_group_name"])
        except (KeyError, ValueError, IndexError, TypeError):
            return ""

    @property
    def server(self) -> list[str]:
        """Arguments of Python in the unit's ExecStart.

        :raises Unreadable: there is no such line
        """
        line = (self.unit.get("ExecStart") or [""])[-1]
        program, *arguments = shlex.split(line) or [""]
        if program != self.values["PYTHON"]:
            raise Unreadable(f"ExecStart of {UNIT} is '{line}': it must begin with {self.values['PYTHON']}")
        return arguments


def text_of(encoded: str) -> str:
    """Return a launch template's UserData, which is base64, as text."""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return encoded


def settings_in(content: str) -> dict[str, str]:
    """Return the settings of an environment file: NAME="value", with a backslash before what is special in quotes."""
    found = re.finditer(r'^(\w+)="((?:[^"\\]|\\.)*)"$', content, re.MULTILINE)
    return {item.group(1): re.sub(r'\\([\\"$`])', r"\1", item.group(2)) for item in found}


def is_known(text: str) -> bool:
    """Tell whether this is user data of the staging phase."""
    return all(re.search(rf"^{name}=", text, re.MULTILINE) for name in NAMES)


def parse(text: str) -> Script:
    """Read the user data.

    :raises Unreadable: it is none of the staging phase
    """
    values = dict(OPTIONAL)
    for name in (*NAMES, *OPTIONAL):
        found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
        if not found and name in OPTIONAL:
            continue
        if not found:
            raise Unreadable(f"there is no line that begins with {name}=")
        values[name] = "".join(shlex.split(found.group(1)))
    block = r"^# >>> file (\S+)\n(?:.*\n)*?cat >\s*\S+ <<'(\w+)'\n((?:.*\n)*?)\2\n(?:.*\n)*?# <<< file"
    files = {found.group(1): found.group(3) for found in re.finditer(block, text, re.MULTILINE)}
    if ENVIRONMENT not in files or UNIT not in files:
        raise Unreadable(f"the files {ENVIRONMENT} and {UNIT} are not in it")
    run = re.finditer(r"^# >>> run \w+\n((?:.*\n)*?)# <<< run", text, re.MULTILINE)
    lines = [line.strip() for found in run for line in found.group(1).splitlines() if f"{RUN} " in line]
    commands = [shlex.split(line.partition(f"{RUN} ")[2]) for line in lines]
    return Script(values, files, commands)


def moved(text: str, root: Path, python: str, interpreter: str) -> str:
    """Return a text in which the folders and the Python of an instance are those of its stand-in."""
    folders = "|".join(re.escape(folder) for folder in FOLDERS)
    there = re.sub(rf"(?<![\w./-])({folders})(?=[/\s'\":;]|$)", lambda found: f"{root}{found.group(1)}", text)
    return re.sub(rf"(?<![\w./-]){re.escape(python)}(?=[\s'\"]|$)", lambda _: interpreter, there)
