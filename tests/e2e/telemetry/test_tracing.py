"""Where an OpenTelemetry collector is named, it gets the spans of every request."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, Server
from tests.support.waiting import await_true

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    """As much of a collector as a client sees."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def await_spans(self, count: int) -> list[Span]:
        await_true(lambda: len(self.spans) >= count, f"{count} spans come", state=lambda: len(self.spans))
        return list(self.spans)


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_is_a_span_with_one_for_the_model_and_one_for_the_commit_and_none_needs_the_collector(
    serve: Serve, iris: str
) -> None:
    with collecting() as collector:
        server = serve(
            model=iris,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
            is_measured=True,
        )
        assert_traced(server, collector)
    assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
    assert server.stop() == 0


def assert_traced(server: Server, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert httpx.post(f"{server.url}/predict", json=SETOSA, headers=headers, timeout=30).status_code == 200
    assert httpx.post(f"{server.url}/predict", json={}, timeout=30).status_code == 422
    for path in ("/livez", "/readyz", "/metrics"):
        assert httpx.get(f"{server.url}{path}", timeout=30).status_code == 200

    spans = collector.await_spans(5)
    by_name = {span.name: span for span in spans if span.trace_id.hex() == TRACE}
    assert set(by_name) == {"POST /predict", "model", "audit commit"}
    request = by_name["POST /predict"]
    assert request.parent_span_id.hex() == PARENT
    assert {by_name[name].parent_span_id for name in ("model", "audit commit")} == {request.span_id}
    status = {each.key: each.value for each in request.attributes}["http.response.status_code"]
    assert status.int_value == 200
    assert sorted(span.name for span in spans if span.trace_id.hex() != TRACE) == [
        "POST /predict",
        "audit commit",
    ]
