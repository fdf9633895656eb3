# SPDX-License-Identifier: MIT
"""Metrics of the requests, for Prometheus to fetch or for CloudWatch to read out of the log (embedded metric format).

Callers choose method and tool names, so only names that are known become labels. CloudWatch bills every combination of
metric name and dimensions as one custom metric, $0.30 a month beyond the account's first ten: one environment makes six
and one more for each business metric, never more than ten. Two environments in one account, with two business metrics
each, make 16: $1.80 a month.
"""

from __future__ import annotations

import functools
import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .settings import SettingsError

OUTCOMES = ("ok", "tool_error", "protocol_error", "refused", "limited", "timeout", "server_error")
ERAS = ("session", "stateless", "none")
MODES = ("prometheus", "emf", "off")
STATELESS_SINCE = "2026-07-28"
TOOL_CALL = "tools/call"
OTHER = "other"
METHODS = frozenset(
    (
        TOOL_CALL,
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "notifications/cancelled",
        "notifications/elicitation/complete",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/tasks/status",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tools/list",
    )
)
MAX_TOOLS = 100
MAX_BUSINESS_METRICS = 50
MAX_EMF_METRICS = 10
NAMESPACE = "mcp"
# mcp_dependency_up by the state of a check: an alert on 0 rings for what the server cannot do without.
UP = {"healthy": 1.0, "degraded": 0.5}

# Seconds. Dense up to the goal of half a second for the 95th percentile, one step beyond API Gateway's 29 s.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)

_VERSION = re.compile(r"20\d\d-\d\d-\d\d", re.ASCII)
# Wider than the protocol's advice; CloudWatch takes printable ASCII that does not begin with a colon.
_TOOL_NAME = re.compile(r"[!-9;-~][ -~]{0,127}")
_BUSINESS_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

logger = logging.getLogger("pratiko_mcp")


@dataclass(slots=True)
class Observation:
    """One message and how it ended: ``outcome`` is one of OUTCOMES, ``era`` one of ERAS."""

    method: str
    tool: str
    era: str
    outcome: str
    seconds: float
    cold: bool = False


def era_of(version: str | None) -> str:
    """Return the era of a protocol version as a client names it."""
    if not version or not _VERSION.fullmatch(version):
        return "none"
    return "stateless" if version >= STATELESS_SINCE else "session"


def make_recorder(mode: str, environment: str, by_tool: bool, release: str = "") -> Recorder:
    """Return what records the server's metrics.

    :param mode: prometheus, emf or off
    :param by_tool: EMF only: three metrics more for each tool, at $0.30 a month each
    :raises SettingsError: the Prometheus client is not installed
    """
    if mode == "prometheus":
        return PrometheusRecorder(environment, release)
    return EmfRecorder(environment, by_tool) if mode == "emf" else Recorder()


def count(name: str, value: float = 1) -> None:
    """Add to a business metric of the served application, for example ``count("orders_placed")``.

    Prometheus shows it as ``mcp_business_<name>_total``, CloudWatch as ``business_<name>``. A zero when the server
    starts lets Prometheus' rates see the first one.

    :param name: lower-case letters, digits and underscores; at most 50 different names
    :param value: how much to add, not negative
    :raises ValueError: the name or the value cannot be used
    """
    business.add(name, value)


@dataclass(frozen=True)
class Reading:
    """A metric as it is now, for Prometheus only.

    :param name: without ``mcp_`` in front and without ``_total``
    :param values: by the value of ``label``; one under "" for a metric without a label
    :param counter: it only grows
    """

    name: str
    text: str
    values: Mapping[str, float]
    label: str = ""
    counter: bool = False


def expose(source: Callable[[], Iterable[Reading]]) -> None:
    """Have readings taken whenever Prometheus asks.

    :param source: called in any thread; must not block
    """
    _sources.append(source)


_sources: list[Callable[[], Iterable[Reading]]] = []


