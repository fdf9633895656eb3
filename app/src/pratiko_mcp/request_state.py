# SPDX-License-Identifier: MIT
"""One request-state key for every instance.

The SDK seals what a multi-round-trip call hands to the client with a key of the process. The next round
may reach another process, so a deployment gives all of them the same key.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from . import aws_secrets, restore
from .auth import current_token
from .settings import Settings

# A state that does not open makes an instance read the keys again, but not more often than this.
RELOAD_INTERVAL_SECONDS = 10
# After it an instance looks whether another key seals by now.
KEY_TTL_SECONDS = 60

logger = logging.getLogger("pratiko_mcp")


def share_request_state_key(server: Any, settings: Settings) -> None:
    """Replace the server's per-process key by the configured one, where both exist.

    :param server: an MCPServer, a lowlevel Server or fastmcp's FastMCP, which has one inside; versions without sealed
        request state are left alone
    """
    if not (settings.request_state_key or settings.request_state_secret):
        return
    for holder in (server, getattr(server, "_mcp_server", None)):
        middleware = getattr(holder, "middleware", None) or []
        for position, layer in enumerate(middleware):
            if type(layer).__name__ == "RequestStateBoundary":
                sdk = importlib.import_module(type(layer).__module__)
                security = sdk.RequestStateSecurity(codec=_codec(sdk, settings), bind_principal=_principal)
                middleware[position] = type(layer)(security, default_audience=settings.server_name)


def _principal(_context: object) -> str | None:
    """Bind sealed state to the caller: another caller must not go on with it."""
    token = current_token.get()
    return f"{token.issuer} {token.subject}" if token else None


def _codec(sdk: ModuleType, settings: Settings) -> Any:
    if settings.request_state_key:
        return sdk.AESGCMRequestStateCodec([settings.request_state_key])
    codec = SecretCodec(sdk, lambda: aws_secrets.read_values(str(settings.request_state_secret)))
    restore.on_restore(codec.forget)
    return codec


class SecretCodec:
    """The SDK's codec over a secret that rotates, read when the first call needs it.

    Few servers ever seal a state: reading the secret while starting would make every cold start pay for it.

    :param sdk: the SDK's request-state module
    :param read: returns the keys, the one that seals first
    """

    def __init__(
        self, sdk: ModuleType, read: Callable[[], Sequence[str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sdk = sdk
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._codec: Any = None
        self._read_at = 0.0

    def seal(self, payload: bytes) -> str:
        """Seal a state for the client."""
        return str(self._current().seal(payload))

    def unseal(self, token: str) -> bytes:
        """Open a state; one sealed with a key that is newer than ours makes us read the secret again."""
        codec = self._current()
        try:
            return bytes(codec.unseal(token))
        except self._sdk.InvalidRequestState:
            if self._clock() - self._read_at < RELOAD_INTERVAL_SECONDS:
                raise
            self.forget()
            return bytes(self._current().unseal(token))

    def forget(self) -> None:
        """Drop the keys: the next state that is sealed or opened reads them again."""
        self._codec = None

    def _current(self) -> Any:
        with self._lock:
            if self._codec is None:
                self._load()
            elif self._clock() - self._read_at > KEY_TTL_SECONDS:
                self._reload()
            return self._codec

    def _load(self) -> None:
        self._codec = self._sdk.AESGCMRequestStateCodec(self._read())
        self._read_at = self._clock()

    def _reload(self) -> None:
        """Read again; what cannot be read now leaves the keys as they are until the next time."""
        try:
            self._load()
        except Exception as error:  # botocore's have no common class that is cheap to load
            self._read_at = self._clock()
            logger.error("The request-state keys cannot be read again: %s", type(error).__name__)
