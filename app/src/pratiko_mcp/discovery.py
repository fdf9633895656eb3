# SPDX-License-Identifier: MIT
"""Where an issuer publishes its keys, and fetching them: over https, within a time and a size, or not at all."""

from __future__ import annotations

import http.client
import json
import queue
import threading
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .settings import is_loopback

FETCH_TIMEOUT_SECONDS = 3
# Metadata, keys, redirects and names together: less than an authorizer's or a request's own time.
LOAD_TIMEOUT_SECONDS = 6
MAX_DOCUMENT_BYTES = 262_144

Result = TypeVar("Result")


class KeysUnavailable(Exception):
    """The issuer's keys could not be fetched: nothing can be said about the token."""


def fetch_key_set(url: str) -> Mapping[str, Any]:
    """Download a JSON Web Key Set.

    :raises KeysUnavailable: no usable answer in time
    """
    try:
        return {"keys": [key for key in _fetch(url)["keys"] if isinstance(key, dict)]}
    except _UNUSABLE as error:
        named = "which MCP_JWKS_URL or the metadata of MCP_ISSUER names"
        raise KeysUnavailable(f"No key set at {url}, {named}: {_described(error)}") from error


def find_key_set(issuer: str) -> str:
    """Find out where an issuer publishes its keys (OpenID Connect Discovery, then RFC 8414).

    :raises KeysUnavailable: it says so nowhere, or names a place that cannot be trusted
    """
    problems = []
    for url in metadata_urls(issuer):
        try:
            return _key_set_url(url, issuer)
        except _UNUSABLE as error:
            problems.append(f"{url}: {_described(error)}")
    raise KeysUnavailable(
        f"MCP_ISSUER {issuer} does not say where its keys are ({'; '.join(problems)}). If it never does, "
        "set MCP_JWKS_URL"
    )


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where an issuer's metadata may be: behind its path with the one, before it with the other standard."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def _key_set_url(url: str, issuer: str) -> str:
    """Read ``jwks_uri`` from an issuer's metadata.

    :raises ValueError: the document is another issuer's, or names no safe place
    """
    if not _may_lead(url, url):
        raise ValueError("it is not https")
    document = _fetch(url)
    if document["issuer"] != issuer:
        raise ValueError(f"it is the metadata of {document['issuer']!r}, and an issuer must be equal to the letter")
    found = document["jwks_uri"]
    if not isinstance(found, str) or not _may_lead(url, found):
        raise ValueError(f"its jwks_uri is {found!r}, which is not https")
    return found


def in_time(load: Callable[[], Result], seconds: float = LOAD_TIMEOUT_SECONDS) -> Result:
    """Call a function that uses the network, and stop waiting for it when its time is over.

    A socket's own time limit starts again with each byte, and looking up a name has none.

    :raises KeysUnavailable: it did not end in time
    """
    results: queue.SimpleQueue[tuple[Result | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((load(), None))
        except Exception as error:  # raised again where it is waited for
            results.put((None, error))

    threading.Thread(target=run, name="issuer-keys", daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise KeysUnavailable(f"The issuer's keys did not arrive within {seconds} seconds") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # only None together with an error


_UNUSABLE = (OSError, ValueError, TypeError, KeyError, RecursionError, http.client.HTTPException)


def _described(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException):
        return f"the answer is no HTTP: {type(error).__name__}"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _fetch(url: str) -> Any:
    """Download a JSON document."""
    with urllib.request.build_opener(_SafeRedirects).open(url, timeout=FETCH_TIMEOUT_SECONDS) as reply:
        text = reply.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it is longer than {MAX_DOCUMENT_BYTES} bytes")
    return json.loads(text)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to where an answer cannot be replaced on its way."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        if not _may_lead(req.full_url, newurl):
            raise OSError(f"it redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _may_lead(source: str, target: str) -> bool:
    """Tell whether the way from one URL to the next stays on https, or on this machine, where it may be http."""
    before, after = urlsplit(source), urlsplit(target)
    if after.scheme == "https":
        return bool(after.hostname)
    return before.scheme == after.scheme == "http" and is_loopback(before.hostname) and is_loopback(after.hostname)
