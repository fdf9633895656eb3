# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a stand-in's server what the user data asks: whether /ready answers with the release's id."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

TIMEOUT = 5
LONGEST = 2000


def problem(port: int, host: str, release: str) -> str:
    """Return why the server is not ready; empty: it is.

    :param host: a Host that it answers to
    """
    request = urllib.request.Request(f"http://127.0.0.1:{port}/ready", headers={"Host": host} if host else {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=TIMEOUT) as answer:
            said = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(LONGEST).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    wanted = {"release": release, "status": "ready"}
    return "" if isinstance(said, dict) and wanted.items() <= said.items() else f"it says {said}"
