# SPDX-License-Identifier: MIT
"""Limits and feature switches that change without a deployment: one JSON document in an SSM parameter or a file."""

from __future__ import annotations

import json
import logging
import reprlib
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .settings import Settings

REFRESH_SECONDS = 30
# Without any policy there are no limits at all.
FIRST_RETRY_SECONDS = 2
MAX_POLICY_BYTES = 65_536
MAX_CALLS_PER_MINUTE = 1_000_000
MAX_KEYS = 10_000

logger = logging.getLogger("pratiko_mcp")


class PolicyError(ValueError):
    """A policy document, or the place where it should be, cannot be used."""


@dataclass(frozen=True)
class ToolPolicy:
    """What holds for one tool, over all callers of an instance. ``calls_per_minute`` is None for no limit."""

    calls_per_minute: int | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Policy:
    """What a policy document says. ``calls_per_minute`` holds for each token; None is no limit."""

    calls_per_minute: int | None = None
    tools: Mapping[str, ToolPolicy] = field(default_factory=dict)
    features: Mapping[str, bool] = field(default_factory=dict)

    def tool(self, name: str) -> ToolPolicy:
        """Return what holds for a tool: its own entry, else that of ``*``, else nothing."""
        return self.tools.get(name) or self.tools.get("*") or _UNLIMITED

    @property
    def disables_tools(self) -> bool:
        """Whether some tool is switched off, so that listings are not what the server says."""
        return any(not tool.enabled for tool in self.tools.values())


_UNLIMITED = ToolPolicy()


