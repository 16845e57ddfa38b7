"""One table of errors for every transport."""

import re

import grpc

import service.errors
from service.errors import RequestError, TensorInvalid
from service.errors.error_text import error_text
from service.errors.refusals import GRPC_CODES


def request_errors() -> list[type[RequestError]]:
    return [
        error for error in vars(service.errors).values()
        if isinstance(error, type) and issubclass(error, RequestError) and error is not RequestError
    ]  # fmt: skip


def test_every_error_has_a_status_and_a_grpc_code_and_the_table_says_which() -> None:
    table = re.findall(r"\+-- (\w+) +(\d{3}) (\w+)$", str(service.errors.__doc__), re.MULTILINE)
    assert sorted(table) == sorted(
        (error.__name__, str(int(error.status)), GRPC_CODES[error.status]) for error in request_errors()
    )
    assert {code for *_, code in table} <= {code.name for code in grpc.StatusCode}


def test_the_kinds_of_errors_are_told_apart() -> None:
    kinds = [error.kind for error in request_errors()]
    assert len(kinds) == len(set(kinds))


def test_an_error_in_one_text_is_short_whatever_a_client_sent() -> None:
    assert len(error_text(TensorInvalid("x" * 10**6, "is given twice"))) < 200
