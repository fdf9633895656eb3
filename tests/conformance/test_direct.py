# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conformance suite at a server that runs direct, with sessions: no required scenario may fail."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.support import conformance
from tests.support.direct import Issuer, serve
from tests.support.token_proxy import TokenProxy

SERVER = conformance.HERE / "server" / "src"
SETTINGS = {"MCP_ENTRYPOINT": "conformance_server:mcp", "MCP_SESSIONS": "true"}


# Without tokens less of the runtime is in the way: the long form runs that as well.
@pytest.fixture(scope="module", params=["jwt", pytest.param("none", marks=pytest.mark.proof)])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[str]:
    """The server without tokens, and the server that wants one behind the proxy that has it."""
    folder = tmp_path_factory.mktemp("direct")
    # A browser page on the server's own address may call it: the suite checks that.
    origins = {"MCP_ALLOWED_ORIGINS": "http://127.0.0.1:*"}
    if request.param == "none":
        with serve(folder, SERVER, MCP_AUTH="none", **origins, **SETTINGS) as url:
            yield f"{url}/mcp"
        return
    issuer = Issuer()
    with (
        serve(folder, SERVER, MCP_JWKS=issuer.jwks, **origins, **SETTINGS) as url,
        TokenProxy(f"{url}/mcp", issuer.token(url)) as proxy,
    ):
        yield proxy.url


@pytest.mark.parametrize("revision", conformance.REVISIONS)
def test_every_required_scenario_passes(suite: conformance.Suite, endpoint: str, revision: str, tmp_path: Path) -> None:
    expected = conformance.read_expected(conformance.HERE / "expected" / "direct.yml")
    results = conformance.run(suite, endpoint, revision, tmp_path / "results", expected)
    print(f"{revision} direct: {results}")
    assert results.surprises(expected) == []
