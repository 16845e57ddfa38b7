"""The native API's messages over HTTP: a JSON body in, a JSON body out."""

from collections.abc import Callable, Generator
from functools import partial

from service.errors import Location, RequestError
from service.http.http_request import Exchange, Reply
from service.inference.dataplane import Asked
from service.inference.engine import Predictions
from service.native.messages import Messages, Parsed
from service.system.steps import finish_in_turns
from service.worker import Worker


class NativeForm:
    """The messages of one of the native prediction routes."""

    def __init__(
        self,
        worker: Worker,
        messages: Messages,
        parse: Callable[[bytes], Parsed],
        rows_at: Location | None = None,
    ) -> None:
        self._worker = worker
        self._messages = messages
        self._parse = parse
        self._rows_at = rows_at
        # What is longer could not be valid, so it need not be read.
        longest = messages.longest_row_bytes if rows_at is None else messages.longest_batch_bytes
        self._limit_bytes = min(worker.settings.body_limit_bytes, longest)

    async def receive(self, exchange: Exchange) -> bytes:
        """The body, whole; raises RequestError, or ClientGone."""
        return await exchange.read_body(self._limit_bytes)

    async def read(self, exchange: Exchange) -> Asked[Reply]:
        """Read the body; raises RequestError, or ClientGone."""
        rows = self._parse(await self.receive(exchange) if exchange.body is None else exchange.body)
        if isinstance(rows, Generator):
            rows = await finish_in_turns(rows)
        return Asked(rows, partial(self._answer, exchange), self._rows_at)

    def refusal(self, exchange: Exchange, error: RequestError) -> Reply:
        """What answers a request that raised the error."""
        return exchange.refusal(error)

    def _answer(self, exchange: Exchange, predictions: Predictions) -> Reply:
        body = self._messages.answer_json(
            predictions,
            self._worker.model.lineage,
            request_id=exchange.request_id,
            timestamp=exchange.received_utc,
            processing_time_ms=int(exchange.seconds * 1e6) / 1e3,
        )
        return Reply(200, body)
