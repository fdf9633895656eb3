# SPDX-License-Identifier: MIT
"""Finding, recognising and building what MCP_ENTRYPOINT names."""

from __future__ import annotations

import asyncio
import re
import sys
import types
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from pratiko_mcp.entrypoint import Description, EntrypointError, build_inner_app, describe, load_entrypoint
from pratiko_mcp.runtime import create_app
from pratiko_mcp.settings import SettingsError

from tests.unit.app.served import (
    MODERN,
    ask,
    bearer,
    call,
    headers_of,
    make_server,
    plain_app,
    request,
    settings,
    started,
)

APP = "async def app(scope, receive, send): pass"
GREET = request(MODERN, "tools/call", name="greet", arguments={"name": "Bob"})

BROKEN_MODULES = {
    "missing": ("no_such_module_here:mcp", None, "ModuleNotFoundError: No module named 'no_such_module_here'"),
    "raises": ("broken_module:mcp", "raise ValueError('no database')", "failed with ValueError: no database"),
    "exits": ("broken_module:mcp", "raise SystemExit(3)", "failed with SystemExit: 3"),
    "syntax": ("broken_module:mcp", "def :", "failed with SyntaxError"),
    "no object": ("broken_module:mcp", "app = 1", "broken_module has no mcp"),
    "number": ("broken_module:mcp", "mcp = 42", "it is of type int"),
    "factory": ("broken_module:mcp", "def mcp():\n    return 1", "it is of type function"),
    "class": ("broken_module:mcp", "class mcp: pass", "it is of type type"),
    "fails to build": (
        "broken_module:mcp",
        "class S:\n    def http_app(self):\n        raise ValueError('no tools')\nmcp = S()",
        "building its application failed with ValueError: no tools",
    ),
}


