# SPDX-License-Identifier: MIT
"""Log lines: one JSON object each, with the request's ids, without secrets, whatever is thrown at them."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pydantic
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from pratiko_mcp import logs
from pratiko_mcp.logs import MAX_TEXT, JsonFormatter, configure_logging, redact, trace_id_of, write

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AMAZON_TRACE = "1-67891233-abcdef012345678912345678"
TOKEN = jwt.encode({"sub": "alice"}, "k" * 32, "HS256")
LOGGER = logging.getLogger("users_server.orders")


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root, sdk = logging.getLogger(), logging.getLogger("mcp")
    before = root.handlers[:], root.level, sdk.level
    ids = logs.request_id.set(""), logs.trace_id.set("")
    yield
    logs.request_id.reset(ids[0])
    logs.trace_id.reset(ids[1])
    logging.captureWarnings(False)
    root.handlers[:], root.level, sdk.level = before
    logging.getLogger("someone").handlers.clear()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    configure_logging("INFO")
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


Lines = Callable[[], list[dict[str, Any]]]


def test_a_record_is_one_line_of_json(lines: Lines) -> None:
    LOGGER.warning("order %s is late", 7)
    (line,) = lines()
    assert time.strptime(line.pop("timestamp")[:19], "%Y-%m-%dT%H:%M:%S")
    assert line == {"level": "WARNING", "logger": "users_server.orders", "message": "order 7 is late"}


def test_the_ids_of_the_request_are_on_each_line(lines: Lines) -> None:
    def request() -> None:
        logs.request_id.set("req-1")
        logs.trace_id.set(TRACE)
        LOGGER.info("in")
        write({"event": "request"})

    contextvars.copy_context().run(request)
    LOGGER.info("out")
    *inside, outside = lines()
    assert [(line["request_id"], line["trace_id"]) for line in inside] == [("req-1", TRACE)] * 2
    assert not {"request_id", "trace_id"} & outside.keys()


def test_an_exception_is_one_string_in_its_record(lines: Lines) -> None:
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        LOGGER.exception("failed", stack_info=True)
    (line,) = lines()
    assert line["exception"].startswith("Traceback") and line["exception"].endswith("RuntimeError: first\nsecond")
    assert "test_an_exception_is_one_string" in line["stack"]


@given(st.text())
def test_no_text_forges_a_line(text: str) -> None:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        configure_logging("INFO")
        LOGGER.info("%s", text)
        write({"path": text})
    record, written = out.getvalue().splitlines()
    assert json.loads(record)["message"] == redact(text)
    assert json.loads(written)["path"] == redact(text)


def test_a_record_whose_arguments_do_not_fit_shows_none() -> None:
    record = logging.LogRecord("orders", logging.ERROR, "orders.py", 12, "one %s two %s", ("tops3cret",), None)
    line = JsonFormatter().format(record)
    assert "orders.py:12 has arguments that do not fit" in json.loads(line)["message"]
    assert "tops3cret" not in line


def test_levels_and_the_chatter_of_the_sdk(lines: Lines) -> None:
    sdk = logging.getLogger("mcp.server.lowlevel.server")
    LOGGER.debug("no")
    sdk.info("no")
    configure_logging("DEBUG")
    LOGGER.debug("yes")
    sdk.info("yes")
    assert [line["message"] for line in lines()] == ["yes", "yes"]


def test_configuring_twice_writes_once(lines: Lines) -> None:
    configure_logging("INFO")
    LOGGER.info("once")
    assert len(lines()) == 1


def test_handlers_that_write_to_the_console_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class LambdaLoggerHandler(logging.Handler):
        """Stands for the one of Lambda's runtime."""

        def emit(self, record: logging.LogRecord) -> None:
            sys.stdout.write("text\n")

    someone = logging.getLogger("someone")
    someone.propagate = False
    kept = logging.FileHandler(tmp_path / "kept.log")
    someone.handlers[:] = [logging.StreamHandler(), kept]
    logging.getLogger().addHandler(LambdaLoggerHandler())
    configure_logging("INFO")
    someone.error("hello")
    kept.close()
    captured = capsys.readouterr()
    assert [json.loads(line)["message"] for line in captured.out.splitlines()] == ["hello"]
    assert captured.err == ""
    assert (tmp_path / "kept.log").read_text() == "hello\n"


