"""The codec of the native API over HTTP: JSON bodies in and out."""

from collections.abc import Callable, Mapping
from functools import partial

from service.errors import Location
from service.http.http_request import Handler, HttpRequest, Reply
from service.inference.dataplane import DataPlane, ParsedRequest
from service.inference.engine import Predictions
from service.native.messages import Messages, Parsed
from service.system.steps import finish_in_steps


class NativeCodec:
    """The messages of a native prediction route."""

    def __init__(
        self,
        messages: Messages,
        parse: Callable[[bytes], Parsed],
        *,
        limit_bytes: int,
        rows_at: Location | None = None,
    ) -> None:
        self._messages = messages
        self._parse = parse
        self._limit_bytes = limit_bytes
        self._rows_at = rows_at

    async def receive(self, request: HttpRequest) -> bytes:
        """The complete body; raises RequestError, or ClientGone."""
        return await request.read_body(self._limit_bytes)

    async def read(self, request: HttpRequest) -> ParsedRequest[Reply]:
        """Read the body; raises RequestError, or ClientGone."""
        body = await self.receive(request) if request.body is None else request.body
        rows = await finish_in_steps(self._parse(body))
        return ParsedRequest(rows, partial(self._answer, request), self._rows_at)

    def _answer(self, request: HttpRequest, predictions: Predictions) -> Reply:
        body = self._messages.answer_json(
            predictions,
            request.model,
            request_id=request.request_id,
            timestamp=request.received_utc,
            processing_time_ms=int(request.seconds * 1e6) / 1e3,
        )
        return Reply(200, body)


def native_handlers(dataplane: DataPlane, messages: Messages, body_limit_bytes: int) -> Mapping[str, Handler]:
    """The handlers of the native prediction routes, by their names in the table of routes."""
    # A body longer than the longest valid one is rejected unread.
    row = NativeCodec(
        messages,
        messages.parse_row,
        limit_bytes=min(body_limit_bytes, messages.longest_row_bytes),
    )
    batch = NativeCodec(
        messages,
        messages.parse_batch,
        limit_bytes=min(body_limit_bytes, messages.longest_batch_bytes),
        rows_at=("instances",),
    )
    return {
        "predict": partial(dataplane.predict, codec=row),
        "predict_batch": partial(dataplane.predict, codec=batch),
    }
