"""A prediction requested within Python: what the ``@bentoml.api`` methods do.

Requests over HTTP and gRPC never come this way. Other callers of the methods (BentoML's in-process client,
another service of the same bento, a test) pass through the same data plane, so that they leave a record.
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
from service.model.published import Lineage
from service.native.messages import Answer, Messages


class PythonReply(NamedTuple):
    """What the caller gets."""

    status: int
    body: bytes
    """As JSON, for the audit log."""
    answer: Answer[Label] | None
    """None if the request is refused."""
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
        """None."""
        return {}

    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``."""
        return self.started + limit_ms / 1e3

    def client_is_gone(self) -> bool:
        """Never: a caller that stops waiting cancels the call."""
        return False

    def refusal(self, error: RequestError) -> PythonReply:
        """The reply to a call that raised the error."""
        return PythonReply(int(error.status), problem_json(error, self.request_id), None, error)


class _PythonCodec:
    """Rows that BentoML has validated, by the contract's types."""

    def __init__(self, messages: Messages, lineage: Lineage, rows: Sequence[Row]) -> None:
        self._messages = messages
        self._lineage = lineage
        self._rows = rows

    async def receive(self, request: PythonRequest) -> bytes:
        """The body."""
        return request.body or b""

    async def read(self, request: PythonRequest) -> ParsedRequest[PythonReply]:
        """The rows, and how they are answered."""

        def answer(predictions: Predictions) -> PythonReply:
            given = self._messages.answer(
                predictions,
                self._lineage,
                request_id=request.request_id,
                timestamp=request.received_utc,
                processing_time_ms=request.seconds * 1e3,
            )
            return PythonReply(200, given.model_dump_json(exclude_none=True).encode(), given)

        return ParsedRequest([row.features for row in self._rows], answer)


class PythonRoute:
    """One of the methods."""

    def __init__(self, messages: Messages, route: str, dataplane: Callable[[], DataPlane]) -> None:
        """Take what gives the data plane of the worker once that has started."""
        self._messages = messages
        self._route = route
        self._dataplane = dataplane

    async def predict(self, body: BaseModel, rows: Sequence[Row]) -> Answer[Label]:
        """The answer for the rows of a body, once it is recorded; raises BentoMLException."""
        dataplane = self._dataplane()
        request = PythonRequest(self._route, body)
        codec = _PythonCodec(self._messages, dataplane.lineage, rows)
        try:
            reply = await dataplane.predict(request, codec)
            request.status = reply.status
        finally:
            dataplane.finish(request)
        if reply.answer is None:
            raise BentoMLException(str(reply.error), error_code=HTTPStatus(reply.status))
        return reply.answer
