"""Predictions become output tensors: ``label``, a text per row, and ``probabilities``, in class order."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from struct import pack
from typing import NamedTuple

from pydantic_core import to_json

from service.errors import TensorInvalid
from service.inference.engine import Predictions
from service.model.contract import Contract
from service.model.label import Label, label_text
from service.model.reference_profile import Flags
from service.wire.datatypes import BYTES, FP64, Datatype

LABEL, PROBABILITIES = "label", "probabilities"
NAMES = (LABEL, PROBABILITIES)
MODEL_ID = "model_id"
"""The parameter of an answer with the id of the model's card."""


class OutputTensor(NamedTuple):
    """A tensor of an answer."""

    name: str
    datatype: Datatype
    shape: Sequence[int]
    values: Sequence[Label] | Sequence[float]
    """Flat, in row-major order."""

    @property
    def raw(self) -> bytes:
        """The values as raw bytes."""
        if self.datatype is BYTES:
            return b"".join([_raw_text(str(value)) for value in self.values])
        return pack(f"<{len(self.values)}d", *self.values)


class Outputs:
    """Converts predictions to tensors, for one contract."""

    def __init__(self, contract: Contract) -> None:
        self.classes = len(contract.target.classes)
        self._are_texts = contract.target.type == "text"

    def check(self, name: object, requested: Sequence[str]) -> str:
        """The name of a requested output, which must be none of those before it; raises TensorInvalid."""
        if name not in NAMES:
            raise TensorInvalid(str(name), f"is unknown; there are {' and '.join(NAMES)}", side="Output")
        if name in requested:
            raise TensorInvalid(str(name), "is requested twice", side="Output")
        return str(name)

    def tensors(self, predictions: Predictions, names: Sequence[str]) -> Sequence[OutputTensor]:
        """The tensors of these names."""
        return [
            tensor._replace(values=self._values(predictions, tensor.name))
            for tensor in self.shapes(len(predictions.labels), names)
        ]

    def shapes(self, rows: int, names: Sequence[str]) -> Sequence[OutputTensor]:
        """The tensors of these names for so many rows, without values."""
        return [
            OutputTensor(LABEL, BYTES, (rows,), ())
            if name == LABEL
            else OutputTensor(PROBABILITIES, FP64, (rows, self.classes), ())
            for name in names
        ]

    def _values(self, predictions: Predictions, name: str) -> Sequence[Label] | Sequence[float]:
        if name == PROBABILITIES:
            return [*chain.from_iterable(predictions.probabilities)]
        return predictions.labels if self._are_texts else [*map(label_text, predictions.labels)]


@lru_cache  # One entry per class.
def _raw_text(text: str) -> bytes:
    encoded = text.encode()
    return pack("<I", len(encoded)) + encoded


def flag_parameters(flags: Flags) -> dict[str, str | int]:
    """The flags as an answer's parameters; the list is JSON text, because a parameter cannot be a list."""
    listed = to_json(flags.objects).decode()
    total = flags.unlisted_total
    return {"flags": listed} | ({} if total is None else {"flags_total": total})
