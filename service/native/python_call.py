"""A prediction asked for within Python: what the ``@bentoml.api`` methods do.

Requests over HTTP and gRPC never come this way. Whatever else calls the methods (BentoML's in-process client,
another service of the same bento, a test) takes the same way as they do, so that it leaves a record, too.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar, NamedTuple

from bentoml.exceptions import BentoMLException
from pydantic import BaseModel

from service.errors import RequestError
from service.errors.problem import problem_json
from service.inference.dataplane import Asked, Door
from service.inference.engine import Predictions
from service.inference.request import Call
from service.model.contract import Row
from service.model.label import Label
from service.native.messages import Answer, Messages
from service.worker import Worker


class PythonReply(NamedTuple):
    """What a call gets."""

    status: int
    body: bytes
    """As JSON, for the audit log."""
    answer: Answer[Label] | None
    """None: the call is refused."""
    error: RequestError | None = None


class PythonCall(Call):
    """A call of one of the methods."""

    __slots__ = ()

    transport: ClassVar[str] = "python"

    def __init__(self, route: str, body: BaseModel) -> None:
        super().__init__(method="POST", path=route, route=route, client=None, request_id="")
        self.body = body.model_dump_json(by_alias=True).encode()

    def deadline(self, limit_ms: int) -> float:
        """When it must be answered, by the clock ``time.monotonic``."""
        return self.started + limit_ms / 1e3

    def client_is_gone(self) -> bool:
        """Never: a caller that gives up cancels the call."""
        return False


class _PythonForm:
    """Rows that BentoML has validated, by the contract's types."""

    def __init__(self, worker: Worker, messages: Messages, rows: Sequence[Row]) -> None:
        self._worker = worker
        self._messages = messages
        self._rows = rows

    async def receive(self, call: PythonCall) -> bytes:
        """The body, which has come."""
        return call.body or b""

    async def read(self, call: PythonCall) -> Asked[PythonReply]:
        """What the call asks for."""

        def answer(predictions: Predictions) -> PythonReply:
            given = self._messages.answer(
                predictions,
                self._worker.model.lineage,
                request_id=call.request_id,
                timestamp=call.received_utc,
                processing_time_ms=call.seconds * 1e3,
            )
            return PythonReply(200, given.model_dump_json(exclude_none=True).encode(), given)

        return Asked([row.features for row in self._rows], answer)

    def refusal(self, call: PythonCall, error: RequestError) -> PythonReply:
        """What the call gets instead of an answer."""
        return PythonReply(int(error.status), problem_json(error, call.request_id), None, error)


class PythonRoute:
    """One of the methods, through the door of a worker."""

    def __init__(self, worker: Worker, messages: Messages, route: str) -> None:
        self._door = Door(worker)
        self._worker = worker
        self._messages = messages
        self._route = route

    async def predict(self, body: BaseModel, rows: Sequence[Row]) -> Answer[Label]:
        """The answer for the rows of a body, once it is recorded; raises BentoMLException."""
        call = PythonCall(self._route, body)
        try:
            reply = await self._door.predict(call, _PythonForm(self._worker, self._messages, rows))
            call.status = reply.status
        finally:
            self._door.note(call)
        if reply.answer is None:
            raise BentoMLException(str(reply.error), error_code=HTTPStatus(reply.status))
        return reply.answer
