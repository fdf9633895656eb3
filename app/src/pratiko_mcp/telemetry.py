# SPDX-License-Identifier: MIT
"""OpenTelemetry traces over OTLP, where the environment names an exporter; nothing is imported otherwise."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .logs import redact, trace_id
from .settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FLUSH_SECONDS = 2.0
# Characters that are kept: callers choose the tool names and ids that become attributes.
MAX_ATTRIBUTE = 256
MAX_EVENT = 8_192


def configure(environment: str, release: str, server_name: str) -> Telemetry | None:
    """Set tracing up as the ``OTEL_`` variables say; None when they name no exporter.

    Call it once the served application is loaded: a tracer provider that it has set is used as it is.

    :raises SettingsError: a variable cannot be used, or the libraries are not installed
    """
    exporter = _exporter(os.environ)
    if exporter is None:
        return None
    try:
        return Telemetry(_provider(exporter, _attributes(environment, release, server_name)))
    except ImportError as error:
        allowed = "unset, or after: pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        raise SettingsError(_name_set(os.environ), None, allowed, f"set, but {error.name} is not installed") from error


def _name_set(env: Mapping[str, str]) -> str:
    return next((name for name in (TRACES_ENDPOINT, ENDPOINT) if env.get(name)), EXPORTER)


def _exporter(env: Mapping[str, str]) -> str | None:
    """Return ``otlp``, ``console``, or None for no tracing."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    name = _name_set(env)
    endpoint = env.get(name, "") if name != EXPORTER else ""
    wanted = env.get(EXPORTER, "").strip() or "otlp"
    if wanted not in ("otlp", "console", "none"):
        raise SettingsError(EXPORTER, wanted, "otlp, console, none")
    if wanted == "console":
        return wanted
    if wanted == "none" or not endpoint:
        return None
    _check_endpoint(name, endpoint)
    for variable in PROTOCOLS:
        if env.get(variable) and env[variable] != "http/protobuf":
            raise SettingsError(variable, env[variable], "http/protobuf")
    return wanted


def _check_endpoint(name: str, value: str) -> None:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(name, None, "a URL such as http://127.0.0.1:4318", "not an http(s) URL (value not shown)")


def _attributes(environment: str, release: str, server_name: str) -> dict[str, str]:
    return {"service.name": server_name, "service.version": release, "deployment.environment.name": environment}


def _provider(exporter: str, attributes: dict[str, str]) -> Any:
    """Return the process's tracer provider; there can be only one, so one that is set already stays."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    current = trace.get_tracer_provider()
    if isinstance(current, TracerProvider):
        return current
    # The end of the process must not wait for a collector that is away: the runtime flushes with a limit.
    provider = TracerProvider(resource=_resource(attributes), shutdown_on_exit=False)
    provider.add_span_processor(_processor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def _resource(attributes: dict[str, str]) -> Any:
    """Describe the service; what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes first."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    return Resource.create({**attributes, **OTELResourceDetector().detect().attributes})


def _processor(exporter: str) -> SpanProcessor:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    class Cleaning(SpanProcessor):
        """Takes secrets out of spans before they wait and leave: the SDK records exceptions with their message."""

        def __init__(self, following: SpanProcessor) -> None:
            self._following = following

        def on_end(self, span: ReadableSpan) -> None:
            self._following.on_end(_clean_span(span))

        def shutdown(self) -> None:
            self._following.shutdown()

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return self._following.force_flush(timeout_millis)

    if exporter == "console":
        line = ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: span.to_json(indent=None) + "\n")
        return Cleaning(SimpleSpanProcessor(line))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return Cleaning(BatchSpanProcessor(OTLPSpanExporter()))


def _clean_span(span: ReadableSpan) -> ReadableSpan:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Status

    return ReadableSpan(
        name=_clean(span.name, MAX_ATTRIBUTE),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_clean_all(span.attributes, MAX_ATTRIBUTE),
        events=[Event(event.name, _clean_all(event.attributes, MAX_EVENT), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, _clean(span.status.description, MAX_ATTRIBUTE)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _clean_all(attributes: Mapping[str, Any] | None, length: int) -> dict[str, Any]:
    return {name: _clean(value, length) for name, value in (attributes or {}).items()}


def _clean(value: Any, length: int) -> Any:
    return redact(value[:length]) if isinstance(value, str) else value


class Telemetry:
    """Traces of the process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("pratiko_mcp")
        self._flushing: threading.Thread | None = None

    @contextmanager
    def span(
        self, headers: Mapping[str, str], name: str, attributes: Mapping[str, Any], meta: object = None
    ) -> Iterator[Span]:
        """Open the span of a request, parent of those that the SDK opens; from then on logs carry its trace id.

        :param headers: names in lower case; ``traceparent`` names the caller's span
        :param attributes: no arguments, no tokens
        :param meta: ``_meta`` of the message, where clients name their span when the transport does not
        """
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            name, context=_parent(headers, meta), kind=SpanKind.SERVER, attributes=dict(attributes)
        ) as span:
            context = span.get_span_context()
            if context.is_valid:
                trace_id.set(f"{context.trace_id:032x}")
            yield span

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Send what is waiting, and tell whether that succeeded in time.

        A collector that is away costs one timeout: while that attempt still runs, later ones return at once.

        :param timeout: seconds
        """
        if self._flushing and self._flushing.is_alive():
            return False
        self._flushing = threading.Thread(target=self._provider.force_flush, name="flush-traces", daemon=True)
        self._flushing.start()
        self._flushing.join(timeout)
        return not self._flushing.is_alive()


def _parent(headers: Mapping[str, str], meta: object) -> Context | None:
    """Return the context of the span to continue; None for the one that is open, or none at all."""
    from opentelemetry.propagate import extract
    from opentelemetry.trace import get_current_span

    if get_current_span().get_span_context().is_valid:
        return None
    for carrier in (headers, _trace_headers(meta)):
        context = extract(carrier)
        if get_current_span(context).get_span_context().is_valid:
            return context
    return None


def _trace_headers(meta: object) -> dict[str, str]:
    """Pick what a caller may say about its trace; the rest of the metadata is not for propagators."""
    if not isinstance(meta, Mapping):
        return {}
    return {name: meta[name] for name in ("traceparent", "tracestate") if isinstance(meta.get(name), str)}