def test_uvicorn_and_warnings_come_out_as_json(lines: Lines) -> None:
    uvicorn.Config("nowhere:app", log_config=None, log_level="info", access_log=False)
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # pytest's own recorder is in the way of the first call
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    started, warned = lines()
    assert started["message"] == "Started server process [1]"
    assert warned["logger"] == "py.warnings" and "DeprecationWarning: old" in warned["message"]


def test_output_that_is_gone_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    write({"event": "request"})


def private_keys() -> Iterator[tuple[str, str]]:
    curve = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    long = jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    for key in (curve, long):
        for member in {"d", "p", "dq", "qi"} & key.keys():
            yield json.dumps(key), key[member]
            yield repr(key), key[member]
            yield json.dumps(json.dumps(key)), key[member]


SECRETS = [
    (f"authorization: Bearer {TOKEN}", TOKEN),
    (f"refused {TOKEN}.", TOKEN),
    (f"token_{TOKEN}", TOKEN),
    (f"headers {{'Authorization': 'Bearer {TOKEN}'}}", TOKEN.split(".")[2]),
    ("[(b'host', b'x'), (b'authorization', b'Basic dXNlcjpwYXNz')]", "dXNlcjpwYXNz"),
    ("BEARER opaque-token-17", "opaque-token-17"),
    ("DPoP opaque-token-17", "opaque-token-17"),
    ("x-mcp-origin: 5f0c9", "5f0c9"),
    ("{'x-mcp-origin': '5f0c9'}", "5f0c9"),
    ("Cookie: a=1; session=s3ss10n", "s3ss10n"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Signature=deadbeef&x=1", "deadbeef"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIDEXAMPLE%2F20261122&x=1", "AKIDEXAMPLE"),
    ("https://b.s3.amazonaws.com/k?X-Amz-Security-Token=IQoJb3JpZ2luX2VjE&x=1", "IQoJb3JpZ2luX2VjE"),
    ("next=https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3Ddeadbeef", "deadbeef"),
    ("POST /token grant_type=refresh_token&refresh_token=r3fr3sh&client_secret=cl13nt", "r3fr3sh"),
    ("POST /token grant_type=refresh_token&refresh_token=r3fr3sh&client_secret=cl13nt", "cl13nt"),
    ("connect(password='hunter2')", "hunter2"),
    (r'{"body": "{\"client_secret\": \"cl13nt\"}"}', "cl13nt"),
    ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----", "MHcCAQEE"),
    ("Received CallToolRequest(arguments={'title': 'my diary'})", "my diary"),
    ('{"method": "tools/call", "params": {"name": "save", "arguments": {"title": "my diary"}}}', "my diary"),
    *private_keys(),
]


# Keys and tokens are made anew in each process; names that differ would keep it from sharing the work.
@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=range(len(SECRETS)))
def test_secrets_are_redacted(text: str, secret: str, lines: Lines) -> None:
    assert secret in text
    LOGGER.error("%s", text)
    write({"path": text, "nested": {"list": [text]}})
    assert secret not in json.dumps(lines())
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "the bearer token is expired",
        "Could not read the secret arn:aws:secretsmanager:eu-south-1:123456789012:secret:mcp/prod/state-AbCdEf",
        "save() missing 2 required positional arguments: 'title' and 'body'",
        "max_tokens=500, cookies are off",
        "key 'd' is missing, 'k' too",
        "GET https://b.s3.amazonaws.com/k?versionId=3",
    ],
)
def test_what_explains_a_failure_stays(text: str) -> None:
    assert redact(text) == text


def test_what_surrounds_a_signature_stays() -> None:
    url = "https://b.s3.amazonaws.com/k?X-Amz-Date=20261122T000000Z&X-Amz-Signature=deadbeef&x-id=GetObject failed"
    assert redact(url) == url.replace("deadbeef", "[redacted]")


def test_arguments_in_validation_errors_are_redacted(lines: Lines) -> None:
    class Arguments(pydantic.BaseModel):
        """Of a tool."""

        pages: int

    given = {"pages": "my diary, input_type=str] still\nmine"}
    try:
        Arguments.model_validate(given)
    except pydantic.ValidationError:
        LOGGER.exception("refused")
    text = json.dumps(lines())
    assert "diary" not in text and "still" not in text
    assert "Input should be a valid integer" in text


