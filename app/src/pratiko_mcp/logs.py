# SPDX-License-Identifier: MIT
"""JSON log lines for everything that runs in the process, with the request's ids and without secrets."""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")

# Characters of a text and of each of its lines that are kept: whoever sends megabytes must not get them logged.
MAX_TEXT = 16_384
MAX_LINE = 2_048
REDACTED = "[redacted]"

_HEADERS = ("authorization", "cookie", "x-mcp-origin", "x-api-key", "x-amz-security-token")
_NAMES = ("api-key", "api_key", "apikey", "credential", "passwd", "password", "secret", "secretaccesskey", "signature")
_SECRET_NAMES = (*_HEADERS, *_NAMES, "access_key", "token")
_QUOTE = r"""\\{0,3}["']"""
_ANY = re.ASCII | re.IGNORECASE


def _alternatives(names: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(names)})"


# Lower-case words of which a text must hold one, and what to look for then; the first group stays. No repetition takes
# what its neighbour could take as well, so each pattern is linear for any text.
_SECRETS = (
    # base64 of a JSON object: tokens, sealed state
    (("eyj",), re.compile(r"()eyJ[\w.~+/=-]{16,}+", re.ASCII)),
    (("bearer", "dpop"), re.compile(r"(\b(?:bearer|dpop)\s{1,8})[^\s\"',;\\]{8,}+", _ANY)),
    # a parameter of a query or a form
    (_SECRET_NAMES, re.compile(rf"({_alternatives(_SECRET_NAMES)}(?:=|%3d))[^&\s\"'<>,;]++", _ANY)),
    # a quoted value, as in JSON and in Python's representations
    (
        _SECRET_NAMES,
        re.compile(rf"({_alternatives(_SECRET_NAMES)}(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}}b?{_QUOTE})[^\"'\r\n]++", _ANY),
    ),
    # a header, or one of ASGI's pairs
    (
        _HEADERS,
        re.compile(rf"({_alternatives(_HEADERS)}(?:{_QUOTE})?[:,]\s{{0,4}}(?:b?{_QUOTE})?)[^\s\"'][^\"'\r\n]*+", _ANY),
    ),
    # the private members of a JSON Web Key
    (
        ('"d"', "'d'", '"d\\', "'d\\", '"k"', "'k'", '"k\\', "'k\\"),
        re.compile(rf"({_QUOTE}(?:d|p|q|dp|dq|qi|k){_QUOTE}\s{{0,4}}:\s{{0,4}}{_QUOTE})[\w+/=-]{{16,}}+", re.ASCII),
    ),
    (("private key",), re.compile(r"(-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----)[^-]++")),
    # pydantic shows a caller's argument here, up to the end of the line
    (("input_value=",), re.compile(r"(input_value=)[^\n]++")),
    (("arguments",), re.compile(rf"(\barguments(?:{_QUOTE})?\s{{0,4}}[:=]\s{{0,4}})[\[{{].*+", re.ASCII | re.DOTALL)),
)
_WORDS = tuple({word: None for words, _ in _SECRETS for word in words})

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_AMAZON_ROOT = re.compile(r"(?:^|;)\s?Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?=;|$)")

# Classes of their own that write to the console; known by name so that nothing is imported for them.
_WRITERS = ("LambdaLoggerHandler", "LambdaLoggerHandlerWithFrameType", "RichHandler")
_encode = json.JSONEncoder(default=str).encode
# Reentrant: a signal handler may log while a line is being written.
_write_lock = threading.RLock()


def configure_logging(level: str) -> None:
    """Send every logger's records to standard output as JSON lines.

    May be called again, after libraries have set up handlers of their own. The SDK's own lines for every request, and
    botocore's for every process, only show up when debugging.

    :param level: DEBUG, INFO, WARNING or ERROR
    """
    root = logging.getLogger()
    named = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    for logger in (root, *named):
        _remove_writers(logger)
    root.addHandler(_Handler())
    root.setLevel(level)
    for chatty in ("mcp", "botocore"):
        logging.getLogger(chatty).setLevel(level if level in ("DEBUG", "ERROR") else "WARNING")
    logging.captureWarnings(True)


