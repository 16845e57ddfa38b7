"""The compiled form of an estimator: an ONNX graph that ONNX Runtime computes, without scikit-learn.

The graph takes numbers and category codes, both in 64 bits, and returns the probabilities. The layout, which
maps a row to numbers and codes, is stored in the graph's metadata, so the form is one file. Training writes
it. Whether it may serve is stored in the model's lineage (runtime.py).
"""

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from service.model.calendar_features import calendar_features
from service.model.contract import Matrix, Value
from service.model.label import Label

COMPILER = "ONNX Runtime"
LAYOUT_KEY = "tabento.layout"
"""The layout's key in the graph's metadata."""

NUMBERS, CODES, PROBABILITIES = "numbers", "codes", "probabilities"
"""The graph's inputs, of which it may lack one, and its output."""

CALL_ROWS = 256
"""Largest number of rows in a call of the graph; it bounds the memory of a call."""


class Coding(BaseModel):
    """The codes of a category's values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    position: int
    """Position of the feature in the contract."""
    codes: Mapping[str, int]
    missing: int
    unknown: int

    @cached_property
    def table(self) -> dict[Value, int]:
        """The codes by value; None stands for a missing value."""
        table: dict[Value, int] = {None: self.missing}
        table.update(self.codes)
        return table


class Dates(BaseModel):
    """Dates whose calendar features follow the numbers in the graph's input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    positions: tuple[int, ...]
    """Positions in the contract."""
    reference_day: int
    with_hour: bool


class Layout(BaseModel):
    """The mapping from a row of the contract to the graph's inputs, and the classes of its output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    numbers: tuple[int, ...]
    """Positions in the contract of all features except categories and dates."""
    dates: tuple[Dates, ...] = ()
    categories: tuple[Coding, ...]
    classes: tuple[Label, ...]
    """The classes in the order of the probabilities."""


class CompiledForm:
    """A loaded compiled form. Only one thread at a time may call it."""

    def __init__(self, graph: bytes) -> None:
        # Imported here, so that a process that only supervises or trains does not load it.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Memory is freed after every call; the arena would keep the memory of the largest call.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = 3  # errors
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._layout = Layout.model_validate_json(
            self._session.get_modelmeta().custom_metadata_map[LAYOUT_KEY]
        )
        self._inputs = frozenset(each.name for each in self._session.get_inputs())
        self.name = f"{COMPILER} {version('onnxruntime')}"

    @classmethod
    def read(cls, path: Path) -> "CompiledForm":
        """Load the form from its file."""
        return cls(path.read_bytes())

    @property
    def classes(self) -> tuple[Label, ...]:
        """The classes in the order of the probabilities."""
        return self._layout.classes

    def predict_proba(self, matrix: Matrix, /) -> NDArray[np.float64]:
        """Probabilities ``(n_rows, n_classes)`` of rows ``(n_rows, n_features)``."""
        if len(matrix) <= CALL_ROWS:
            return self._call(matrix)
        starts = range(0, len(matrix), CALL_ROWS)
        return np.concatenate([self._call(matrix[start : start + CALL_ROWS]) for start in starts])

    def _call(self, matrix: Matrix) -> NDArray[np.float64]:
        inputs: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
        if NUMBERS in self._inputs:
            inputs[NUMBERS] = self._numbers(matrix)
        if CODES in self._inputs:
            inputs[CODES] = self._codes(matrix)
        probabilities: NDArray[np.float64] = self._session.run((PROBABILITIES,), inputs)[0]
        return probabilities

    def _numbers(self, matrix: Matrix) -> NDArray[np.float64]:
        if self._layout.dates:
            return self._numbers_and_dates(matrix)
        if matrix.dtype == np.float64:
            return matrix.astype(np.float64, copy=False)
        # A missing number is None in an object array; astype converts it to NaN.
        return matrix[:, self._layout.numbers].astype(np.float64)

    def _numbers_and_dates(self, matrix: Matrix) -> NDArray[np.float64]:
        blocks = [matrix[:, self._layout.numbers].astype(np.float64)]
        blocks += [
            calendar_features(matrix[:, dates.positions], dates.reference_day, dates.with_hour)
            for dates in self._layout.dates
        ]
        return np.concatenate(blocks, axis=1)

    def _codes(self, matrix: Matrix) -> NDArray[np.int64]:
        codes = np.empty((len(matrix), len(self._layout.categories)), dtype=np.int64)
        for place, coding in enumerate(self._layout.categories):
            table, unknown = coding.table, coding.unknown
            codes[:, place] = [table.get(value, unknown) for value in matrix[:, coding.position].tolist()]
        return codes
