# SPDX-License-Identifier: MIT
"""``python -m pratiko_mcp``: serves the configured entry point with uvicorn."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from .runtime import EntrypointError, configure_logging, create_app
from .settings import Settings, SettingsError, is_loopback, load_settings


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m pratiko_mcp", description="Serve the MCP server of MCP_ENTRYPOINT")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    return parser.parse_args(arguments)


def check_bind(settings: Settings, host: str) -> None:
    """Refuse to offer a server without authentication to other machines.

    :raises SettingsError: authentication is off and the address is not loopback
    """
    if settings.token is None and not is_loopback(host):
        raise SettingsError("MCP_AUTH", "none", f"jwt when listening on {host}; none only with --host 127.0.0.1")


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the server."""
    options = parse_arguments(arguments)
    try:
        settings = load_settings()
        check_bind(settings, options.host)
        logging.basicConfig()
        configure_logging(settings.log_level)
        app = create_app(settings)
    except (SettingsError, EntrypointError) as error:
        sys.exit(str(error))
    import uvicorn

    uvicorn.run(app, host=options.host, port=options.port, access_log=False, log_level=settings.log_level.lower())


if __name__ == "__main__":
    main()