def _remove_writers(logger: logging.Logger) -> None:
    """Take away the handlers that write to the console; files and services keep theirs."""
    writers = [handler for handler in logger.handlers if _is_writer(handler)]
    for handler in writers:
        logger.removeHandler(handler)
    if writers:
        logger.propagate = True


def _is_writer(handler: logging.Handler) -> bool:
    console = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    named = isinstance(handler, _Handler) or type(handler).__name__ in _WRITERS
    return named or (isinstance(handler, logging.StreamHandler) and handler.stream in console)


class _Handler(logging.Handler):
    """Writes to what is standard output at that moment: Lambda and tests replace it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        _write_line(self.format(record))


class JsonFormatter(logging.Formatter):
    """Turns a record into one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line, redacted."""
        fields = {"level": record.levelname, "logger": record.name, "message": _message(record)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return _dump({name: redact(_shorten(text)) for name, text in fields.items()}, record.created)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # logging's own way would print the arguments as they are
        return f"a log line of {record.filename}:{record.lineno} has arguments that do not fit its text"


def write(fields: Mapping[str, Any]) -> None:
    """Write one JSON line to standard output: a time, these fields, and the request's ids unless among them.

    :param fields: values that JSON has; texts are redacted, also in lists and dictionaries but for ``_aws``
    """
    _write_line(_dump(_redact_fields(fields), time.time()))


def _redact_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = [value for value in fields.values() if type(value) is str]
    nested = any(type(value) in (dict, list) for name, value in fields.items() if name != "_aws")
    if not nested and not _is_suspect("\n".join(texts)):
        return fields
    return {name: value if name == "_aws" else _redact_value(value) for name, value in fields.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(_shorten(value))
    if isinstance(value, Mapping):
        return {name: _redact_value(item) for name, item in value.items()}
    return [_redact_value(item) for item in value] if isinstance(value, (list, tuple)) else value


def _dump(fields: Mapping[str, Any], when: float) -> str:
    """Return a line; JSON escapes all that could end it or forge another."""
    line = {"timestamp": _timestamp(when), **fields}
    for name, variable in (("request_id", request_id), ("trace_id", trace_id)):
        if name not in line and (value := variable.get()):
            line[name] = value
    return _encode(line)


def _timestamp(when: float) -> str:
    """Return RFC 3339 in UTC with milliseconds; Lambda's JSON log format filters by it."""
    whole = int(when)
    return f"{_second(whole)}.{int((when - whole) * 1000):03d}Z"


@functools.lru_cache(maxsize=2)
def _second(when: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))


def _write_line(line: str) -> None:
    with _write_lock:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):  # closed or full: no reason to fail a request, and nowhere to say it
            return


def redact(text: str) -> str:
    """Return the text without tokens, signatures, private keys and callers' arguments."""
    lower = text.lower()
    for words, pattern in _SECRETS:
        if any(word in lower for word in words):
            text = pattern.sub(rf"\1{REDACTED}", text)
    return text


def _is_suspect(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in _WORDS)


def _shorten(text: str) -> str:
    """Leave out the ends of long lines and of a long text: never a beginning, by which a secret is recognised."""
    if len(text) <= MAX_LINE:
        return text
    lines = (_cut(line, MAX_LINE) for line in text[: 2 * MAX_TEXT].split("\n"))
    return _cut("\n".join(lines) + text[2 * MAX_TEXT :], MAX_TEXT)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}... [{len(text) - length} characters left out]"


def trace_id_of(headers: Mapping[str, str], env: Mapping[str, str] = os.environ) -> str:
    """Return the id of the trace that a request belongs to, empty when there is none.

    :param headers: names in lower case
    :param env: the environment, where Lambda names the invocation's trace
    :return: 32 hexadecimal digits (W3C), or the root as X-Ray writes it: 1-8 digits-24 digits
    """
    if match := _TRACEPARENT.fullmatch(headers.get("traceparent", "")):
        return match[1]
    for value in (headers.get("x-amzn-trace-id", ""), env.get("_X_AMZN_TRACE_ID", "")):
        if match := _AMAZON_ROOT.search(value):
            return match[1]
    return ""
