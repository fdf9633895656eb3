# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers Grafana's health check once password, provisioning and data folder are as the real server wants them."""

from __future__ import annotations

import http.server
import os
import pathlib


class Handler(http.server.BaseHTTPRequestHandler):
    """``/api/health`` and nothing else."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def do_GET(self) -> None:
        """Answer."""
        self.do_HEAD()
        self.wfile.write(b'{"database": "ok", "version": "stand-in"}')


def main() -> None:
    """Fail at once where the real server would."""
    assert pathlib.Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text(encoding="utf-8").strip()
    assert [path for path in pathlib.Path("/etc/grafana/provisioning").rglob("*") if path.is_file()]
    (pathlib.Path("/var/lib/grafana") / "stand-in").write_text("", encoding="utf-8")
    http.server.ThreadingHTTPServer(("", 3000), Handler).serve_forever()


if __name__ == "__main__":
    main()
