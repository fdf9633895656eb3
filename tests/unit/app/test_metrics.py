# SPDX-License-Identifier: MIT
"""Metrics: what Prometheus fetches, what CloudWatch reads out of the log, and labels that callers cannot multiply."""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pratiko_mcp import metrics
from pratiko_mcp.logs import write
from pratiko_mcp.metrics import (
    ERAS,
    MAX_BUSINESS_METRICS,
    MAX_EMF_METRICS,
    MAX_TOOLS,
    OUTCOMES,
    BusinessCounts,
    Observation,
    Recorder,
    count,
    era_of,
    make_recorder,
)
from pratiko_mcp.settings import SettingsError
from prometheus_client.parser import text_string_to_metric_families

UNITS = ["Seconds", "Microseconds", "Milliseconds", "Bytes", "Percent", "Count", "None"]
NAME = {"type": "string", "minLength": 1, "maxLength": 255}
# The embedded metric format as AWS specifies it; what its objects may not have besides is closed here.
EMBEDDED = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "additionalProperties": False,
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 1_600_000_000_000, "maximum": 9_999_999_999_999},
        "CloudWatchMetrics": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Namespace", "Dimensions", "Metrics"],
                "additionalProperties": False,
                "properties": {
                    "Namespace": NAME,
                    "Dimensions": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "array", "maxItems": 9, "items": NAME},
                    },
                    "Metrics": {
                        "type": "array",
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": False,
                            "properties": {"Name": NAME, "Unit": {"enum": UNITS}},
                        },
                    },
                },
            },
        },
    },
}
VALIDATOR = jsonschema.Draft202012Validator(EMBEDDED)


@pytest.fixture(autouse=True)
def _business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "business", BusinessCounts())


def call(tool: str = "greet", outcome: str = "ok", **changes: Any) -> Observation:
    fields = {"method": "tools/call", "tool": tool, "era": "stateless", "outcome": outcome, "seconds": 0.02}
    return Observation(**{**fields, **changes})


