# SPDX-License-Identifier: MIT
"""Lambda's HTTP events and answers: REST API, HTTP API, function URL and load balancer, as ASGI knows requests."""

from __future__ import annotations

import base64
import enum
import http
import itertools
import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from .authorizer import ORIGIN_HEADER
from .exchange import REQUEST_ID

# Lambda refuses answers over 6 MiB and a load balancer those over 1 MB, counted as JSON; what is left covers the
# little that their encoders add.
MAX_ANSWER_BYTES = 6_000_000
MAX_BALANCER_ANSWER_BYTES = 990_000

Pairs = list[tuple[str, str]]

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript", "application/problem+json")
_TRACE_HEADER = "x-amzn-trace-id"
_PROXY_HEADERS = frozenset(("x-forwarded-for", "forwarded", "via"))

logger = logging.getLogger("pratiko_mcp")


class Form(enum.Enum):
    """What a caller sends and wants back."""

    REST_API = "payload format 1.0"
    HTTP_API = "payload format 2.0, of function URLs as well"
    BALANCER = "load balancer, each header with one value"
    BALANCER_LISTS = "load balancer, headers with all their values"


class Invocation(NamedTuple):
    """What the platform knows about an invocation: its id, and the trace that it belongs to."""

    request_id: str | None
    trace: str | None


class Call(NamedTuple):
    """A request: its ASGI scope, its body, and the form that its answer must have."""

    scope: dict[str, Any]
    body: bytes
    form: Form


class Answer(NamedTuple):
    """A whole reply of the application."""

    status: int
    headers: Pairs
    body: bytes


def error_answer(status: int, error: str, request_id: object) -> Answer:
    """Return a JSON reply for what the application cannot answer itself."""
    body = json.dumps({"error": error, "request_id": request_id}).encode()
    return Answer(status, [("content-type", "application/json")], body)


def read_event(event: Mapping[str, Any], invocation: Invocation) -> Call:
    """Translate an event.

    :raises ValueError: it is no HTTP request
    """
    form = _form(event)
    method, path, query, headers = _READERS[form](event)
    # The origin's secret is for the authorizer alone: the server behind it could log it or send it on.
    headers = [(name.lower(), value) for name, value in headers if name.lower() != ORIGIN_HEADER]
    if invocation.trace and not any(name == _TRACE_HEADER for name, _ in headers):
        headers.append((_TRACE_HEADER, invocation.trace))
    found = dict(headers)
    gateway = event.get("requestContext") or {}
    client = (gateway.get("identity") or gateway.get("http") or {}).get("sourceIp")
    decoded = _without_stage(path if "elb" not in gateway else unquote(path), gateway.get("stage"))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": found.get("x-forwarded-proto", "https"),
        "path": decoded,
        "raw_path": quote(decoded).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers],
        "client": (client, 0) if client else None,
        "server": (found.get("host", "lambda"), 443),
        REQUEST_ID: gateway.get("requestId") or _balancer_id(gateway, found) or invocation.request_id,
    }
    return Call(scope, _read_body(event), form)


def _form(event: Mapping[str, Any]) -> Form:
    gateway = event.get("requestContext") if isinstance(event, Mapping) else None
    gateway = gateway if isinstance(gateway, Mapping) else {}
    if isinstance(event, Mapping) and event.get("version") == "2.0" and "http" in gateway:
        return Form.HTTP_API
    if not isinstance(event, Mapping) or "httpMethod" not in event or "path" not in event:
        raise ValueError(
            "This function answers HTTP requests from API Gateway (REST API, or HTTP API with payload format 1.0 or "
            f"2.0), a function URL or an Application Load Balancer; this event is {_outline(event)}. Remove the other "
            "trigger, or send it to a function of its own."
        )
    if "elb" not in gateway:
        return Form.REST_API
    return Form.BALANCER_LISTS if "multiValueHeaders" in event else Form.BALANCER


def _outline(event: object) -> str:
    """Describe an event by the names in it: its values may be secrets."""
    if not isinstance(event, Mapping):
        return f"of type {type(event).__name__}"
    names = ", ".join(str(name)[:40] for name in itertools.islice(event, 8))
    return f"an object with {names}" if names else "an empty object"


def _read_rest(event: Mapping[str, Any]) -> tuple[str, str, str, Pairs]:
    """Read a REST API's event; the fields with several values win over those with one."""
    # The API names no binary media types, so it would send a compressed reply on as base64.
    pairs = [(name, value) for name, value in _headers(event) if name.lower() != "accept-encoding"]
    return event["httpMethod"], event["path"], urlencode(_query(event)), pairs


def _read_http(event: Mapping[str, Any]) -> tuple[str, str, str, Pairs]:
    """Read an HTTP API's or a function URL's event; it carries cookies apart from the headers."""
    headers = list((event.get("headers") or {}).items())
    if event.get("cookies"):
        headers.append(("cookie", "; ".join(event["cookies"])))
    request = event["requestContext"]["http"]
    return request["method"], event["rawPath"], event.get("rawQueryString", ""), headers


