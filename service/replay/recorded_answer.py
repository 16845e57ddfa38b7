"""Recorded answers: the labels and probabilities that were sent."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from service.audit.columns import BodyValue
from service.audit.file.kept_body import body_bytes
from service.audit.query.display import display_message
from service.model.label import Label, label_text
from service.oip.outputs import LABEL, PROBABILITIES
from service.routes import is_v2


class RecordedAnswer(NamedTuple):
    """What an answer contains of the predictions."""

    labels: Sequence[Label] | None
    """As they were sent: the Open Inference Protocol has texts. None if they were not requested."""
    probabilities: Sequence[Sequence[float]] | None
    """A list per row; None if they were not requested."""
    are_texts: bool


class AnswerUnreadable(Exception):
    """The recorded answer is not an answer of this service."""


def read_answer(transport: str, route: str, body: BodyValue, rows: int) -> RecordedAnswer:
    """The labels and probabilities of a recorded answer with so many rows; raises AnswerUnreadable."""
    try:
        if transport != "grpc" and not is_v2(route):
            members = from_json(body)
            return RecordedAnswer(members["predictions"], members["probabilities"], are_texts=False)
        message: Any = display_message(transport, route, body_bytes(body), is_request=False)
        tensors = {tensor["name"]: tensor["data"] for tensor in (message or from_json(body))["outputs"]}
        return RecordedAnswer(tensors.get(LABEL), _by_row(tensors.get(PROBABILITIES), rows), are_texts=True)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise AnswerUnreadable(repr(error)) from error


def sent_labels(labels: Sequence[Label], *, are_texts: bool) -> list[Label]:
    """Labels as an answer has them."""
    return [label_text(label) for label in labels] if are_texts else [*labels]


def _by_row(flat: Sequence[float] | None, rows: int) -> Sequence[Sequence[float]] | None:
    if flat is None:
        return None
    width = len(flat) // rows
    return [flat[at : at + width] for at in range(0, rows * width, width)]
