# SPDX-License-Identifier: MIT
"""A real request of the SDK's server: its spans arrive at an OTLP collector, and the log names their trace."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.support.client import MODERN, result_of, with_client
from tests.support.direct import serve

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "my diary"
SERVER = """
from mcp.server.mcpserver import MCPServer

mcp = MCPServer("greeter")


@mcp.tool()
def greet(name: str) -> str:
    return f"Hello {name}"


@mcp.tool()
def fail(name: str) -> str:
    raise RuntimeError(f"arguments={{'name': {name!r}}}")
"""


class Collector(http.server.ThreadingHTTPServer):
    """Takes traces as OTLP over HTTP."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []
        self.paths: list[str] = []
        super().__init__(("127.0.0.1", 0), _Request)

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return [span for part in self.received for scope in part.scope_spans for span in scope.spans]

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait for what a batch brings."""
        deadline = time.monotonic() + 20
        while not ready():
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.05)


class _Request(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        """Take one batch."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.append(self.path)
        self.server.received += ExportTraceServiceRequest.FromString(body).resource_spans
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    (folder / "greeter.py").write_text(SERVER)
    return folder


@pytest.fixture(scope="module")
def url(collector: Collector, folder: Path) -> Iterator[str]:
    variables = {
        "MCP_AUTH": "none",
        "MCP_ENTRYPOINT": "greeter:mcp",
        "MCP_SERVER_NAME": "greeter",
        "MCP_ENVIRONMENT": "test",
        "MCP_RELEASE": "r1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_RESOURCE_ATTRIBUTES": "team=orders",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with serve(folder, folder, **variables) as address:
        yield address


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def post(url: str, method: str, params: dict[str, Any], **headers: str) -> httpx2.Response:
    """Send one message of the session-less era before 2026: it needs no metadata."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    accept = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    return httpx2.post(f"{url}/mcp", json=message, headers={**accept, **headers}, timeout=30)


def family(collector: Collector, trace_id: str, size: int) -> dict[bytes, Span]:
    """Wait for the spans of one trace, and return them by id."""
    found: dict[bytes, Span] = {}

    def complete() -> bool:
        found.update({span.span_id: span for span in collector.spans if span.trace_id.hex() == trace_id})
        return len(found) >= size

    collector.wait_for(complete)
    return found


def test_a_request_is_one_span_with_the_sdks_inside(url: str, collector: Collector, folder: Path) -> None:
    reply = post(
        url, "tools/call", {"name": "greet", "arguments": {"name": SECRET}}, traceparent=f"00-{TRACE}-{PARENT}-01"
    )
    assert reply.status_code == 200 and SECRET in reply.text
    family(collector, TRACE, 2)
    time.sleep(0.3)  # three batches: anything doubled would be there by now
    ours, theirs = sorted(family(collector, TRACE, 2).values(), key=lambda span: span.start_time_unix_nano)
    assert (ours.name, ours.parent_span_id.hex(), ours.kind) == ("POST /mcp", PARENT, Span.SPAN_KIND_SERVER)
    assert (theirs.name, theirs.parent_span_id) == ("tools/call greet", ours.span_id)
    assert attributes(ours.attributes)["http.response.status_code"] == 200
    assert attributes(theirs.attributes)["gen_ai.tool.name"] == "greet"
    assert not [span for span in (ours, theirs) if SECRET in str(span)]
    lines = [json.loads(line) for line in (folder / "server.log").read_text().splitlines()]
    assert [line["trace_id"] for line in lines if line.get("event") == "request" and "trace_id" in line] == [TRACE]


def test_the_service_is_described(url: str, collector: Collector) -> None:
    post(url, "tools/list", {})
    collector.wait_for(lambda: bool(collector.received))
    described = attributes(collector.received[0].resource.attributes)
    expected = {"service.name": "greeter", "service.version": "r1", "deployment.environment.name": "test"}
    assert {**described, **expected, "team": "orders"} == described
    assert set(collector.paths) == {"/v1/traces"}


def test_a_failing_tool_tells_no_arguments(url: str, collector: Collector) -> None:
    trace_id = "c" * 32
    reply = post(
        url, "tools/call", {"name": "fail", "arguments": {"name": SECRET}}, traceparent=f"00-{trace_id}-{PARENT}-01"
    )
    assert reply.json()["result"]["isError"] if "json" in reply.headers["content-type"] else "isError" in reply.text
    spans = family(collector, trace_id, 2).values()
    assert [span.status.code for span in spans if span.name == "tools/call fail"] == [2]
    assert not [span for span in spans if SECRET in str(span)]


def test_the_metadata_of_a_message_names_the_parent_too(url: str, collector: Collector) -> None:
    trace_id = "d" * 32
    meta = {"traceparent": f"00-{trace_id}-{PARENT}-01"}
    post(url, "tools/call", {"name": "greet", "arguments": {"name": "x"}, "_meta": meta})
    spans = family(collector, trace_id, 2).values()
    assert {span.parent_span_id.hex() for span in spans} == {PARENT}


def test_the_official_client_of_the_current_era(url: str, collector: Collector) -> None:
    before = {span.span_id for span in collector.spans}
    with_client(f"{url}/mcp", "none", lambda client: result_of(client, "greet", name="x"), MODERN)

    def called() -> list[Span]:
        return [span for span in collector.spans if span.name == "tools/call greet" and span.span_id not in before]

    collector.wait_for(lambda: len(called()) == 1)
    (theirs,) = called()
    spans = family(collector, theirs.trace_id.hex(), 2)
    assert spans[theirs.parent_span_id].name == "POST /mcp"


def test_a_collector_that_is_away_delays_nobody(folder: Path, tmp_path: Path) -> None:
    variables = {"MCP_AUTH": "none", "MCP_ENTRYPOINT": "greeter:mcp", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with serve(tmp_path, folder, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", **variables) as url:
        post(url, "tools/list", {})
        began = time.monotonic()
        for _ in range(10):
            assert post(url, "tools/call", {"name": "greet", "arguments": {"name": "x"}}).status_code == 200
            time.sleep(0.06)  # the exporter tries in between
        assert time.monotonic() - began < 5
        began = time.monotonic()
    assert time.monotonic() - began < 8  # the end of the process does not wait for it either
    assert "eyJ" not in (tmp_path / "server.log").read_text()


def test_the_end_of_the_process_sends_what_is_waiting(collector: Collector, folder: Path, tmp_path: Path) -> None:
    trace_id = "e" * 32
    variables = {"MCP_AUTH": "none", "MCP_ENTRYPOINT": "greeter:mcp", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with serve(tmp_path, folder, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **variables) as url:
        post(url, "tools/list", {}, traceparent=f"00-{trace_id}-{PARENT}-01")
        assert not [span for span in collector.spans if span.trace_id.hex() == trace_id]
    assert [span for span in collector.spans if span.trace_id.hex() == trace_id]
