# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find in a server's answer what must never leave it, and keep it out of what is told about the answer."""

from __future__ import annotations

import re

# By pattern only: the values of the environment's secrets are not known to a probe.
PATTERNS = {
    "a Python traceback": re.compile(
        r'Traceback \(most recent call last\)|File \\*"[^"\\\n]+\.py\\*", line \d+', re.ASCII
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*", re.DOTALL),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a JWT": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?", re.ASCII),
    # A challenge (Bearer resource_metadata="...") is shorter and no token.
    "a bearer token": re.compile(r"\b[Bb]earer\s+[\w.~+/-]{24,}=*", re.ASCII),
}
SECRET = tuple(name for name in PATTERNS if name != "a Python traceback")


def find_leak(text: str, token: str | None = None) -> str | None:
    """Name what a text gives away, without repeating it; None where it gives nothing away.

    :param token: the token that the server was called with
    """
    if token and token in text:
        return "the token that it was called with"
    return next((name for name, pattern in PATTERNS.items() if pattern.search(text)), None)


def redact(text: str, token: str | None = None) -> str:
    """Return a text with every secret replaced by its kind; a traceback stays, because it says what is wrong."""
    if token:
        text = text.replace(token, "<token>")
    for name in SECRET:
        text = PATTERNS[name].sub(f"<{name.split(' ', 1)[1]}>", text)
    return text