def parse_policy(text: str) -> Policy:
    """Read a policy document.

    :raises PolicyError: it is not JSON, or the first entry that cannot be used
    """
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"The policy is not JSON: {error}. Try: python -m json.tool") from error
    fields = _fields("the policy", document, ("calls_per_minute", "tools", "features"))
    tools = _fields("tools", fields.get("tools", {}), None)
    features = _fields("features", fields.get("features", {}), None)
    return Policy(
        _calls("calls_per_minute", fields.get("calls_per_minute")),
        {name: _tool(name, entry) for name, entry in tools.items()},
        {name: _switch(f"features.{name}", value) for name, value in features.items()},
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two entries with one name, the one that was meant is anybody's guess."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _fields(where: str, value: object, allowed: tuple[str, ...] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where} is {reprlib.repr(value)}. Expected an object, {{...}}.")
    for name in value:
        if allowed is not None and name not in allowed:
            raise PolicyError(f"{where} has the unknown entry {name!r}. Allowed: {', '.join(allowed)}.")
    return value


def _tool(name: str, value: object) -> ToolPolicy:
    where = f"tools.{name}"
    if "*" in name and name != "*":
        raise PolicyError(f"{where} is neither a tool's name nor * (which stands for every tool without an entry).")
    entry = _fields(where, value, ("calls_per_minute", "enabled"))
    calls = _calls(f"{where}.calls_per_minute", entry.get("calls_per_minute"))
    return ToolPolicy(calls, _switch(f"{where}.enabled", entry.get("enabled", True)))


def _calls(where: str, value: object) -> int | None:
    if value is None or (type(value) is int and 1 <= value <= MAX_CALLS_PER_MINUTE):
        return value
    allowed = f"a whole number from 1 to {MAX_CALLS_PER_MINUTE}, or null for no limit"
    raise PolicyError(
        f'{where} is {reprlib.repr(value)}. Allowed: {allowed} (a tool is switched off by "enabled": false).'
    )


def _switch(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise PolicyError(f"{where} is {reprlib.repr(value)}. Allowed: true, false.")
    return value


class PolicySource:
    """A policy that is read again while it is used; what cannot be read leaves the last good one in force.

    :param name: where it is, for messages
    :param read: returns the document's text, or raises PolicyError
    """

    def __init__(self, name: str, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._text: str | None = None
        self._reason = "it has not been read yet"
        self.policy = Policy()

    @property
    def state(self) -> tuple[bool, str]:
        """Whether the policy in force is what the source says now, and why not."""
        return not self._reason, self._reason

    def due(self) -> bool:
        """Tell whether the policy is so old that it must be read again."""
        read_at = self._read_at
        pause = FIRST_RETRY_SECONDS if self._text is None else REFRESH_SECONDS
        return read_at is None or self._clock() - read_at >= pause

    def forget(self) -> None:
        """Make the policy due: after a snapshot was restored, nobody knows how old it is."""
        self._read_at = None

    def refresh(self) -> None:
        """Read the policy when it is due; never raises. Blocks for seconds where the source does not answer."""
        # While one thread reads, others go on with the policy in force; only the first is worth waiting for.
        if not self._lock.acquire(blocking=self._read_at is None):
            return
        try:
            if self.due():
                self._update()
        finally:
            self._lock.release()

    def _update(self) -> None:
        try:
            text = self._read()
            if text != self._text:
                self.policy = parse_policy(text)
                self._text = text
            self._note("")
        except Exception as error:  # whatever the source does, no request must fail for it
            text = str(error) if isinstance(error, PolicyError) else f"{type(error).__name__}: {error}"
            self._note(f"{self._name}: {text}")
        # From the end of the attempt, so that a slow source is not asked without a pause.
        self._read_at = self._clock()

    def _note(self, reason: str) -> None:
        """Log when the state changes: a source that stays away would say so every 30 seconds."""
        if reason and reason != self._reason:
            kept = "the last good limits stay in force" if self._text is not None else "no limits are in force"
            logger.error("limits cannot be read, %s: %s", kept, reason)
        self._reason = reason


def make_source(settings: Settings) -> PolicySource | None:
    """Return the configured source, not read yet; None where there is none."""
    if settings.limits_parameter:
        name = settings.limits_parameter
        return PolicySource(f"MCP_LIMITS_PARAMETER {name}", lambda: _read_parameter(name))
    if settings.limits_file:
        path = Path(settings.limits_file)
        return PolicySource(f"MCP_LIMITS_FILE {path}", lambda: _read_file(path))
    return None


def _read_file(path: Path) -> str:
    """Return a file's text.

    :raises PolicyError: it is missing, too large or not text
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(str(error)) from error
    if len(data) > MAX_POLICY_BYTES:
        raise PolicyError(f"it is larger than {MAX_POLICY_BYTES} bytes")
    return text


def _read_parameter(name: str) -> str:
    """Return an SSM parameter's value.

    :raises PolicyError: no botocore, or not the parameter
    :raises Exception: what `aws_json.call` raises
    """
    try:
        from . import aws_json  # only deployments with a parameter pay for this import
    except ImportError as error:
        raise PolicyError(f"{error}. Try: pip install boto3") from error
    reply = aws_json.call("ssm", "AmazonSSM.GetParameter", {"Name": name, "WithDecryption": True})
    try:
        return str(reply["Parameter"]["Value"])
    except (KeyError, TypeError) as error:
        raise PolicyError("the answer of SSM holds no parameter") from error


class RateLimiter:
    """Calls per minute by key: a token bucket that holds a minute's calls and fills evenly.

    Who was idle for a minute may use all of its calls at once; no stretch of t seconds lets more than
    ``per_minute * (1 + t / 60)`` through. For the threads of one event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        # When each bucket will be full again; callers choose keys, so that their hashes bound the memory.
        self._full_at: dict[int, float] = {}

    def take(self, key: Hashable, per_minute: int) -> float:
        """Count a call; return 0.0 when it may go on, else the seconds after which one may."""
        now, place = self._clock(), hash(key)
        full_at = max(self._full_at.get(place, now), now) + 60 / per_minute
        wait = full_at - now - 60
        if wait > _ROUNDING:
            return wait
        self._full_at[place] = full_at
        if len(self._full_at) > self._max_keys:
            self._forget_the_fullest()
        return 0.0

    def _forget_the_fullest(self) -> None:
        """Make room without lifting a limit that is reached, however many names somebody invents."""
        kept = sorted(self._full_at.items(), key=lambda bucket: bucket[1])[self._max_keys // 2 :]
        self._full_at = dict(kept)


# Seconds; far below any wait, far above what adding floats may lose.
_ROUNDING = 1e-6

_installed: PolicySource | None = None


def install(source: PolicySource | None) -> None:
    """Make a source the one that `feature` asks."""
    global _installed
    _installed = source


def feature(name: str, default: bool = False) -> bool:
    """Tell whether a feature is switched on; the default where the policy does not name it."""
    return _installed.policy.features.get(name, default) if _installed else default
