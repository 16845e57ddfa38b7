"""The errors, from the tree in ``service/errors``."""

import inspect
from collections.abc import Iterator
from typing import TypeVar

from docs.extension.markdown_table import markdown_table, one_line
from service.errors import RequestError, StartError
from service.errors.refusals import GRPC_CODES

Error = TypeVar("Error", RequestError, StartError)


def request_errors() -> str:
    """Write what a request can be answered with in place of a result."""
    kinds = sorted(subclasses(RequestError), key=lambda error: (error.status, error.kind))
    rows = [
        (
            str(int(error.status)),
            f"`urn:tabento:{error.kind}`",
            f"`{GRPC_CODES[error.status]}`",
            "yes" if error.recorded else "no",
            one_line(inspect.getdoc(error)),
        )
        for error in kinds
    ]
    return markdown_table(("status", "`type`", "gRPC code", "recorded", "meaning"), rows)


def start_errors() -> str:
    """Write what can keep the service, or one of its commands, from starting."""
    rows = [(f"`{error.__name__}`", one_line(inspect.getdoc(error))) for error in subclasses(StartError)]
    return markdown_table(("error", "meaning"), rows)


def subclasses(base: type[Error]) -> Iterator[type[Error]]:
    """Every class below that one, in the order in which they are defined."""
    for error in base.__subclasses__():
        yield error
        yield from subclasses(error)