@pytest.mark.parametrize("name", BROKEN_MODULES)
def test_broken_entrypoint(name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entrypoint, source, reason = BROKEN_MODULES[name]
    if source:
        (tmp_path / "broken_module.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_module", raising=False)
    with pytest.raises(EntrypointError) as error:
        create_app(settings(MCP_ENTRYPOINT=entrypoint))
    assert str(error.value).startswith(f"MCP_ENTRYPOINT is {entrypoint!r}. Expected package.module:object")
    assert reason in str(error.value)


def test_nested_object(users_server: Any) -> None:
    users_server.holder = types.SimpleNamespace(app=plain_app)
    assert load_entrypoint("users_server:holder.app") is plain_app


def test_fastmcp_package() -> None:
    class FastMCP:
        def http_app(self, path: str, stateless_http: bool) -> Callable[..., Awaitable[None]]:
            assert (path, stateless_http) == ("/mcp", True)
            return plain_app

    assert build_inner_app(FastMCP(), settings()) is plain_app


def test_subclass_of_the_sdks_server() -> None:
    class Mine(MCPServer[Any]):
        pass

    Mine.__module__ = "somewhere.else"
    assert callable(build_inner_app(Mine("mine"), settings()))


def test_sdk_checks_host_and_origin_too(users_server: Any) -> None:
    """The SDK's own check gets our lists: its default would refuse the public host."""
    inner = build_inner_app(users_server.mcp, settings())
    statuses = []

    async def session() -> None:
        async with inner.router.lifespan_context(inner):
            for host in ("mcp.example.com", "evil.example"):
                headers = {**headers_of(MODERN, name="greet"), "host": host}
                statuses.append((await call(inner, "POST", "/mcp", headers, GREET)).status)

    asyncio.run(session())
    assert statuses == [200, 421]


class FastMCP:
    """What version 1 of the SDK looks like: its server reads settings instead of arguments."""

    __module__ = "mcp.server.fastmcp.server"

    def __init__(self) -> None:
        self.settings = types.SimpleNamespace(
            streamable_http_path="/other", stateless_http=False, json_response=True, transport_security=None
        )

    def streamable_http_app(self) -> Any:
        return plain_app


@pytest.mark.parametrize("sessions", ["true", "false"])
def test_options_of_sdk_1_go_into_its_settings(sessions: str) -> None:
    server = FastMCP()
    assert build_inner_app(server, settings(MCP_SESSIONS=sessions)) is plain_app
    assert server.settings.streamable_http_path == "/mcp"
    assert server.settings.stateless_http is (sessions == "false")
    assert server.settings.json_response is False
    assert server.settings.transport_security.allowed_hosts == ["mcp.example.com", "127.0.0.1:*"]
    assert not hasattr(server.settings, "max_request_body_size")


def test_what_a_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(MCPServer[Any]):
        pass

    both = ("session", "stateless")
    assert describe(Mine("mine")) == Description("MCPServer of mcp", both)
    assert describe(plain_app) == Description("ASGI application", ())
    monkeypatch.delitem(sys.modules, "mcp_types.version")
    assert describe(FastMCP()) == Description("FastMCP of mcp", ("session",))


def discovered(**variables: str) -> dict[str, Any]:
    """Return the capabilities that a server offers to clients of the stateless era, and its answer to a listener."""
    inner = build_inner_app(make_server(), settings(**variables))

    async def ask_both() -> dict[str, Any]:
        async with inner.router.lifespan_context(inner):
            headers = headers_of(MODERN, "server/discover")
            found = await call(inner, "POST", "/mcp", headers, request(MODERN, "server/discover"))
            return dict(found.json["result"]["capabilities"])

    return asyncio.run(ask_both())


def test_subscriptions_are_offered_only_where_replies_stream() -> None:
    assert discovered()["tools"]["listChanged"] is True
    assert discovered(AWS_LAMBDA_FUNCTION_NAME="mcp")["tools"]["listChanged"] is False


CONVENTIONS = {
    "scopes are a list": ("TOOL_SCOPES", ["greet"], "TOOL_SCOPES of its module is not usable: ['greet'] is not"),
    "scopes are text": ("TOOL_SCOPES", {"greet": "docs"}, "TOOL_SCOPES of its module is not usable: 'greet' has"),
    "checks are a list": ("READY_CHECKS", [print], "READY_CHECKS of its module does not map names to functions"),
    "check is text": ("READY_CHECKS", {"db": "up"}, "READY_CHECKS of its module does not map names to functions"),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_broken_convention(name: str, users_server: Any) -> None:
    attribute, value, expected = CONVENTIONS[name]
    setattr(users_server, attribute, value)
    with pytest.raises(EntrypointError, match=re.escape(expected)):
        create_app(settings())


def test_scopes_of_the_environment_are_checked(users_server: Any) -> None:
    with pytest.raises(SettingsError, match=r"MCP_TOOL_SCOPES is not usable: 'greet' has .* Allowed: a JSON object"):
        create_app(settings(MCP_TOOL_SCOPES='{"greet": "docs"}'))


def test_the_server_s_own_variables_are_there_when_it_is_imported(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reading_module.py").write_text("import os\nTOOL_SCOPES = {os.environ['READ_SCOPE']: []}\n" + APP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reading_module", raising=False)
    monkeypatch.setenv("READ_SCOPE", "not this")  # and put back afterwards
    create_app(settings(MCP_ENTRYPOINT="reading_module:app", MCP_APP_ENVIRONMENT='{"READ_SCOPE": "greet"}'))
    assert sys.modules["reading_module"].TOOL_SCOPES == {"greet": []}


MOUNTED = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

async def where(request):
    return JSONResponse({"path": request.scope["path"], "root": request.scope["root_path"]})

inner = Starlette(routes=[Route("/", where, methods=["POST", "GET"]), Route("/x", where, methods=["POST"])])
app = Starlette(routes=[Mount("/mcp", inner)])
"""


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An application that is mounted at /mcp."""
    module: Any = types.ModuleType("users_server")
    exec(MOUNTED, module.__dict__)
    monkeypatch.setitem(sys.modules, "users_server", module)
    return create_app(settings(MCP_ENTRYPOINT="users_server:app", MCP_TOOL_SCOPES='{"greet": ["admin"]}'))


def test_an_application_that_is_mounted_gets_the_path_as_it_came(mounted: Any) -> None:
    headers = {**headers_of(MODERN), **bearer()}
    found = ask(mounted, "POST", "/mcp/", headers=headers, body=request(MODERN, "ping"))
    assert (found.status, found.json) == (200, {"path": "/mcp/", "root": "/mcp"})
    sent_on = ask(mounted, "POST", "/mcp", headers=headers, body=request(MODERN, "ping"))
    assert (sent_on.status, sent_on.headers["location"]) == (307, "http://mcp.example.com/mcp/")


@pytest.mark.parametrize("path", ["/mcp/", "/mcp/x", "/mcp//"])
def test_what_is_mounted_is_guarded_on_all_of_its_paths(mounted: Any, path: str) -> None:
    headers = {**headers_of(MODERN, name="greet"), **bearer()}
    assert ask(mounted, "POST", path, headers=headers, body=GREET).json["error"]["code"] == -32003
    assert ask(mounted, "GET", path, headers=headers).status == 405


def test_an_sdk_s_server_gets_its_path(users_server: Any) -> None:
    headers = {**headers_of(MODERN, "tools/list"), **bearer()}

    async def session() -> int:
        app = create_app(settings())
        async with started(app):
            return (await call(app, "POST", "/mcp/", headers, request(MODERN, "tools/list"))).status

    assert asyncio.run(session()) == 200
