# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's package as the collection builds it, unpacked, with the measured servers beside it."""

from __future__ import annotations

import json
import shutil
import time
import typing as t
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import _make_collection_importable
from tests.support.checkout import ROOT
from tests.support.emulated import emulator_venv

SERVERS = Path(__file__).parent / "servers"
ENTRYPOINT = "one_tool:mcp"
HOST = "mcp.example.com"
PUBLIC_URL = f"https://{HOST}"
PROTOCOL = "2026-07-28"


def interpreter() -> str:
    """Return an interpreter that has boto3 and nothing of ours, as Lambda's runtime is."""
    return str(emulator_venv() / "bin" / "python")


def build_package(work: Path) -> Path:
    """Build the package of app/ with bytecode, the measured servers in it; return its folder."""
    _make_collection_importable()
    from ansible_collections.pratikoai.mcp_servers.plugins.module_utils import (
        package_install,
        package_source,
        package_target,
        package_tree,
    )

    root, python = str(ROOT / "app"), interpreter()
    target = package_target.resolve_target("sandbox", python, "3.13")
    source = package_source.parse_source(root)
    cache = work / "releases" / "bench"
    build = package_install.Build(source, ENTRYPOINT, root, "bench", cache, 250 * 2**20, {}, python, lambda _line: None)
    parts = package_install.unpacked(build, target, work)
    site = shutil.copytree(parts.app, shutil.copytree(parts.dependencies, work / "site"), dirs_exist_ok=True)
    for path in SERVERS.glob("*.py"):
        shutil.copy(path, site)
    package_tree.compile_all(site, python)
    return site


class Issuer:
    """A key pair, its published half and tokens."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.jwks = json.dumps({"keys": [{**public, "kid": "1", "alg": "ES256", "use": "sig"}]})

    def token(self) -> str:
        """Return a token for an hour."""
        claims: dict[str, t.Any] = {"iss": PUBLIC_URL, "aud": PUBLIC_URL + "/mcp", "sub": "alice", "client_id": "bench"}
        claims |= {"exp": int(time.time()) + 3600, "scope": "documents:read"}
        return jwt.encode(claims, self._key, "ES256", headers={"kid": "1"})


def tool_call(token: str, name: str, **arguments: t.Any) -> tuple[dict[str, str], str]:
    """Return headers and body of one call of a tool."""
    headers = {
        "Host": HOST,
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": PROTOCOL,
        "Mcp-Method": "tools/call",
        "Mcp-Name": name,
    }
    meta = {
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
