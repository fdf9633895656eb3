# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request and its judgement; what every probe shares."""

from __future__ import annotations

import functools
import ipaddress
import json
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_BODY_BYTES = 8 * 1024 * 1024
EVIDENCE_CHARACTERS = 200

# Reads a body so far and says whether the answer in it is complete.
Complete = t.Callable[[bytes], bool]
# Sends (HTTP method, headers, body, complete) and returns what came back.
Send = t.Callable[[str, dict[str, str], bytes, "Complete | None"], "Reply"]


class Finding(Exception):
    """A probe's verdict when the check is not healthy.

    :param status: ``critical`` (a wrong answer, or none) or ``unknown`` (the probe could not look)
    :param evidence: what was sent and what came back
    :param next_step: the command to type
    """

    def __init__(self, status: str, evidence: str, next_step: str = "") -> None:
        super().__init__(evidence)
        self.status = status
        self.evidence = evidence
        self.next_step = next_step


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
        """Return the status and the beginning of the body."""
        text = " ".join(self.body.decode("utf-8", "replace").split())
        return f"HTTP {self.status} {shorten(text)}".rstrip()


def shorten(text: str) -> str:
    """Cut a text to what fits into evidence."""
    return text if len(text) <= EVIDENCE_CHARACTERS else text[: EVIDENCE_CHARACTERS - 3] + "..."


def plain_url(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine; a name that only begins like an address is not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


@functools.cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a verifying TLS context, made once a process: reading the CA certificates costs more than a request.

    :raises OSError: ``ca_file`` cannot be read (``ssl.SSLError`` when it holds no certificate)
    """
    context = ssl.create_default_context(cafile=ca_file)
    paths = ssl.get_default_verify_paths()
    if not ca_file and not paths.cafile and not paths.capath:
        # Pythons from python.org on macOS come without any CA certificate; botocore brings its own.
        from botocore.httpsession import where

        context.load_verify_locations(where())
    return context


def open_pool(url: str, timeout: float, ca_file: str | None) -> t.Any:
    """Return a urllib3 pool of its own for one probe; the proxy variables of the environment are honoured."""
    # From the environment only: the lookup in macOS's settings crashes forked processes.
    from urllib import request

    import urllib3

    bypass = request.proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it
    parts = urlsplit(url)
    options: dict[str, t.Any] = {"retries": False, "timeout": urllib3.Timeout(total=timeout)}
    if parts.scheme == "https":
        options["ssl_context"] = tls_context(ca_file)
    proxy = request.getproxies_environment().get(parts.scheme)
    if proxy and not is_loopback(parts.hostname) and not bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


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

    shown, look = plain_url(url), f"curl -i --max-time {timeout:g} {plain_url(url)}"
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


def http_sender(url: str, timeout: float, ca_file: str | None) -> Send:
    """Return a function that sends requests to ``url`` over one kept connection.

    :raises Finding: the CA file cannot be used; from the returned function: the request failed
    """
    import urllib3.exceptions as failures

    try:
        pool = open_pool(url, timeout, ca_file)
    except OSError as error:
        raise Finding("unknown", f"ca_file {ca_file}: {error}", f"ls -l {ca_file}") from error

    def send(method: str, headers: dict[str, str], body: bytes, complete: Complete | None = None) -> Reply:
        start = time.monotonic()
        try:
            response = pool.request(
                method, url, headers=headers, body=body or None, redirect=False, preload_content=False
            )
            streams = response.headers.get("content-type", "").lower().startswith("text/event-stream")
            data = read_body(response, start + timeout, complete if streams else None)
        except (failures.HTTPError, OSError, ValueError) as error:
            raise http_failure(error, url, timeout) from error
        ms = (time.monotonic() - start) * 1000
        # A stream that its server keeps open cannot carry the next request.
        response.close() if streams else response.release_conn()
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, data, ms)

    return send


def differences(expected: t.Any, actual: t.Any, path: str = "") -> list[str]:
    """Return where ``actual`` lacks or contradicts ``expected`` (dictionaries are compared as subsets)."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        found: list[str] = []
        for key, value in expected.items():
            where = f"{path}.{key}" if path else str(key)
            found += differences(value, actual[key], where) if key in actual else [f"{where} is missing"]
        return found
    return [] if expected == actual else [f"{path or 'the answer'} is {shorten(json.dumps(actual))}, not {expected!r}"]


def judge_http(reply: Reply, expect_status: int, expect_json: dict[str, t.Any] | None) -> str | None:
    """Return what is wrong with a reply, or None."""
    if reply.status != expect_status:
        return f"{reply.describe()} (expected {expect_status})"
    if not expect_json:
        return None
    try:
        actual = json.loads(reply.body)
    except ValueError:
        return f"{reply.describe()} (expected JSON)"
    wrong = differences(expect_json, actual)
    return f"HTTP {reply.status}: {'; '.join(wrong)}" if wrong else None


def measure(call: t.Callable[[], float], samples: int) -> list[float]:
    """Return the milliseconds of the calls; the first of several only warms up and is dropped."""
    times = [call() for _sample in range(samples)]
    return times[1:] or times


def probe_http(send: Send, probe: dict[str, t.Any], token: str | None) -> tuple[list[float], str]:
    """Ask the URL of a probe.

    :returns: milliseconds of the counted requests, and the evidence
    :raises Finding: no answer, or not the expected one
    """
    url, method = plain_url(probe["url"]), probe["method"]
    headers = {"Accept": "application/json, */*;q=0.5"} | ({"Authorization": f"Bearer {token}"} if token else {})
    body = b"{}" if method == "POST" else b""
    headers |= {"Content-Type": "application/json"} if body else {}
    look = f"curl -i {url}" if method == "GET" else f"curl -i -X {method} {url}"
    seen = ""

    def call() -> float:
        nonlocal seen
        reply = send(method, headers, body, None)
        wrong = judge_http(reply, probe["expect_status"], probe["expect_json"])
        if wrong:
            raise Finding("critical", f"{method} {url}: {wrong}", look)
        seen = reply.describe()
        return reply.ms

    times = measure(call, probe["samples"])
    return times, f"{method} {url}: {seen}"
