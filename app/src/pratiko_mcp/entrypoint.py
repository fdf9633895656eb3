# SPDX-License-Identifier: MIT
"""The user's server: found by its name, recognised, and turned into an ASGI application.

The MCP SDK is reached only through the user's own object, so that nobody's version of it is pinned.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from .asgi import MCP_PATH, AsgiApp
from .request_state import share_request_state_key
from .settings import Settings


class EntrypointError(Exception):
    """MCP_ENTRYPOINT names nothing that can be served."""

    def __init__(self, value: str, reason: str) -> None:
        super().__init__(
            f"MCP_ENTRYPOINT is {value!r}. Expected package.module:object, where object is an MCPServer, a FastMCP "
            f'or an ASGI application: {reason}. Try it with: python -c "import {value.partition(":")[0]}"'
        )


class Description(NamedTuple):
    """What a server is. ``eras`` is empty where only the server itself knows."""

    kind: str
    eras: tuple[str, ...]


def load_module(value: str) -> ModuleType:
    """Import the module of ``package.module:object``.

    :raises EntrypointError: with the reason why the import failed
    """
    name = value.partition(":")[0]
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a user's module may fail in any way, exiting included
        raise EntrypointError(value, f"importing {name} failed with {type(error).__name__}: {error}") from error


def load_entrypoint(value: str) -> Any:
    """Import ``package.module:object``.

    :raises EntrypointError: with the reason why there is no such object
    """
    target: Any = load_module(value)
    module_name, _, path = value.partition(":")
    for name in path.split("."):
        try:
            target = getattr(target, name)
        except AttributeError as error:
            raise EntrypointError(value, f"{module_name} has no {path}") from error
    return target


def describe(target: Any) -> Description:
    """Say what a server is, and which eras of the protocol its SDK speaks: with sessions, stateless or both."""
    attribute = next((name for name in ("streamable_http_app", "http_app") if hasattr(target, name)), None)
    if attribute is None:
        return Description("ASGI application", ())
    package = _owner(target, attribute).__module__.partition(".")[0]
    own = next(cls for cls in type(target).__mro__ if cls.__module__.partition(".")[0] == package)
    # The SDK that a server is made with has been imported with it; only from version 2 on it has these types.
    versions = getattr(sys.modules.get("mcp_types.version"), "MODERN_PROTOCOL_VERSIONS", ())
    eras = ("session", "stateless") if versions else ("session",)
    return Description(f"{own.__name__} of {package}", eras)


def build_inner_app(target: Any, settings: Settings) -> AsgiApp:
    """Turn what the entry point names into an ASGI application.

    :raises EntrypointError: it is neither an MCP server nor an ASGI application
    """
    try:
        if hasattr(target, "streamable_http_app"):
            _prepare(target, settings)
            return _build(target, target.streamable_http_app, _sdk_options(target, settings))
        if hasattr(target, "http_app"):  # the fastmcp package's name for the same
            _prepare(target, settings)
            return _build(target, target.http_app, {"path": MCP_PATH, **_reply_options(settings)})
    except Exception as error:  # whatever the user's server raises, the entry point is what to look at
        reason = f"building its application failed with {type(error).__name__}: {error}"
        raise EntrypointError(settings.entrypoint, reason) from error
    if not _takes_three_arguments(target):
        raise EntrypointError(settings.entrypoint, f"it is of type {type(target).__name__}")
    return target


def _reply_options(settings: Settings) -> dict[str, Any]:
    """Ask for SSE where a tool reports progress: with JSON replies the SDK drops progress and log messages."""
    return {"stateless_http": not settings.sessions, "json_response": False}


def _sdk_options(target: Any, settings: Settings) -> dict[str, Any]:
    """Collect what `streamable_http_app` is asked for."""
    options = {
        "streamable_http_path": MCP_PATH,
        "max_request_body_size": settings.max_body_bytes,
        **_reply_options(settings),
    }
    package = _owner(target, "streamable_http_app").__module__.partition(".")[0]
    security = importlib.import_module(f"{package}.server.transport_security")
    options["transport_security"] = security.TransportSecuritySettings(
        allowed_hosts=list(settings.allowed_hosts), allowed_origins=list(settings.allowed_origins)
    )
    return options


def _prepare(target: Any, settings: Settings) -> None:
    """Fit a server to where it runs."""
    share_request_state_key(target, settings)
    if settings.on_lambda:
        _unserve_listening(target)


def _unserve_listening(target: Any) -> None:
    """Take subscriptions off a server: on Lambda a reply that never ends would run into the timeout.

    The SDK then neither offers nor answers them. A version that keeps its handlers elsewhere is left alone.
    """
    for name in ("_lowlevel_server", "_mcp_server"):
        handlers = getattr(getattr(target, name, None), "_request_handlers", {})
        handlers.pop("subscriptions/listen", None)


def _owner(target: Any, attribute: str) -> type:
    """Return the class that brings an attribute: the SDK's own, not a user's subclass that overrides it."""
    return next(cls for cls in reversed(type(target).__mro__) if attribute in vars(cls))


def _build(target: Any, function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Call with the options that the function takes; SDK 1 reads the others from the server's settings."""
    known = inspect.signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    taken = {name: value for name, value in options.items() if takes_any or name in known}
    own = getattr(target, "settings", None)
    for name in options.keys() - taken.keys():
        if hasattr(own, name):
            setattr(own, name, options[name])
    return function(**taken)


def _takes_three_arguments(target: Any) -> bool:
    try:
        inspect.signature(target).bind("scope", "receive", "send")
    except (TypeError, ValueError):
        return False
    return True
