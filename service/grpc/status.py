"""An error as a gRPC status.

Clients show the code and the message. The details are for programs, in the form of
https://google.aip.dev/193: the kind of the error, the invalid values, the time to wait before a retry.
"""

from collections.abc import Iterator

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from service.errors import RequestError
from service.errors.error_text import MAX_FINDINGS, error_text, finding_text
from service.grpc.grpc_request import Context, GrpcRequest

_REQUEST_ID = "x-request-id"
_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"
"""The wait of clients with a retry policy: https://github.com/grpc/proposal/blob/master/A6-client-retries.md."""
_DOMAIN = "tabento"


async def abort(context: Context, request: GrpcRequest, error: RequestError) -> None:
    """End the call with the error; raises grpc.aio.AbortError."""
    code, text = grpc.StatusCode[error.grpc_code], error_text(error)
    number: int = code.value[0]
    status = Status(code=number, message=text)
    for detail in _details(error):
        status.details.add().Pack(detail)
    trailing: list[tuple[str, str | bytes]] = [
        (_REQUEST_ID, request.request_id),
        (_DETAILS, status.SerializeToString()),
    ]
    if error.retry_after_s is not None:
        trailing.append((_PUSHBACK, str(int(error.retry_after_s * 1e3))))
    await context.abort(code, text, tuple(trailing))


def _details(error: RequestError) -> Iterator[Message]:
    yield ErrorInfo(reason=error.kind, domain=_DOMAIN)
    if error.findings:
        violations = [
            BadRequest.FieldViolation(field=str(finding.loc[0]), description=finding_text(finding))
            for finding in error.findings[:MAX_FINDINGS]
            if finding.loc
        ]
        yield BadRequest(field_violations=violations)
    if error.retry_after_s is not None:
        yield RetryInfo(retry_delay=Duration(seconds=error.retry_after_s))