class BusinessCounts:
    """Totals by name, and what was added since it was last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[str, float] = {}
        self._added: dict[str, float] = {}
        self._warned = False

    def add(self, name: str, value: float) -> None:
        """Add to a name's total."""
        if not _BUSINESS_NAME.fullmatch(name):
            allowed = "lower-case letters, digits and underscores, a letter first, 63 at most"
            raise ValueError(f"the metric name is {name[:80]!r}. Allowed: {allowed}, for example documents_saved")
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"metric {name} was given {value!r}. Allowed: 0 or a positive number; counters only grow")
        with self._lock:
            if name in self._totals or len(self._totals) < MAX_BUSINESS_METRICS:
                self._totals[name] = self._totals.get(name, 0) + value
                self._added[name] = self._added.get(name, 0) + value
                return
            warned, self._warned = self._warned, True
        if not warned:
            logger.warning("metric %s and further new ones are not counted: over %d names", name, MAX_BUSINESS_METRICS)

    def totals(self) -> dict[str, float]:
        """Return all totals."""
        with self._lock:
            return dict(self._totals)

    def take(self) -> dict[str, float]:
        """Return what was added since the last time."""
        if not self._added:
            return {}
        with self._lock:
            added, self._added = self._added, {}
        return added


business = BusinessCounts()


class Recorder:
    """Records nothing; what the others have in common. ``is_fetched``: `render` has something to show."""

    is_fetched = False

    def __init__(self) -> None:
        self._tools: set[str] = set()

    def observe(self, observation: Observation) -> dict[str, Any]:
        """Record a message; the fields belong into the request's log line."""
        return {}

    def in_flight(self, delta: int) -> None:
        """Add to the number of requests being served."""

    def render(self) -> tuple[str, bytes] | None:
        """Return content type and text for Prometheus, None when it is not recorded for it."""
        return None

    def learn_dependencies(self, checks: Iterable[Mapping[str, Any]]) -> None:
        """Take the results of the readiness checks: ``name``, ``status`` and ``latency_ms`` of each."""

    def learn_tools(self, names: Iterable[str]) -> None:
        """Take names of tools that exist; at most a hundred become labels."""
        for name in names:
            if len(self._tools) >= MAX_TOOLS:
                return
            if isinstance(name, str) and _TOOL_NAME.fullmatch(name):
                self._tools.add(name)

    def _tool(self, observation: Observation) -> str:
        """Return the tool's label: its name when it is known to exist."""
        if observation.method != TOOL_CALL:
            return ""
        return observation.tool if observation.tool in self._tools else OTHER


class PrometheusRecorder(Recorder):
    """Counts in the process, for Prometheus to fetch."""

    is_fetched = True

    def __init__(self, environment: str, release: str) -> None:
        super().__init__()
        try:
            import prometheus_client as prometheus
        except ImportError as error:
            allowed = "emf, off, or prometheus after: pip install prometheus-client"
            raise SettingsError("MCP_METRICS", None, allowed, "prometheus, whose client is not installed") from error
        registry = prometheus.CollectorRegistry()
        labels = ("method", "tool", "era", "outcome")
        self._requests = prometheus.Counter("mcp_requests_total", "Messages answered", labels, registry=registry)
        self._duration = prometheus.Histogram(
            "mcp_request_duration_seconds", "Time to answer", labels[:2], buckets=BUCKETS, registry=registry
        )
        self._in_flight = prometheus.Gauge("mcp_requests_in_flight", "Requests being served", registry=registry)
        self._cold = prometheus.Counter("mcp_cold_starts_total", "First messages of a process", registry=registry)
        self._up = prometheus.Gauge(
            "mcp_dependency_up", "1: its check passed; 0.5: degraded", ("dependency",), registry=registry
        )
        self._check = prometheus.Gauge(
            "mcp_dependency_check_seconds", "Time that its check took", ("dependency",), registry=registry
        )
        info = prometheus.Info("mcp_build", "What is running", registry=registry)
        info.info({"environment": environment, "release": release})
        prometheus.ProcessCollector(registry=registry)
        prometheus.PlatformCollector(registry=registry)
        prometheus.GCCollector(registry=registry)
        registry.register(_BusinessCollector())
        registry.register(_ReadingsCollector())
        self._registry = registry
        self._client = prometheus
        self._known: dict[tuple[str, str, str, str], tuple[Any, Any]] = {}

    def observe(self, observation: Observation) -> dict[str, Any]:
        """Count the message and its duration."""
        labels = (
            observation.method if observation.method in METHODS else OTHER,
            self._tool(observation),
            observation.era if observation.era in ERAS else OTHER,
            observation.outcome if observation.outcome in OUTCOMES else OTHER,
        )
        children = self._known.get(labels)
        if children is None:
            children = self._requests.labels(*labels), self._duration.labels(*labels[:2])
            self._known[labels] = children
            for outcome in OUTCOMES:  # a rate sees what grows from zero, not what appears as one
                self._requests.labels(*labels[:3], outcome)
        children[0].inc()
        children[1].observe(observation.seconds)
        if observation.cold:
            self._cold.inc()
        return {}

    def in_flight(self, delta: int) -> None:
        """Add to the number of requests being served."""
        self._in_flight.inc(delta)

    def learn_dependencies(self, checks: Iterable[Mapping[str, Any]]) -> None:
        """Show the state of each dependency."""
        for check in checks:
            self._up.labels(check["name"]).set(UP.get(check["status"], 0))
            self._check.labels(check["name"]).set(check["latency_ms"] / 1000)

    def render(self) -> tuple[str, bytes]:
        """Return everything in Prometheus' text format."""
        return self._client.CONTENT_TYPE_LATEST, self._client.generate_latest(_WithoutCreated(self._registry))


