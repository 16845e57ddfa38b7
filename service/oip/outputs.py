"""Predictions -> output tensors: ``label``, a text for each row, and ``probabilities``, in class order."""

from collections.abc import Iterator, Sequence
from itertools import chain
from struct import Struct, pack
from typing import NamedTuple

from pydantic_core import to_json

from service.contract import Contract, Flag, Label, label_text
from service.engine import Predictions
from service.errors import TensorInvalid
from service.oip.datatypes import BYTES, FP64, Datatype

LABEL, PROBABILITIES = "label", "probabilities"
NAMES = (LABEL, PROBABILITIES)

_LENGTH = Struct("<I")


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
            texts = [str(value).encode() for value in self.values]
            return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in texts))
        return pack(f"<{len(self.values)}d", *self.values)


class Outputs:
    """The way from predictions to tensors, for one contract."""

    def __init__(self, contract: Contract) -> None:
        self.classes = len(contract.target.classes)
        self._are_texts = contract.target.type == "text"

    def check(self, name: object, asked: Sequence[str]) -> str:
        """The name of an output that is asked for, beside those before it; raises TensorInvalid."""
        if name not in NAMES:
            raise TensorInvalid(str(name), f"is unknown; there are {' and '.join(NAMES)}", side="Output")
        if name in asked:
            raise TensorInvalid(str(name), "is asked for twice", side="Output")
        return str(name)

    def tensors(self, predictions: Predictions, names: Sequence[str]) -> Iterator[OutputTensor]:
        """The tensors of these names."""
        rows = len(predictions.labels)
        for name in names:
            if name == LABEL:
                texts = predictions.labels if self._are_texts else [*map(label_text, predictions.labels)]
                yield OutputTensor(LABEL, BYTES, (rows,), texts)
            else:
                flat = [*chain.from_iterable(predictions.probabilities)]
                yield OutputTensor(PROBABILITIES, FP64, (rows, self.classes), flat)


def flags_text(flags: Sequence[Flag]) -> str:
    """The flags as an answer's parameter has them, which takes no list: JSON, as the native API has it."""
    return to_json([flag._asdict() for flag in flags]).decode()
