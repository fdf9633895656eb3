# SPDX-License-Identifier: MIT
"""Traces: when there are any, whose child a request is, what leaves the process, and how long it may take."""

from __future__ import annotations

import contextvars
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pratiko_mcp import endpoint, logs, telemetry
from pratiko_mcp.settings import SettingsError
from pratiko_mcp.telemetry import MAX_ATTRIBUTE, MAX_EVENT, Telemetry, configure

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
OTHER_TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
NO_URL = "not an http(s) URL (value not shown). Allowed: a URL such as"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OTEL_SDK_DISABLED", telemetry.ENDPOINT, telemetry.TRACES_ENDPOINT, telemetry.EXPORTER):
        monkeypatch.delenv(name, raising=False)
    before = logs.trace_id.set("")
    yield
    logs.trace_id.reset(before)


@pytest.fixture
def exported() -> Iterator[tuple[Telemetry, InMemorySpanExporter]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Telemetry(provider), exporter
    provider.shutdown()


def run_apart(script: str, **env: str) -> None:
    """Run what changes the process for good: there is one tracer provider in each."""
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": ":".join(sys.path), **env})


@pytest.mark.parametrize(
    "env",
    [
        {},
        {telemetry.ENDPOINT: ""},
        {telemetry.EXPORTER: "otlp"},
        {telemetry.EXPORTER: "none", telemetry.ENDPOINT: "http://127.0.0.1:4318"},
        {"OTEL_SDK_DISABLED": "TRUE", telemetry.ENDPOINT: "http://127.0.0.1:4318"},
        {"OTEL_SDK_DISABLED": "true", telemetry.EXPORTER: "console"},
    ],
)
def test_without_an_exporter_there_is_nothing(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert configure("test", "r1", "greeter") is None


def test_without_an_exporter_nothing_is_imported() -> None:
    script = (
        "import sys; from pratiko_mcp.telemetry import configure; configure('x', 'r1', 'y');"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    run_apart(script)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        (telemetry.EXPORTER, "zipkin", "'zipkin'. Allowed: otlp, console, none."),
        (telemetry.TRACES_ENDPOINT, "collector:4317", "not an http(s) URL (value not shown). Allowed: a URL such as"),
        (
            telemetry.ENDPOINT,
            "grpc://user:hunter2@host",
            "not an http(s) URL (value not shown). Allowed: a URL such as",
        ),
        (telemetry.ENDPOINT, "http://host:99999", "not an http(s) URL (value not shown). Allowed: a URL such as"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "'grpc'. Allowed: http/protobuf."),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "'http/json'. Allowed: http/protobuf."),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "PROTOCOL" in name:
        monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        configure("test", "r1", "greeter")
    assert str(caught.value).startswith(f"{name} is {shown}")
    assert "hunter2" not in str(caught.value)


def test_libraries_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(telemetry.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"is set, but opentelemetry\.sdk\.trace is not installed\. .*pip install"):
        configure("test", "r1", "greeter")


def test_the_environments_own_names_go_first() -> None:
    script = (
        "from opentelemetry import trace;"
        "from pratiko_mcp.telemetry import configure; configure('test', 'r1', 'greeter');"
        "found = dict(trace.get_tracer_provider().resource.attributes); "
        "assert found['service.name'] == 'theirs' and found['service.version'] == 'r1'"
    )
    run_apart(script, OTEL_TRACES_EXPORTER="console", OTEL_SERVICE_NAME="theirs")


def test_a_provider_of_the_served_application_stays() -> None:
    script = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider;"
        "theirs = TracerProvider(); trace.set_tracer_provider(theirs);"
        "from pratiko_mcp.telemetry import configure; traces = configure('test', 'r1', 'greeter');"
        "assert trace.get_tracer_provider() is theirs and not theirs._active_span_processor._span_processors;"
        "assert traces.span({}, 'POST /mcp', {}).__enter__().resource is theirs.resource"
    )
    run_apart(script, OTEL_TRACES_EXPORTER="console")


@pytest.mark.parametrize(
    ("headers", "meta", "trace_id", "parent"),
    [
        ({"traceparent": TRACEPARENT}, None, TRACE, PARENT),
        ({"traceparent": TRACEPARENT}, {"traceparent": OTHER_TRACEPARENT}, TRACE, PARENT),
        ({"traceparent": "broken"}, {"traceparent": TRACEPARENT}, TRACE, PARENT),
        ({}, {"traceparent": TRACEPARENT, "tracestate": 7, "progressToken": "x"}, TRACE, PARENT),
        ({}, {"traceparent": [TRACEPARENT]}, None, None),
        ({}, ["traceparent"], None, None),
        ({"traceparent": "\x00" * 10_000}, {"traceparent": "f" * 10_000}, None, None),
        ({}, None, None, None),
    ],
)
def test_a_request_continues_its_callers_trace(
    headers: dict[str, str], meta: object, trace_id: str | None, parent: str | None, exported: Any
) -> None:
    traces, exporter = exported
    with traces.span(headers, "POST /mcp", {"http.request.method": "POST"}, meta) as span:
        span.set_attribute("http.response.status_code", 200)
    (found,) = exporter.get_finished_spans()
    assert found.kind is trace.SpanKind.SERVER
    assert dict(found.attributes) == {"http.request.method": "POST", "http.response.status_code": 200}
    assert parent == (f"{found.parent.span_id:016x}" if found.parent else None)
    assert trace_id in (f"{found.context.trace_id:032x}", None)


def test_a_span_that_is_open_already_is_the_parent(exported: Any) -> None:
    traces, exporter = exported
    with traces.span({}, "outer", {}), traces.span({"traceparent": TRACEPARENT}, "inner", {}):
        pass
    inner, outer = exporter.get_finished_spans()
    assert inner.parent.span_id == outer.context.span_id


def test_logs_carry_the_spans_trace_id(exported: Any) -> None:
    traces, exporter = exported

    def request() -> str:
        logs.trace_id.set("from the gateway")
        with traces.span({}, "POST /mcp", {}):
            pass
        return logs.trace_id.get()

    seen = contextvars.copy_context().run(request)
    assert seen == f"{exporter.get_finished_spans()[0].context.trace_id:032x}"


def test_what_leaves_is_redacted_and_cut(capsys: pytest.CaptureFixture[str]) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(telemetry._processor("console"))
    secret = f"{TOKEN} arguments={{'title': 'my diary'}}"

    def fail() -> None:
        raise RuntimeError(secret + "x" * MAX_EVENT)

    attributes = {"gen_ai.tool.name": "t" * 100_000, "note": secret, "count": 3}
    with pytest.raises(RuntimeError), Telemetry(provider).span({}, "n" * 100_000, attributes):
        fail()
    text = capsys.readouterr().out
    span = json.loads(text)
    assert text.count("\n") == 1
    assert TOKEN not in text and "diary" not in text
    assert (len(span["name"]), len(span["attributes"]["gen_ai.tool.name"])) == (MAX_ATTRIBUTE, MAX_ATTRIBUTE)
    assert span["attributes"]["count"] == 3
    (event,) = span["events"]
    assert event["attributes"]["exception.type"] == "RuntimeError"
    assert span["status"]["status_code"] == "ERROR"
    assert len(text) < 3 * MAX_EVENT


class Provider(TracerProvider):
    """Flushes as long as it is told to."""

    def __init__(self) -> None:
        super().__init__(shutdown_on_exit=False)
        self.may_end = threading.Event()
        self.flushes = 0

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait like an exporter whose collector does not answer."""
        self.flushes += 1
        return self.may_end.wait(30)


def seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_collector_that_is_away_costs_one_timeout() -> None:
    provider = Provider()
    traces = Telemetry(provider)
    assert 0.2 <= seconds(lambda: traces.flush(0.2)) < 2
    assert seconds(lambda: [traces.flush(2) for _ in range(3)]) < 1
    assert traces.flush(2) is False
    assert provider.flushes == 1
    provider.may_end.set()
    deadline = time.monotonic() + 10
    while not traces.flush(10):
        assert time.monotonic() < deadline
    assert provider.flushes == 2


def test_flushing_sends_what_waits(exported: Any) -> None:
    traces, exporter = exported
    with traces.span({}, "POST /mcp", {}):
        pass
    assert traces.flush(10) is True
    assert len(exporter.get_finished_spans()) == 1


def test_nothing_is_said_for_each_request(exported: Any, caplog: pytest.LogCaptureFixture) -> None:
    traces, _ = exported
    with caplog.at_level(logging.DEBUG), traces.span({}, "POST /mcp", {"url.path": "/mcp"}):
        pass
    assert not caplog.records


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [("POST", "/mcp", "POST /mcp"), ("GET", "/users/7", "GET"), ("QUERY", "/mcp", "HTTP /mcp"), ("\x00", "/", "HTTP")],
)
def test_the_names_of_spans_are_few(method: str, path: str, name: str) -> None:
    assert endpoint.span_name(method, path) == name
