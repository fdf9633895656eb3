# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conformance suite through CDN, gateway and Lambda, at a server that is deployed by variables only."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.support import conformance
from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.emulated import TestSandbox
from tests.support.environment import Environment
from tests.support.token_proxy import TokenProxy

pytestmark = pytest.mark.e2e

VARIABLES = {
    "mcp_app_source": str(conformance.HERE / "server"),
    "mcp_app_entrypoint": "conformance_server:mcp",
    "mcp_verify_tool": "test_simple_text",
    # A browser page on the address that the suite calls may call it: the suite checks that.
    "mcp_allowed_origins": ["http://127.0.0.1:*"],
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, private_home: Path) -> t.Iterator[str]:
    """The deployed server, behind a proxy that has a token for it."""
    folder = tmp_path_factory.mktemp("gateway")
    project = copy_project(ROOT, folder / "project")
    link_collection(project)
    environment = Environment(project, TestSandbox(folder / "sandbox"), private_home)
    try:
        environment.sandbox.start()
        environment.deploy("-e", json.dumps(VARIABLES)).require()
        with TokenProxy(str(environment.report()["endpoint"]), environment.token) as proxy:
            yield proxy.url
    finally:
        environment.sandbox.stop()


@pytest.mark.parametrize("revision", conformance.REVISIONS)
def test_required_scenarios_pass(suite: conformance.Suite, endpoint: str, revision: str, tmp_path: Path) -> None:
    expected = conformance.read_expected(conformance.HERE / "expected" / f"gateway-{revision}.yml")
    results = conformance.run(suite, endpoint, revision, tmp_path / "results", expected)
    print(f"{revision} through the gateway: {results}")
    assert results.surprises(expected) == []
