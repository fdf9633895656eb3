# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment ``staging`` of one sandbox, as a person who deploys it has it."""

from __future__ import annotations

import dataclasses
import json
import ssl
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.client import result_of, with_client
from tests.support.environment import Environment
from tests.support.playbook import PlaybookRun, run_playbook

INVENTORIES = ("-i", "inventories/staging", "-i", "inventories/sandbox")


@dataclasses.dataclass(frozen=True)
class Staging(Environment):
    """The environment ``staging``, seen from one checkout."""

    def play(self, playbook: str, *arguments: str) -> PlaybookRun:
        """Run a playbook of the checkout with the staging and sandbox inventories."""
        environment = {"SANDBOX_PORT": str(self.sandbox.port)}
        return run_playbook(playbook, *INVENTORIES, *arguments, home=self.home, cwd=self.project, env=environment)

    @property
    def reports(self) -> Path:
        """The folder of the environment's reports."""
        return self.project / "reports" / "sandbox-staging"

    @property
    def tls(self) -> ssl.SSLContext:
        """What trusts the certificate that clients are handed."""
        return ssl.create_default_context(cafile=str(self.reports / "ca.pem"))

    def call(self, tool: str, **arguments: t.Any) -> dict[str, t.Any]:
        """Call a tool by the official client, through the load balancer."""
        endpoint = str(self.report()["endpoint"])
        return with_client(endpoint, self.token, lambda client: result_of(client, tool, **arguments), tls=self.tls)

    def ask(self, url: str, method: str = "GET", **headers: str) -> tuple[int, t.Any]:
        """Call over TLS, checked by the certificate that clients are handed; return status and body."""
        request = urllib.request.Request(url, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