def check_embedded(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Check a log line as CloudWatch would, and yield each custom metric: its name and dimensions."""
    VALIDATOR.validate(document["_aws"])
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for definition in directive["Metrics"]:
            value = document[definition["Name"]]
            assert isinstance(value, (int, float)) and not isinstance(value, bool)
        for dimensions in directive["Dimensions"]:
            assert all(isinstance(document[name], str) and document[name].isascii() for name in dimensions)
            values = tuple(document[name] for name in dimensions)
            assert all(0 < len(value) <= 1024 and not value.startswith(":") for value in values)
            for definition in directive["Metrics"]:
                yield (definition["Name"], *values)


def samples(recorder: Recorder) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Fetch as Prometheus does: sample name and labels to value."""
    rendered = recorder.render()
    assert rendered is not None
    content_type, text = rendered
    assert content_type.startswith("text/plain; version=")
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def labels(recorder: Recorder, name: str, label: str) -> set[str]:
    return {dict(pairs)[label] for sample, pairs in samples(recorder) if sample == name}


@pytest.mark.parametrize(
    ("version", "era"),
    [
        ("2026-07-28", "stateless"),
        ("2027-01-01", "stateless"),
        ("2025-11-25", "session"),
        ("2024-11-05", "session"),
        ("9999", "none"),
        ("2026-07-28\n", "none"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_the_era_of_a_version(version: str | None, era: str) -> None:
    assert era_of(version) == era


def test_off_records_nothing() -> None:
    recorder = make_recorder("off", "test", False)
    recorder.in_flight(1)
    assert recorder.observe(call()) == {}
    assert recorder.render() is None


def test_only_prometheus_imports_its_client() -> None:
    script = (
        "import sys; from pratiko_mcp.metrics import make_recorder; make_recorder('emf', 'x', True);"
        "make_recorder('off', 'x', False); assert 'prometheus_client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_client_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingsError, match=r"MCP_METRICS is prometheus, .*pip install prometheus-client"):
        make_recorder("prometheus", "test", False)


def test_prometheus_counts_and_times_by_label() -> None:
    recorder = make_recorder("prometheus", "test", False, "r1")
    recorder.learn_tools(["greet"])
    recorder.observe(call(cold=True, seconds=0.3))
    recorder.observe(call(outcome="tool_error", seconds=0.6))
    recorder.observe(call("", method="tools/list", era="session"))
    recorder.in_flight(2)
    recorder.in_flight(-1)
    found = samples(recorder)
    failed = (("era", "stateless"), ("method", "tools/call"), ("outcome", "tool_error"), ("tool", "greet"))
    listed = (("era", "session"), ("method", "tools/list"), ("outcome", "ok"), ("tool", ""))
    greet = (("method", "tools/call"), ("tool", "greet"))
    assert found["mcp_requests_total", failed] == 1
    assert found["mcp_requests_total", listed] == 1
    assert found["mcp_request_duration_seconds_count", greet] == 2
    assert found["mcp_request_duration_seconds_sum", greet] == pytest.approx(0.9)
    assert found["mcp_request_duration_seconds_bucket", (("le", "0.5"), *greet)] == 1
    assert found["mcp_requests_in_flight", ()] == 1
    assert found["mcp_cold_starts_total", ()] == 1
    assert found["mcp_build_info", (("environment", "test"), ("release", "r1"))] == 1
    # A rate needs a zero to start from.
    assert {value for (name, pairs), value in found.items() if ("outcome", "server_error") in pairs} == {0}
    assert not [name for name, _ in found if name.endswith("_created")]


@pytest.mark.skipif(sys.platform != "linux", reason="the client reads /proc")
def test_prometheus_sees_the_process() -> None:
    found = samples(make_recorder("prometheus", "test", False))
    assert found["process_resident_memory_bytes", ()] > 0
    assert found["process_open_fds", ()] > 0


def test_two_applications_in_a_process_count_apart() -> None:
    first, second = (make_recorder("prometheus", name, False) for name in ("one", "two"))
    first.observe(call())
    assert not labels(second, "mcp_requests_total", "tool")


@pytest.mark.parametrize("mode", ["prometheus", "emf"])
@settings(max_examples=30, deadline=None)
@given(name=st.text())
def test_no_caller_makes_up_a_label(mode: str, name: str) -> None:
    recorder = make_recorder(mode, "test", True)
    for outcome in OUTCOMES:
        fields = recorder.observe(call(name, outcome))
    recorder.observe(Observation(name, name, name, name, 0.1))
    if mode == "prometheus":
        assert labels(recorder, "mcp_requests_total", "tool") == {"other", ""}
        assert labels(recorder, "mcp_requests_total", "method") == {"tools/call", "other"}
        assert labels(recorder, "mcp_requests_total", "era") == {"stateless", "other"}
    else:
        assert fields["Tool"] == "other"


@given(name=st.text())
def test_a_servers_own_names_are_fit_to_be_dimensions(name: str) -> None:
    recorder = make_recorder("emf", "test", True)
    recorder.learn_tools([name])
    assert list(check_embedded(recorder.observe(call(name))))


def test_tools_are_learned_up_to_a_limit() -> None:
    recorder = make_recorder("prometheus", "test", False)
    recorder.learn_tools([*(f"listed{number}" for number in range(2 * MAX_TOOLS)), "", "x" * 200])
    for number in range(2 * MAX_TOOLS):
        recorder.observe(call(f"listed{number}", "tool_error"))
    found = labels(recorder, "mcp_requests_total", "tool")
    assert {"listed0", "other"} <= found
    assert len(found) == MAX_TOOLS + 1


def test_only_tools_are_labelled_not_what_else_has_a_name() -> None:
    recorder = make_recorder("prometheus", "test", False)
    recorder.observe(call("file:///secret", method="resources/read"))
    assert labels(recorder, "mcp_requests_total", "tool") == {""}


@pytest.mark.parametrize("by_tool", [False, True])
def test_embedded_metrics_are_what_cloudwatch_specifies(by_tool: bool) -> None:
    recorder = make_recorder("emf", "prod", by_tool)
    for outcome, era, (method, tool) in itertools.product(
        OUTCOMES, ERAS, [("tools/call", "greet"), ("tools/list", ""), ("nonsense", "x")]
    ):
        count("documents_saved", 0.5)
        assert list(check_embedded(recorder.observe(Observation(method, tool, era, outcome, 0.1))))


def test_embedded_metrics_survive_the_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = make_recorder("emf", "prod", True)
    count("documents_saved")
    before = time.time_ns() // 1_000_000
    write({"level": "INFO", "path": "/mcp", **recorder.observe(call(cold=True, seconds=0.0123))})
    document = json.loads(capsys.readouterr().out)
    names = {name for name, *_ in check_embedded(document)}
    assert names == {*metrics._EMF_UNITS, "business_documents_saved"}
    assert before <= document["_aws"]["Timestamp"] <= time.time_ns() // 1_000_000
    assert document["Environment"] == "prod"
    assert document["Duration"] == 12.3
    assert (document["Requests"], document["ColdStarts"], document["business_documents_saved"]) == (1, 1, 1)


def test_averages_are_rates() -> None:
    recorder = make_recorder("emf", "prod", False)
    failed, late, refused, listed = (
        recorder.observe(observation)
        for observation in (
            call(outcome="tool_error"),
            call(outcome="timeout"),
            call(outcome="limited"),
            call("", method="tools/list"),
        )
    )
    assert (failed["ToolErrors"], failed["Errors"], failed["Refusals"]) == (1, 0, 0)
    assert (late["ToolErrors"], late["Errors"], late["Refusals"]) == (0, 1, 0)
    assert (refused["Errors"], refused["Refusals"]) == (0, 1)
    assert "Duration" not in refused and "ToolErrors" not in listed


def test_one_environment_stays_inside_the_free_ten() -> None:
    recorder = make_recorder("emf", "prod", False)
    seen: set[tuple[str, ...]] = set()
    for number, outcome in itertools.product(range(30), OUTCOMES):
        count(f"thing{number}", number)
        fields = recorder.observe(call(f"tool{number}", outcome, cold=True))
        assert fields[f"business_thing{number}"] == number
        seen |= set(check_embedded(fields))
    assert len(seen) == MAX_EMF_METRICS


def test_by_tool_costs_three_metrics_a_tool() -> None:
    recorder = make_recorder("emf", "prod", True)
    recorder.learn_tools(["greet"])
    seen: set[tuple[str, ...]] = set()
    for tool, outcome in itertools.product(["greet", "made up"], OUTCOMES[1:]):
        count("documents_saved")
        seen |= set(check_embedded(recorder.observe(call(tool, outcome))))
    assert {metric for metric in seen if metric[-1] == "greet"} == {
        (name, "prod", "greet") for name in ("Requests", "Duration", "ToolErrors")
    }
    assert len(seen) == 7 + 2 * 3


def test_embedded_business_counts_are_sent_once() -> None:
    recorder = make_recorder("emf", "prod", False)
    count("documents_saved", 2)
    count("documents_saved")
    assert recorder.observe(call())["business_documents_saved"] == 3
    assert "business_documents_saved" not in recorder.observe(call())


def test_prometheus_shows_business_totals_also_from_before_it() -> None:
    count("documents_saved", 2)
    recorder = make_recorder("prometheus", "test", False)
    count("documents_saved")
    assert samples(recorder)["mcp_business_documents_saved_total", ()] == 3


@pytest.mark.parametrize("name", ["", "Documents", "9lives", "documents saved", "a-b", "ü", "a\n", "x" * 64])
def test_business_names_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="Allowed: lower-case letters, digits and underscores"):
        count(name)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_business_counts_only_grow(value: float) -> None:
    with pytest.raises(ValueError, match=r"documents_saved was given .* Allowed: 0 or a positive number"):
        count("documents_saved", value)


def test_business_names_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    recorder = make_recorder("prometheus", "test", False)
    for number in range(3 * MAX_BUSINESS_METRICS):
        count(f"thing{number}")
    business = {name for name, _ in samples(recorder) if name.startswith("mcp_business_")}
    assert len(business) == MAX_BUSINESS_METRICS
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_threads_lose_no_count() -> None:
    recorder = make_recorder("emf", "prod", False)
    taken = 0.0

    def add() -> None:
        for _ in range(2_000):
            count("documents_saved")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += recorder.observe(call()).get("business_documents_saved", 0)
    taken += recorder.observe(call()).get("business_documents_saved", 0)
    assert taken == 8_000
