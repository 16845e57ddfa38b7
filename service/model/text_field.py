"""The field of a text in a row type.

Spaces around a text are no part of it, in training and at serving alike. An empty text is a missing value.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, StringConstraints

WHITESPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space. pydantic removes exactly these from a text; training removes them by this list."""


def text_annotation(known: Sequence[str] | None, max_length: int) -> Any:
    """The annotation of a text: one of the known ones, if they are given, else any."""
    if known is not None:
        return Annotated[Literal[tuple(known)], BeforeValidator(_trimmed)]
    limits = Field(min_length=1, max_length=max_length)
    return Annotated[str, Strict(), StringConstraints(strip_whitespace=True), limits]


def missing_if_empty(annotation: Any) -> Any:
    """The annotation of a text or None, which takes an empty text for None."""
    return Annotated[annotation | None, BeforeValidator(_empty_to_none)]


def _trimmed(value: object) -> object:
    return value.strip(WHITESPACE) if isinstance(value, str) else value


def _empty_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip(WHITESPACE) else value
