# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that this project did not write, from the package index, deployed unchanged by variables only."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mcp import Client
from mcp.types import TextContent

from tests.support.checkout import ROOT, copy_project, link_collection
from tests.support.client import MODERN, with_client
from tests.support.emulated import TestSandbox
from tests.support.world import World

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Foreign:
    """One server of somebody else's.

    :param pins: what its loose requirements resolved to when this was written
    :param server: what the package says of it; no eras where nobody knows before it runs
    :param tools: some of its tools; the first is called with ``arguments``
    :param answer: what the text of the result contains
    :param variables: what else its deployment sets
    """

    source: str
    entrypoint: str
    pins: tuple[str, ...]
    server: dict[str, t.Any]
    tools: tuple[str, ...]
    arguments: dict[str, t.Any]
    answer: str
    degraded: tuple[str, ...] = ()
    variables: dict[str, t.Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the environment's name."""
        return self.source.partition("==")[0]

    @property
    def options(self) -> tuple[str, ...]:
        """Return what is typed to deploy it."""
        variables = {
            "mcp_app_source": self.source,
            "mcp_app_entrypoint": self.entrypoint,
            "mcp_verify_tool": self.tools[0],
            "mcp_verify_arguments": self.arguments,
            **self.variables,
        }
        return "-e", json.dumps(variables)


BOTH = ["session", "stateless"]
SDK_2 = Foreign(
    source="mcp-validation-server==0.1.0",
    entrypoint="mcp_validation_server.server:mcp",
    pins=("mcp==2.3.0",),
    server={"kind": "MCPServer", "sdk": "mcp", "sdk_version": "2.3.0", "eras": BOTH},
    tools=("count_distinct", "duplicate_report", "reconcile", "validate_rows"),
    arguments={"rows": [{"id": "a"}, {"id": "b"}, {"id": "a"}], "key": "id"},
    answer='"distinct_count": 2',
)
SDK_1 = Foreign(
    source="mcp-server-calculator==0.2.1",
    entrypoint="mcp_server_calculator.calculator:mcp",
    pins=("mcp==1.30.0",),
    server={"kind": "FastMCP", "sdk": "mcp", "sdk_version": "1.30.0", "eras": ["session"]},
    tools=("calculate",),
    arguments={"expression": "6 * 7"},
    answer="42",
    degraded=("the server stands on mcp 1.30.0, which does not speak MCP 2026-07-28",),
)
FASTMCP = Foreign(
    source="math-mcp-learning-server==0.10.3",
    entrypoint="math_mcp.server:mcp",
    pins=("fastmcp==4.1.2", "mcp==2.3.0"),
    server={"kind": "fastmcp", "sdk": "mcp", "sdk_version": "2.3.0", "eras": BOTH},
    tools=("calculate", "convert_units", "statistics"),
    arguments={"expression": "6 * 7"},
    answer="42",
)
# FastAPI without any SDK; it makes a folder when it starts, which Lambda allows under /tmp only.
ASGI = Foreign(
    source="ai-protocol-mock==1.1.1",
    entrypoint="ai_protocol_mock.main:app",
    pins=("fastapi==0.165.0", "starlette==1.10.0"),
    server={"kind": "ASGI", "sdk": None, "sdk_version": None, "eras": None},
    tools=("read_file", "search"),
    arguments={"path": "notes.txt"},
    answer="Mock result for read_file with args {'path': 'notes.txt'}",
    degraded=("the server is a plain ASGI application",),
    variables={"mcp_app_environment": {"MANIFEST_DIR": "SCRATCH/manifests"}},
)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(ASGI, id="asgi"),
        pytest.param(SDK_2, id="sdk-2", marks=pytest.mark.proof),
        pytest.param(SDK_1, id="sdk-1", marks=pytest.mark.proof),
        pytest.param(FASTMCP, id="fastmcp", marks=pytest.mark.proof),
    ],
)
def test_foreign_server_answers_through_the_endpoint(sandbox: TestSandbox, tmp_path: Path, foreign: Foreign) -> None:
    project = copy_project(ROOT, tmp_path / "project")
    link_collection(project)
    world = World(sandbox, project, tmp_path, tmp_path / "packages", foreign.name)
    pins = tmp_path / "pins.txt"
    pins.write_text("\n".join(foreign.pins))
    options = [option.replace("SCRATCH", str(tmp_path)) for option in foreign.options]
    run = world.run(*options, env={"PIP_CONSTRAINT": str(pins)}).require()

    report = world.report()
    assert report["release"]["server"] == foreign.server
    for said, expected in zip(report["release"]["degraded"], foreign.degraded, strict=True):
        assert said.startswith(expected) and said in run.output
    # Its start makes the folder that a variable names.
    assert (tmp_path / "manifests").is_dir() is (foreign is ASGI)
    token = json.loads(Path(report["token_file"]).read_text(encoding="utf-8"))["access_token"]
    for mode in (MODERN, "legacy") if foreign.server["eras"] == BOTH else ("legacy", "auto"):
        listed, text = with_client(report["endpoint"], token, lambda client: use(client, foreign), mode)
        assert set(foreign.tools) <= listed, mode
        assert foreign.answer in text, mode


async def use(client: Client, foreign: Foreign) -> tuple[set[str], str]:
    """Return the names of the tools and the text that the first one answers."""
    listed = {tool.name for tool in (await client.list_tools()).tools}
    result = await client.call_tool(foreign.tools[0], foreign.arguments)
    assert not result.is_error, result.content
    return listed, "".join(part.text for part in result.content if isinstance(part, TextContent))
