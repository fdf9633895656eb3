# -*- coding: utf-8 -*-
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks over HTTP: the kinds mcp, http and authorizer."""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.health_kind import (
    TIMED,
    Finding,
    Kind,
    Look,
    Observation,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_judge import probe_http
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_pool import Pools, is_loopback
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.http_probe import (
    Complete,
    Reply,
    Send,
    http_sender,
    parse_json,
    plain_url,
    shorten,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.lambda_probe import (
    function_label,
    lambda_sender,
    logs_step,
    probe_authorizer,
)
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.leaks import redact
from ansible_collections.pratikoai.mcp_servers.plugins.module_utils.mcp_probe import Conversation, probe_mcp


def token_step(environment: str) -> str:
    return f"ansible-playbook playbooks/token.yml -i INVENTORY --limit {shlex.quote(environment)}"


def read_token(path: str | None, environment: str) -> str | None:
    """Return the access token of a token file, or None where no file is given.

    :raises Finding: unknown, because without a usable token nothing can be said about the server
    """
    if not path:
        return None
    step = token_step(environment)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        token, expires_at = content["access_token"], content.get("expires_at")
        expired = bool(expires_at) and datetime.fromisoformat(expires_at) <= datetime.now(UTC)
    except OSError as error:
        raise Finding("unknown", f"token_file {path}: {error.strerror}", step) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Finding("unknown", f"token_file {path}: not a token file ({type(error).__name__})", step) from error
    if expired:
        raise Finding("unknown", f"token_file {path}: the token expired at {expires_at}", step)
    return str(token)


def step_of(probe: dict[str, t.Any]) -> str:
    """Return what to type when the caller did not say: look at the same place by hand."""
    if probe["lambda"]:
        name = probe["lambda"]["function_name"].rpartition(":function:")[2].partition(":")[0]  # of an ARN too
        return logs_step(f"/aws/lambda/{name}")
    if probe["kind"] == "mcp":
        parts = urlsplit(plain_url(probe["url"]))
        return f"curl -i {shlex.quote(f'{parts.scheme}://{parts.netloc}/health')}"
    return f"curl -i {shlex.quote(plain_url(probe['url']))}"


def keeping(send: Send, replies: list[Reply]) -> Send:
    """Return a sender that keeps what comes back."""

    def sender(method: str, headers: dict[str, str], body: bytes, complete: Complete | None = None) -> Reply:
        replies[:] = [send(method, headers, body, complete)]
        return replies[0]

    return sender


def last_json(replies: list[Reply], token: str | None) -> t.Any:
    """Return the last answer; None where there is none, or it is no JSON."""
    try:
        return parse_json(redact(replies[-1].body.decode(), token))
    except (IndexError, ValueError):
        return None


def look_http(look: Look) -> Observation:
    """Ask a URL; what it answered is told whatever its status."""
    probe = look.probe
    replies: list[Reply] = []
    try:
        send = http_sender(probe["url"], look.seconds_left, probe["ca_file"], look.pools)
        times, seen = probe_http(keeping(send, replies), probe, look.token)
    except Finding as finding:
        body = last_json(replies, look.token) if probe["return_json"] else None
        return Observation(finding.status, finding.evidence, next_step=finding.next_step, body=body)
    body = last_json(replies, look.token) if probe["return_json"] else None
    return Observation("healthy", seen, tuple(times), body=body)


def look_mcp(look: Look) -> Observation:
    """Make a round trip of the protocol, over HTTP or by invoking the function behind it."""
    probe, step = look.probe, step_of(look.probe)
    if probe["lambda"]:
        place = function_label(probe["lambda"])
        send = lambda_sender(look.client("lambda"), probe["lambda"], probe["timeout"], step)
    else:
        place = plain_url(probe["url"])
        own = Pools(look.pools.limits)  # connections are not shared with other probes: servers keep sessions by them
        send = http_sender(probe["url"], look.seconds_left, probe["ca_file"], own)
    talk = Conversation(send, look.token, step, token_step(look.environment), refuse_leaks=probe["refuse_leaks"])
    times, seen = probe_mcp(talk, probe)
    return Observation("healthy", f"POST {place}: {seen}", tuple(times))


def look_authorizer(look: Look) -> Observation:
    """Ask an authorizer about a good token that came round the CDN."""
    times, seen = probe_authorizer(look.client("lambda"), look.probe, look.token, step_of(look.probe))
    return Observation("healthy", seen, tuple(times))


def check_url(probe: dict[str, t.Any]) -> str | None:
    """Return what is wrong with the URL of a probe, or None."""
    try:
        parts = urlsplit(probe["url"])
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        return f"url={plain_text(probe['url'])} is not an http:// or https:// URL. Correct it"
    if "@" in parts.netloc:
        shown = plain_url(probe["url"])
        return f"url={shown} holds a user or a password. Remove them; a token is read from token_file"
    if probe["token_file"] and parts.scheme == "http" and not is_loopback(parts.hostname):
        return f"url={plain_url(probe['url'])} would carry the token unencrypted. Use https://, or leave out token_file"
    return None


def plain_text(url: str) -> str:
    return shorten(url.rpartition("@")[2].partition("?")[0])


def check_mcp(probe: dict[str, t.Any]) -> str | None:
    """Return what is wrong with the options of a round trip, or None."""
    if (probe["url"] is None) == (probe["lambda"] is None):
        return "exactly one of url and lambda is wanted. Set one"
    for option in ("arguments", "expect"):
        if probe[option] is not None and not probe["tool"]:
            return f"{option} is of no use without tool. Name the tool, or remove it"
    try:
        re.compile(probe["expect"] or "")
    except re.error as error:
        return f"expect={probe['expect']!r} is not a regular expression ({error}). Correct it"
    if probe["lambda"]:
        return None if probe["lambda"]["host"] else "lambda.host is not set. Name the host that the server allows"
    return check_url(probe)


HTTP_KINDS = (
    Kind(
        "mcp",
        look_mcp,
        TIMED | {"url", "lambda", "token_file", "tool", "arguments", "expect", "refuse_leaks", "ca_file"},
        check=check_mcp,
        step=step_of,
    ),
    Kind(
        "http",
        look_http,
        TIMED | {"url", "token_file", "method", "expect_status", "expect_json", "return_json", "ca_file"},
        required=("url",),
        check=check_url,
        step=step_of,
    ),
    Kind(
        "authorizer",
        look_authorizer,
        TIMED | {"lambda", "method_arn", "token_file", "refuse_leaks"},
        required=("lambda", "method_arn", "token_file"),
        step=step_of,
    ),
)
