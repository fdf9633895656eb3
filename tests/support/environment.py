# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person has who deploys: a checkout, a home, an emulated AWS; and the commands they type."""

from __future__ import annotations

import dataclasses
import json
import shutil
import typing as t
from pathlib import Path

from tests.support.emulated import TestSandbox
from tests.support.playbook import PlaybookRun, run_playbook

INVENTORIES = ("-i", "inventories/production", "-i", "inventories/sandbox")


@dataclasses.dataclass(frozen=True)
class Environment:
    """The environment ``production`` of one sandbox, seen from one checkout."""

    project: Path
    sandbox: TestSandbox
    home: Path

    def play(self, playbook: str, *arguments: str) -> PlaybookRun:
        """Run a playbook of the checkout with the production and sandbox inventories."""
        environment = {"SANDBOX_PORT": str(self.sandbox.port)}
        return run_playbook(playbook, *INVENTORIES, *arguments, home=self.home, cwd=self.project, env=environment)

    def deploy(self, *arguments: str) -> PlaybookRun:
        """Run ``deploy.yml``."""
        return self.play("deploy.yml", *arguments)

    def destroy(self, *arguments: str) -> PlaybookRun:
        """Run ``playbooks/destroy.yml``."""
        return self.play("playbooks/destroy.yml", *arguments)

    @property
    def reports(self) -> Path:
        """The folder of the environment's reports."""
        return self.project / "reports" / "sandbox-production"

    def report(self, name: str = "deployment") -> dict[str, t.Any]:
        """Return a report."""
        return json.loads((self.reports / f"{name}.json").read_text(encoding="utf-8"))

    @property
    def token(self) -> str:
        """The access token of the last run."""
        return str(json.loads((self.reports / "token.json").read_text(encoding="utf-8"))["access_token"])

    def copied_to(self, target: Path) -> Environment:
        """Return the same environment seen from a copy of the checkout, without what runs left in it."""
        shutil.copytree(self.project, target, symlinks=True, ignore=shutil.ignore_patterns("reports"))
        return dataclasses.replace(self, project=target)
