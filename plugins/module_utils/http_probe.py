# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request; what every probe shares."""

from __future__ import annotations

import json
import shlex
import socket
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import Pools, ask
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.time_limit import Limit

MAX_BODY_BYTES = 8 * 1024 * 1024
EVIDENCE_CHARACTERS = 200
# Deeper than any honest answer, and not so deep that whoever handles it recurses too far.
MAX_DEPTH = 100

# Reads a body so far and says whether the answer in it is complete.
Complete = t.Callable[[bytes], bool]
# Sends (HTTP method, headers, body, complete) and returns what came back.
Send = t.Callable[[str, dict[str, str], bytes, "Complete | None"], "Reply"]


class Finding(Exception):
    """A probe's verdict when the check is not healthy.

    :param status: ``critical`` (a wrong answer, or none) or ``unknown`` (the probe could not look)
    :param evidence: what was sent and what came back
    :param next_step: the command to type
    :param not_offered: unknown, because the account cannot have what was looked for
    """

    def __init__(self, status: str, evidence: str, next_step: str = "", not_offered: bool = False) -> None:
        super().__init__(evidence)
        self.status = status
        self.evidence = evidence
        self.next_step = next_step
        self.not_offered = not_offered


@dataclass
class Reply:
    """An HTTP response; header names are lower case, ``ms`` is the time from sending to the last byte read."""

    status: int
    headers: dict[str, str]
    body: bytes
    ms: float

    @property
    def is_event_stream(self) -> bool:
        return self.headers.get("content-type", "").lower().startswith("text/event-stream")

    def describe(self) -> str:
        """Return the status, the beginning of the body, and where a redirect points to."""
        place = self.headers.get("location", "").partition("?")[0] if 300 <= self.status < 400 else ""
        text = " ".join([f"to {place}" if place else "", *self.body.decode("utf-8", "replace").split()]).strip()
        return f"HTTP {self.status} {shorten(text)}".rstrip()


def shorten(text: str) -> str:
    """Cut a text to what fits into evidence."""
    return text if len(text) <= EVIDENCE_CHARACTERS else text[: EVIDENCE_CHARACTERS - 3] + "..."


def parse_json(text: str | bytes) -> t.Any:
    """Return the value in a server's answer.

    :raises ValueError: it is no JSON, or nested too deeply
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [value]
    for _depth in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, (dict, list)) for child in children(item)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def children(item: dict[str, t.Any] | list[t.Any]) -> t.Iterable[t.Any]:
    return item.values() if isinstance(item, dict) else item


def plain_url(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_body(response: t.Any, deadline: float, complete: Complete | None) -> bytes:
    """Read until the end, or until ``complete`` agrees; a server that only drips does not outlive the deadline.

    :raises TimeoutError: the deadline (of ``time.monotonic``) has passed
    :raises ValueError: the body is larger than 8 MiB
    """
    body = b""
    read = getattr(response, "read1", response.read)  # urllib3 1.26 can only wait for the whole piece
    while True:
        piece = read(65536)
        body += piece or b""
        if not piece or (complete is not None and complete(body)):
            return body
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError


def http_failure(error: Exception, url: str, timeout: float) -> Finding:
    """Say what a failed request means: nobody there is critical, a name that does not resolve is unknown."""
    import urllib3.exceptions as failures

    shown, look = plain_url(url), f"curl -i --max-time {timeout:g} {shlex.quote(plain_url(url))}"
    cause = error.__cause__ or error.__context__ or error
    text = shorten(str(cause) or type(cause).__name__)
    if isinstance(cause, socket.gaierror):
        return Finding("unknown", f"{shown}: the name {urlsplit(url).hostname} does not resolve from here", look)
    # Before the timeouts: urllib3 derives a refused connection from them.
    if isinstance(error, failures.NewConnectionError):
        return Finding("critical", f"{shown}: nobody accepts connections there ({text})", look)
    if isinstance(error, (failures.TimeoutError, TimeoutError)):
        return Finding("critical", f"{shown}: no complete answer within {timeout:g} s", look)
    if isinstance(error, failures.SSLError):
        return Finding("critical", f"{shown}: the TLS connection was not trusted ({text})", f"{look} -v")
    return Finding("critical", f"{shown}: {text}", look)


def http_sender(url: str, seconds: t.Callable[[], float], ca_file: str | None, pools: Pools | None = None) -> Send:
    """Return a function that sends requests to ``url``.

    :param seconds: how long the next request may take
    :param pools: connections that others may use before and after; by default one kept connection of its own
    :raises Finding: the CA file cannot be used; from the returned function: the request failed
    """
    import urllib3.exceptions as failures

    try:
        pools = pools or Pools()
        pool = pools.manager(url, ca_file)
    except OSError as error:
        raise Finding("unknown", f"ca_file {ca_file}: {error}", f"ls -l {shlex.quote(str(ca_file))}") from error
    limits = pools.limits

    def send(method: str, headers: dict[str, str], body: bytes, complete: Complete | None = None) -> Reply:
        timeout = seconds()
        try:
            return exchange(pool, Limit(limits), method, url, headers, body, timeout, complete)
        except (failures.HTTPError, OSError, ValueError) as error:
            raise http_failure(error, url, timeout) from error

    return send


def exchange(
    pool: t.Any,
    limit: Limit,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    timeout: float,
    complete: Complete | None,
) -> Reply:
    """Send one request and read its answer.

    :param limit: cuts the connection when the time is over
    :param timeout: seconds for both
    :raises HTTPError: as urllib3 has it; OSError, ValueError likewise
    """
    start = time.monotonic()
    options = {"headers": headers, "body": body or None, "redirect": False, "preload_content": False}
    with limit.request(timeout):
        response = ask(pool, limit, method, url, timeout, **options)
        reply_headers = {name.lower(): value for name, value in response.headers.items()}
        streams = reply_headers.get("content-type", "").lower().startswith("text/event-stream")
        data = read_body(response, start + timeout, complete if streams else None)
    ms = (time.monotonic() - start) * 1000
    # A stream that its server keeps open cannot carry the next request.
    response.close() if streams else response.release_conn()
    return Reply(response.status, reply_headers, data, ms)


def measure(call: t.Callable[[], float], samples: int) -> list[float]:
    """Return the milliseconds of the calls; the first of several only warms up and is dropped."""
    times = [call() for _sample in range(samples)]
    return times[1:] or times