@given(st.text(), st.text())
def test_a_token_is_found_in_any_text(before: str, after: str) -> None:
    assert TOKEN not in redact(before + TOKEN + after)


HOSTILE = (
    *(
        "eyJ",
        "eyJ.",
        "bearer ",
        "bearer  ",
        "authorization:",
        "authorization: '",
        "cookie",
        "token=",
        "token = '",
        "secret",
    ),
    *('"d":"', "'d' : '", '"d"', "\\", "\\'", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "PRIVATE KEY"),
    *("input_value=", "arguments", "arguments=", "arguments={", " ", "a", "=", "%3d", "\n", "\r\n"),
)


def cost(action: Callable[[str], object], text: str) -> float:
    """Return the seconds of processor time."""
    began = time.process_time()
    action(text)
    return time.process_time() - began


@pytest.mark.parametrize("part", HOSTILE)
def test_a_megabyte_of_anything_is_redacted_in_linear_time(part: str) -> None:
    small, large = 2**15 // len(part), 2**20 // len(part)
    everything = " eyj bearer cookie 'd' private key input_value= arguments"  # so that no pattern is left out
    for end in ("", everything):
        quick = max(min(cost(redact, part * small + end) for _ in range(3)), 0.001)
        # 32 times the text; were it quadratic, 1024 times the cost.
        assert cost(redact, part * large + end) < 32 * 6 * quick


def test_megabytes_cost_a_record_no_more_than_what_is_kept_of_them(lines: Lines) -> None:
    line = "cookie " * 300 + "\n"
    kept = max(min(cost(LOGGER.error, line * 20) for _ in range(3)), 0.001)
    assert cost(LOGGER.error, line * 4_000) < 20 * kept


def test_a_long_text_is_cut_after_nothing_secret(lines: Lines) -> None:
    LOGGER.error("%s", "a" * 2_000 + TOKEN * 1_000 + "\n" + "line\n" * 10_000 + "password='hunter2'")
    (line,) = lines()
    assert len(line["message"]) < MAX_TEXT + 100
    assert "characters left out]" in line["message"]
    assert TOKEN[:40] not in line["message"] and "hunter2" not in line["message"]


def test_embedded_metrics_are_written_as_they_are(lines: Lines) -> None:
    embedded = {"Timestamp": 1, "CloudWatchMetrics": [{"Metrics": [{"Name": "token='x'"}]}]}
    write({"_aws": embedded, "path": f"/{TOKEN}"})
    assert lines()[0]["_aws"] == embedded


@pytest.mark.parametrize(
    ("headers", "env", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, {}, TRACE),
        ({"traceparent": f"01-{TRACE}-00f067aa0ba902b7-01-more"}, {}, TRACE),
        ({"traceparent": f"ff-{TRACE}-00f067aa0ba902b7-01"}, {}, ""),
        ({"traceparent": f"00-{TRACE.upper()}-00f067aa0ba902b7-01"}, {}, ""),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, {}, ""),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, {}, ""),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01\n"}, {}, ""),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-amzn-trace-id": f"Root={AMAZON_TRACE}"}, {}, TRACE),
        ({"traceparent": "<script>", "x-amzn-trace-id": f"Root={AMAZON_TRACE}"}, {}, AMAZON_TRACE),
        ({"x-amzn-trace-id": f"Self=1-1-1;Root={AMAZON_TRACE};Parent=1;Sampled=0"}, {}, AMAZON_TRACE),
        ({"x-amzn-trace-id": f"Root={AMAZON_TRACE}9"}, {}, ""),
        ({"x-amzn-trace-id": "Root=1-67891233-\nforged"}, {}, ""),
        ({}, {"_X_AMZN_TRACE_ID": f"Root={AMAZON_TRACE};Parent=53995c3f42cd8ad8;Sampled=1"}, AMAZON_TRACE),
        ({"traceparent": "0" * 10_000_000, "x-amzn-trace-id": ";" * 10_000_000}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_trace_ids_are_read_and_nothing_else(headers: dict[str, str], env: dict[str, str], expected: str) -> None:
    assert trace_id_of(headers, env) == expected
