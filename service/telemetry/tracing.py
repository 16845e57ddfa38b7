"""Tracing: for each request a span, and within it one for the model's part and one for the audit commit.

They go to the OpenTelemetry collector that the standard variables name (``OTEL_EXPORTER_OTLP_ENDPOINT`` and
its kin, https://opentelemetry.io/docs/specs/otel/protocol/exporter/), in batches, from a thread of the
exporter's own. Where none is named nothing is traced, and nothing of OpenTelemetry's exporter is imported.
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
"""What is asked every few seconds, and tells nobody anything."""
_LAST_EXPORT_S = 5.0
"""How long the end waits for a collector that does not answer."""


class NoTrace:
    """The trace of a request where nothing is traced."""

    _nothing = nullcontext()

    def step(self, name: str) -> AbstractContextManager[None]:
        """Nothing."""
        del name
        return self._nothing

    def end(self, status: int) -> None:
        """Nothing."""


NO_TRACE = NoTrace()


class Trace:
    """The spans of one request."""

    def __init__(self, tracer: "Tracer", span: "Span") -> None:
        self._tracer = tracer
        self._span = span

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A span of its own for what is done inside."""
        from opentelemetry.trace import set_span_in_context

        # Not made the current span: what is done inside runs between other requests' steps.
        span = self._tracer.start_span(name, context=set_span_in_context(self._span))
        try:
            yield
        finally:
            span.end()

    def end(self, status: int) -> None:
        """The request was answered."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Tracing:
    """Where traces go."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tabento")

    @classmethod
    def configured(cls, service_name: str) -> Self | None:
        """Tracing to the collector that the environment names, if it does."""
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
        """The trace of a request, which goes on the one that its ``traceparent`` names."""
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
        """Send what was not sent yet."""
        flush = asyncio.to_thread(self._provider.force_flush, int(_LAST_EXPORT_S * 1e3))
        await asyncio.wait_for(flush, _LAST_EXPORT_S + 1)
