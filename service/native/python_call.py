"""Predictions requested within Python: the implementation of the ``@bentoml.api`` methods.

Requests over HTTP and gRPC do not use these methods. Other callers (BentoML's in-process client, another
service of the same bento, a test) pass through the same data plane and are recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, NamedTuple

from bentoml.exceptions import BentoMLException
from pydantic import BaseModel

from service.errors import RequestError
from service.errors.problem import problem_json
from service.inference.dataplane import DataPlane, ParsedRequest
from service.inference.engine import Predictions
from service.inference.request import Request
from service.model.contract import Row
from service.model.label import Label
from service.native.messages import Answer, Messages


class PythonReply(NamedTuple):
    """The result of a call."""

    status: int
    body: bytes
    """The answer or the error as JSON, for the audit log."""
    answer: Answer[Label] | None
    """None if the call is rejected or failed."""
    error: RequestError | None = None


class PythonRequest(Request[PythonReply]):
    """A call of one of the methods."""

    __slots__ = ()

    transport: ClassVar[str] = "python"

    def __init__(self, route: str, body: BaseModel) -> None:
        super().__init__(method="POST", path=route, route=route, client=None, request_id="")
        self.body = body.model_dump_json(by_alias=True).encode()

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """A call has no headers."""
        return {}

    def deadline(self, limit_ms: int) -> float:
        """The deadline, by the clock ``time.monotonic``."""
        return self.started + limit_ms / 1e3

    def client_is_gone(self) -> bool:
        """False: a caller that stops waiting cancels the call."""
        return False

    def refusal(self, error: RequestError) -> PythonReply:
        """The reply to a call that raised the error."""
        return PythonReply(int(error.status), problem_json(error, self.request_id), None, error)


class _PythonCodec:
    """Rows that BentoML has validated, by the contract's types."""

    def __init__(self, messages: Messages, rows: Sequence[Row]) -> None:
        self._messages = messages
        self._rows = rows

    async def receive(self, request: PythonRequest) -> bytes:
        """The body."""
        return request.body or b""

    async def read(self, request: PythonRequest) -> ParsedRequest[PythonReply]:
        """The rows and the function that makes the reply."""

        def reply(predictions: Predictions) -> PythonReply:
            answer = self._messages.answer(
                predictions,
                request.model,
                request_id=request.request_id,
                timestamp=request.received_utc,
                processing_time_ms=request.seconds * 1e3,
            )
            return PythonReply(200, answer.model_dump_json(exclude_none=True).encode(), answer)

        return ParsedRequest([row.features for row in self._rows], reply)


class PythonRoute:
    """The implementation of one method."""

    def __init__(self, messages: Messages, route: str, dataplane: Callable[[], DataPlane]) -> None:
        """Take a function that returns the data plane of the worker after it has started."""
        self._messages = messages
        self._route = route
        self._dataplane = dataplane

    async def predict(self, body: BaseModel, rows: Sequence[Row]) -> Answer[Label]:
        """The answer for the rows of a body, once it is recorded; raises BentoMLException."""
        dataplane = self._dataplane()
        request = PythonRequest(self._route, body)
        codec = _PythonCodec(self._messages, rows)
        try:
            reply = await dataplane.predict(request, codec)
            request.status = reply.status
        finally:
            dataplane.finish(request)
        if reply.answer is None:
            raise BentoMLException(str(reply.error), error_code=HTTPStatus(reply.status))
        return reply.answer