def _read_balancer(event: Mapping[str, Any]) -> tuple[str, str, str, Pairs]:
    """Read a load balancer's event: path and query come as the client wrote them."""
    headers = _headers(event)
    if not _PROXY_HEADERS.intersection(name.lower() for name, _ in headers):
        # A balancer may be set to leave the header out; what is not for the public asks whether it is there.
        headers.append(("x-forwarded-for", "unknown"))
    return event["httpMethod"], event["path"], "&".join(f"{name}={value}" for name, value in _query(event)), headers


_READERS = {
    Form.REST_API: _read_rest,
    Form.HTTP_API: _read_http,
    Form.BALANCER: _read_balancer,
    Form.BALANCER_LISTS: _read_balancer,
}


def _headers(event: Mapping[str, Any]) -> Pairs:
    return _pairs(event.get("multiValueHeaders"), event.get("headers"))


def _query(event: Mapping[str, Any]) -> Pairs:
    return _pairs(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters"))


def _pairs(several: Mapping[str, list[str]] | None, single: Mapping[str, str] | None) -> Pairs:
    if several:
        return [(name, value) for name, values in several.items() for value in values]
    return list((single or {}).items())


def _without_stage(path: str, stage: str | None) -> str:
    """Drop a leading ``/stage/``; the path of a REST event has none, that of an HTTP API with named stages has."""
    prefix = f"/{stage}/"
    return path[len(prefix) - 1 :] if stage and path.startswith(prefix) else path


def _balancer_id(gateway: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return the id that a load balancer gave the request: ``Self`` where the client brought a ``Root`` of its own."""
    trace = headers.get(_TRACE_HEADER, "") if "elb" in gateway else ""
    found = re.search(r"\bSelf=([\w-]+)", trace) or re.search(r"\bRoot=([\w-]+)", trace)
    return found[1] if found else None


def _read_body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def write_answer(answer: Answer, form: Form) -> dict[str, Any]:
    """Translate a reply into the caller's form, or say that it is more than Lambda passes on."""
    balanced = form in (Form.BALANCER, Form.BALANCER_LISTS)
    document = _to_document(answer, form)
    size = _size_as_json(document)
    if size <= (MAX_BALANCER_ANSWER_BYTES if balanced else MAX_ANSWER_BYTES):
        return document
    limit = "a load balancer's" if balanced else "Lambda's"
    logger.error("a reply of %d bytes, %d as JSON, is over %s limit", len(answer.body), size, limit)
    request_id = dict(answer.headers).get("x-request-id")
    return _to_document(error_answer(500, "reply_too_large", request_id), form)


def _size_as_json(document: Mapping[str, Any]) -> int:
    """Count the bytes that Lambda will count: its runtimes before Python 3.12 escape all but ASCII."""
    return len(json.dumps(document, ensure_ascii=sys.version_info < (3, 12)).encode())


def _to_document(answer: Answer, form: Form) -> dict[str, Any]:
    text = _as_text(answer)
    return {
        "statusCode": answer.status,
        "body": text if text is not None else base64.b64encode(answer.body).decode(),
        "isBase64Encoded": text is None,
        **_WRITERS[form](answer),
    }


def _write_rest(answer: Answer) -> dict[str, Any]:
    single, repeated = _group(answer.headers)
    return {"headers": single, "multiValueHeaders": repeated}


def _write_http(answer: Answer) -> dict[str, Any]:
    single, repeated = _group(answer.headers)
    cookies = repeated.pop("set-cookie", [])
    return {"headers": single | _joined(repeated), "cookies": cookies}


def _write_balancer(answer: Answer) -> dict[str, Any]:
    """Give each header one value; several cookies get names that differ in their letters' case only."""
    single, repeated = _group(answer.headers)
    cookies = dict(zip(_spellings("set-cookie"), repeated.pop("set-cookie", []), strict=False))
    return {"statusDescription": _description(answer.status), "headers": single | _joined(repeated) | cookies}


def _write_balancer_lists(answer: Answer) -> dict[str, Any]:
    single, repeated = _group(answer.headers)
    lists = {name: [value] for name, value in single.items()} | repeated
    return {"statusDescription": _description(answer.status), "multiValueHeaders": lists}


_WRITERS = {
    Form.REST_API: _write_rest,
    Form.HTTP_API: _write_http,
    Form.BALANCER: _write_balancer,
    Form.BALANCER_LISTS: _write_balancer_lists,
}


def _group(headers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Separate headers that occur once from those that repeat; cookies always count as repeating."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(value)
    repeated = {name: values for name, values in grouped.items() if len(values) > 1 or name == "set-cookie"}
    return {name: values[0] for name, values in grouped.items() if name not in repeated}, repeated


def _joined(repeated: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: ", ".join(values) for name, values in repeated.items()}


def _spellings(name: str) -> Iterable[str]:
    """Return the spellings of a header's name, lower case first."""
    return map("".join, itertools.product(*(dict.fromkeys((letter, letter.upper())) for letter in name)))


def _description(status: int) -> str:
    """Return a status line's text, which a load balancer wants."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Other"


def _as_text(answer: Answer) -> str | None:
    """Return the body as text, or None when it must travel as base64."""
    headers = {name.lower(): value for name, value in answer.headers}
    if "content-encoding" in headers or not headers.get("content-type", "text/plain").startswith(_TEXT_TYPES):
        return None
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        return None
