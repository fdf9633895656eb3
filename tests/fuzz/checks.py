# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold after every case, whatever was sent."""

from __future__ import annotations

import json
import re
import typing as t

from tests.fuzz.hostile import CANARY
from tests.fuzz.requests import NOTHING, Sent, decode, owed_id
from tests.fuzz.tokens import Credential
from tests.fuzz.wire import Reply
from tests.support.checkout import ROOT

# What the runtime itself says, with the status that goes with it. The one of uvicorn comes before the runtime.
OWN_ERRORS = {
    400: {"repeated_header"},
    401: {"unauthorized", "invalid_token"},
    403: {"origin_not_allowed"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    408: {"body_too_slow"},
    413: {"body_too_large"},
    421: {"host_not_allowed"},
}
BROKEN_HTTP = b"Invalid HTTP request received."
# With these the server may not have read the message, nor its id.
UNREAD = (400, 404, 405, 406, 415)
INSIDE = re.compile(
    rf"Traceback|File \\?\"|site-packages|\.py\b|{re.escape(str(ROOT))}|<[\w.]+ object at 0x|\bat 0x[0-9a-f]{{6,}}"
)
# Fields of the log that callers choose, and are meant to.
CHOSEN = ("request_id", "trace_id", "mcp_method", "tool")


class Violation(AssertionError):
    """The server did what it must never do."""


def demand(truth: object, text: str) -> None:
    """Raise a `Violation` unless something is true."""
    if not truth:
        raise Violation(text)


def check_reply(
    reply: Reply, credential: Credential, asked: bytes, sent: Sent | None = None, whole: bool = True
) -> None:
    """Check one response.

    :param asked: all that was sent, parts of which may come back
    :param sent: the request that it answers, where that is known
    :param whole: the body was read to its end
    """
    demand(reply.status < 500, f"status {reply.status}: {reply.body[:500]!r}")
    if credential.verdict == "good" and sent and sent.values(b"authorization") == [credential.header]:
        demand(reply.status != 401, f"a good token was refused: {reply.body!r}")
    text = reply.body.decode("utf-8", "backslashreplace") + repr(dict(reply.headers))
    for found in set(INSIDE.findall(text)):
        demand(found.encode() in asked, f"the reply shows the server's inside ({found!r}): {text[:1000]}")
    demand(not _shows(text, credential), f"the reply shows the token: {text[:1000]}")
    if reply.status == 400 and BROKEN_HTTP.startswith(reply.body) and "x-request-id" not in reply.headers:
        return
    demand(reply.headers.get("x-request-id"), f"a reply without x-request-id: {reply}")
    for document in read_documents(reply) if whole else ():
        _check_document(document, reply, sent)


def _shows(text: str, credential: Credential) -> bool:
    """Tell whether a text has a token, or the part of it that makes it one."""
    signature = credential.secret.rpartition(".")[2]
    return any(len(secret) > 12 and secret in text for secret in (credential.secret, signature))


def read_documents(reply: Reply) -> list[t.Any]:
    """Return the JSON documents of a reply, which an event stream has several of."""
    kind = reply.headers.get("content-type", "").partition(";")[0]
    try:
        if kind == "application/json":
            return [json.loads(reply.body)] if reply.body else []
        if kind == "text/event-stream":
            events = reply.body.decode().replace("\r\n", "\n").split("\n\n")
            lines = [line[6:] for event in events for line in event.split("\n") if line.startswith("data: ")]
            return [json.loads(line) for line in lines if line]
    except ValueError as error:
        raise Violation(f"{kind} that cannot be read: {error}: {reply.body[:500]!r}") from error
    demand(kind in ("", "text/plain"), f"a reply of the type {kind!r}")
    return []


def _check_document(document: t.Any, reply: Reply, sent: Sent | None) -> None:
    if isinstance(document, dict) and "jsonrpc" in document:
        if "method" not in document:
            _check_answer(document, reply, sent)
    elif reply.status != 200:
        error = document.get("error") if isinstance(document, dict) else None
        demand(error in OWN_ERRORS.get(reply.status, ()), f"status {reply.status} with {document!r}")


def _check_answer(answer: dict[str, t.Any], reply: Reply, sent: Sent | None) -> None:
    """Check an answer by JSON-RPC 2.0."""
    demand(answer["jsonrpc"] == "2.0", f"not JSON-RPC 2.0: {answer!r}")
    demand(("result" in answer) != ("error" in answer), f"neither result nor error, or both: {answer!r}")
    error = answer.get("error", {"code": 0, "message": ""})
    typed = isinstance(error, dict) and type(error.get("code")) is int and isinstance(error.get("message"), str)
    demand(typed, f"an error that is none: {answer!r}")
    if sent is not None:
        repeated = CANARY in json.dumps(error) and not _asks_for(sent, CANARY)
        demand(not repeated, f"an error repeats an argument: {answer!r}")
        _check_id(answer, owed_id(sent.body), reply)


def _asks_for(sent: Sent, name: str) -> bool:
    """Tell whether a request is about something of a name, which an error may say is not there."""
    document = decode(sent.body)
    if not isinstance(document, dict):
        return False
    method, params = document.get("method"), document.get("params")
    named = [params.get(key) for key in ("name", "uri")] if isinstance(params, dict) else []
    return name in json.dumps([method, *named, params if method == "prompts/get" else None])


def _check_id(answer: dict[str, t.Any], owed: t.Any, reply: Reply) -> None:
    given = answer.get("id")
    if owed is NOTHING:
        demand("error" in answer or given is not None, f"a result for nothing: {answer!r}")
        return
    exact = type(given) is type(owed) and given == owed
    unread = given is None and "error" in answer and reply.status in UNREAD
    demand(exact or unread, f"the id is {given!r}, not {owed!r}: {answer!r}")


def check_valid(reply: Reply) -> None:
    """Check the reply to a call with which nothing was wrong: a result, or that it comes too often."""
    answers = [document for document in read_documents(reply) if isinstance(document, dict)]
    good = [each for each in answers if "result" in each or each.get("error", {}).get("code") == RATE_LIMITED]
    demand(len(answers) == len(good) == 1, f"a good call got status {reply.status}: {reply.body[:500]!r}")


RATE_LIMITED = -32004


def check_line(line: str, credentials: t.Iterable[Credential]) -> dict[str, t.Any]:
    """Check one line of the log and return its fields."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise Violation(f"a log line is no JSON: {line[:1000]}") from error
    demand(isinstance(fields, dict) and "timestamp" in fields, f"a log line is not one of ours: {line[:1000]}")
    demand(fields.get("level") not in ("ERROR", "CRITICAL"), f"an error in the log: {line[:4000]}")
    said = {name: value for name, value in fields.items() if name not in CHOSEN}
    shown = "\n".join(map(str, said.values()))
    demand(CANARY not in shown, f"the log shows an argument: {line[:1000]}")
    found = INSIDE.search(shown)
    demand(not found, f"the log shows the server's inside ({found and found[0]!r}): {line[:4000]}")
    for credential in credentials:
        demand(not _shows(line, credential), f"the log shows a token: {line[:1000]}")
    return t.cast(dict[str, t.Any], fields)