class _WithoutCreated:
    """A registry without the times at which counters were made: as many series again that nobody asks for."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Any]:
        """Yield the registry's metrics."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _BusinessCollector:
    """Shows the business counts to Prometheus."""

    def collect(self) -> Iterator[Any]:
        """Yield a counter for each name."""
        from prometheus_client.core import CounterMetricFamily

        for name, total in business.totals().items():
            yield CounterMetricFamily(f"mcp_business_{name}", "Counted by the served application", value=total)


class _ReadingsCollector:
    """Shows what parts of the server expose."""

    def collect(self) -> Iterator[Any]:
        """Yield a metric for each reading."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for reading in [reading for source in _sources for reading in source()]:
            family = CounterMetricFamily if reading.counter else GaugeMetricFamily
            metric = family(f"mcp_{reading.name}", reading.text, labels=[reading.label] if reading.label else [])
            for label, value in reading.values.items():
                metric.add_metric([label] if reading.label else [], value)
            yield metric


class EmfRecorder(Recorder):
    """Adds CloudWatch's embedded metric format to the log line of each request, which every log level must write.

    Zeros are sent as well: the average of Errors is the error rate, that of ToolErrors the share of failed tool calls,
    that of ColdStarts the share of cold starts. Duration leaves out what was refused, which would flatter it.
    """

    def __init__(self, environment: str, by_tool: bool) -> None:
        super().__init__()
        self._environment = environment
        self._by_tool = by_tool
        self._business: set[str] = set()

    def observe(self, observation: Observation) -> dict[str, Any]:
        """Return the metrics of a message."""
        values = _emf_values(observation)
        own = tuple(values)
        business = self._add_business(values)
        directives = [_directive(("Environment",), own + business)]
        tool = self._tool(observation)
        if self._by_tool and tool:
            values["Tool"] = tool
            directives.append(_directive(("Environment", "Tool"), tuple(name for name in own if name in _EMF_BY_TOOL)))
        aws = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": directives}
        return {"_aws": aws, "Environment": self._environment, **values}

    def _add_business(self, values: dict[str, Any]) -> tuple[str, ...]:
        """Add the business counts to the values and name those that become metrics; the rest stay plain fields."""
        added = {f"business_{name}": value for name, value in business.take().items()}
        values |= added
        for name in added:
            if len(self._business) < MAX_EMF_METRICS - len(_EMF_UNITS):
                self._business.add(name)
        return tuple(name for name in added if name in self._business)


_EMF_UNITS = {
    "Requests": "Count",
    "Errors": "Count",
    "Refusals": "Count",
    "ColdStarts": "Count",
    "Duration": "Milliseconds",
    "ToolErrors": "Count",
}
_EMF_BY_TOOL = ("Requests", "Duration", "ToolErrors")


def _emf_values(observation: Observation) -> dict[str, Any]:
    outcome = observation.outcome
    refused = outcome in ("refused", "limited")
    values: dict[str, Any] = {
        "Requests": 1,
        "Errors": int(outcome in ("server_error", "timeout")),
        "Refusals": int(refused),
        "ColdStarts": int(observation.cold),
    }
    if not refused:
        values["Duration"] = round(observation.seconds * 1000, 3)
    if observation.method == TOOL_CALL:
        values["ToolErrors"] = int(outcome == "tool_error")
    return values


@functools.lru_cache(maxsize=64)
def _directive(dimensions: tuple[str, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """Return what tells CloudWatch which fields are metrics; shared between lines."""
    metrics = [{"Name": name, "Unit": _EMF_UNITS.get(name, "Count")} for name in names]
    return {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
