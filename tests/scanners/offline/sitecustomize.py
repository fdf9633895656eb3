# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On PYTHONPATH: a Python program that looks up or calls another host is written down and refused."""

from __future__ import annotations

import os
import sys

# Lower than Python's own functions: no library gets round them.
CALLS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto")


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event not in CALLS:
        return
    address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
    if event == "socket.connect" and isinstance(address, (str, bytes)):
        return  # a socket in the file system
    with open(os.environ["OFFLINE_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{event} {address!r}\n")
    raise OSError(f"offline: {event} {address!r}")


sys.addaudithook(_refuse)
