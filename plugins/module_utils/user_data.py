# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that makes a server of an instance: an earlier release's, with the addresses of today."""

from __future__ import annotations

import re

# The block of the settings in roles/staging/templates/user-data.sh.j2, and one line of it.
SETTINGS = re.compile(
    r"(?P<head># >>> file /etc/mcp/server\.env\n[^\n]*<<'MCP_FILE'\n)(?P<lines>.*?)(?P<tail>^MCP_FILE$)",
    re.DOTALL | re.MULTILINE,
)
NAME = re.compile(r"[A-Z][A-Z0-9_]*(?==)")
SPECIAL = re.compile(r'([\\"$`])')


def setting_line(name: str, value: str) -> str:
    """Return a setting as both systemd and the shell read it."""
    escaped = SPECIAL.sub(r"\\\1", value)
    return f'{name}="{escaped}"'


def of_today(text: str, addresses: dict[str, str]) -> str:
    """Return user data with other values of some settings; one without a value leaves it.

    :param text: user data of an earlier release
    :param addresses: settings by name; an empty one is none
    """
    found = SETTINGS.search(text)
    if found is None:
        return text
    lines = [line for line in found["lines"].splitlines() if line]
    kept = [line for line in lines if (name := NAME.match(line)) is None or name[0] not in addresses]
    new = [setting_line(name, str(value)) for name, value in addresses.items() if value not in ("", None)]
    block = "".join(f"{line}\n" for line in sorted(kept + new))
    return text[: found.start("lines")] + block + text[found.end("lines") :]
