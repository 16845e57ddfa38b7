"""Tracing: a span for each request, with child spans for the model and for the audit commit.

Spans are sent in batches, from the exporter's thread, to the OpenTelemetry collector that the standard
variables name (``OTEL_EXPORTER_OTLP_ENDPOINT`` and others,
https://opentelemetry.io/docs/specs/otel/protocol/exporter/). Without one, nothing is traced and the exporter
is not imported.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Self

from service.routes import LIVE, METRICS, READY

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_UNTRACED = frozenset({LIVE, READY, METRICS})
"""Routes that monitoring requests every few seconds; their spans would be noise."""
_LAST_EXPORT_S = 5.0
"""How long the stop waits for a collector that does not respond."""


class NoTrace:
    """The trace of a request that is not traced."""

    _no_span = nullcontext()

    def step(self, name: str) -> AbstractContextManager[None]:
        """Create no span."""
        del name
        return self._no_span

    def end(self, status: int) -> None:
        """Send no span."""


NO_TRACE = NoTrace()


class Trace:
    """The spans of one request."""

    def __init__(self, tracer: "Tracer", span: "Span") -> None:
        self._tracer = tracer
        self._span = span

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A child span for the work inside."""
        from opentelemetry.trace import set_span_in_context

        # Not made the current span: the work inside is interleaved with other requests.
        span = self._tracer.start_span(name, context=set_span_in_context(self._span))
        try:
            yield
        finally:
            span.end()

    def end(self, status: int) -> None:
        """End the request's span with the status of its answer."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Tracing:
    """Creates the traces of a worker and sends them."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tabento")

    @classmethod
    def configured(cls, service_name: str) -> Self | None:
        """Tracing to the collector that the environment names; None if it names none."""
        if not any(map(os.environ.get, _ENDPOINTS)):
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        os.environ.setdefault("OTEL_SERVICE_NAME", service_name)
        provider = TracerProvider(resource=Resource.create())
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def begin(
        self, method: str, path: str, headers: Mapping[bytes, bytes], request_id: str
    ) -> Trace | NoTrace:
        """The trace of a request; it continues the trace that ``traceparent`` names."""
        if path in _UNTRACED:
            return NO_TRACE
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {
            name: headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in headers
        }
        context = TraceContextTextMapPropagator().extract(carrier)
        about = {"http.request.method": method, "url.path": path, "tabento.request_id": request_id}
        span = self._tracer.start_span(f"{method} {path}", context, SpanKind.SERVER, about)
        return Trace(self._tracer, span)

    async def close(self) -> None:
        """Send the remaining spans."""
        flush = asyncio.to_thread(self._provider.force_flush, int(_LAST_EXPORT_S * 1e3))
        await asyncio.wait_for(flush, _LAST_EXPORT_S + 1)
