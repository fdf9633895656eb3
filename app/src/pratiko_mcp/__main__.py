# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp``: serves the configured entry point with uvicorn, and ends in an orderly way."""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from .entrypoint import EntrypointError
from .logs import configure_logging
from .runtime import Runtime, create_app
from .settings import Settings, SettingsError, is_loopback, load_settings

if TYPE_CHECKING:
    import uvicorn

# Below the usual limit of 1,024 open files: what comes above gets a 503 instead of a failing process.
MAX_CONNECTIONS = 900
KEEP_ALIVE_SECONDS = 5


def make_parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return a parser of the options that every way to serve has."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--max-connections",
        type=int,
        default=MAX_CONNECTIONS,
        help="open connections, those above get 503 (default: %(default)s)",
    )
    parser.add_argument(
        "--keep-alive",
        type=int,
        default=KEEP_ALIVE_SECONDS,
        help="seconds that an idle connection stays open; more than a load balancer keeps it (default: %(default)s)",
    )
    return parser


def check_bind(settings: Settings, host: str) -> None:
    """Refuse to offer a server without authentication to other machines.

    :raises SettingsError: authentication is off and the address is not loopback
    """
    if settings.token is None and not is_loopback(host):
        raise SettingsError("MCP_AUTH", "none", f"jwt when listening on {host}; none only with --host 127.0.0.1")


def make_server(
    app: Runtime,
    settings: Settings,
    options: argparse.Namespace,
    started: Callable[[uvicorn.Server], None] | None = None,
) -> uvicorn.Server:
    """Prepare the HTTP server.

    :param started: called with the server, in its event loop, once it takes connections
    :raises ImportError: uvicorn is not installed
    """
    import uvicorn

    class Server(uvicorn.Server):
        """Ends on a signal: no new connections, streams closed, calls in flight finished, exit code 0."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own handler would raise the signal again at the end, and a library that looks for that handler
            # would cut event streams off in the middle of a call.
            def stop(number: int, _frame: FrameType | None) -> None:
                self.force_exit |= self.should_exit and number == signal.SIGINT  # pressed twice
                self.should_exit = True

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            yield

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started and started:
                started(self)

        async def shutdown(self, sockets: Any = None) -> None:
            app.close_streams()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here asks who the client is
        limit_concurrency=options.max_connections,
        timeout_keep_alive=options.keep_alive,
        timeout_graceful_shutdown=math.ceil(settings.request_timeout),
    )
    return Server(config)


def serve(
    options: argparse.Namespace,
    listeners: list[socket.socket] | None = None,
    started: Callable[[uvicorn.Server], None] | None = None,
) -> None:
    """Serve the configured entry point until a signal ends it.

    :param listeners: take connections from these, not from the options' address
    :param started: called with the server, in its event loop, once it takes connections
    :raises SettingsError: a variable cannot be used
    :raises EntrypointError: the entry point cannot be served
    :raises ImportError: uvicorn is not installed
    """
    settings = load_settings()
    check_bind(settings, options.host)
    configure_logging(settings.log_level)
    app = create_app(settings)
    configure_logging(settings.log_level)  # the served application may have set up handlers of its own
    server = make_server(app, settings, options, started)
    gc.collect()
    gc.freeze()  # what is loaded stays: going through it again stops all calls, for tens of milliseconds each time
    server.run(listeners)
    if app.telemetry:
        app.telemetry.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the server."""
    options = make_parser("python -m pratiko_mcp", "Serve the MCP server of MCP_ENTRYPOINT").parse_args(arguments)
    try:
        serve(options)
    except (SettingsError, EntrypointError) as error:
        sys.exit(str(error))
    except ImportError as error:
        sys.exit(f"{error}. It serves the application. Try: pip install 'pratiko-mcp[server]'")


if __name__ == "__main__":
    main()
