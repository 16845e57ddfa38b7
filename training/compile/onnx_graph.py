"""An ONNX graph as it is written, operator by operator, all of it in 64-bit floats.

Operators are of ONNX's opset 18 and ONNX-ML's opset 3: https://onnx.ai/onnx/operators/
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from service.model.compiled import CODES, LAYOUT_KEY, NUMBERS, PROBABILITIES, Layout

DOUBLE, FLOAT, INT64 = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64
"""Types that ``Cast`` casts to."""

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 10

_LANES = 8
"""The length to whose multiple softmax pads its rows: see ``softmax``."""

_LOWEST_SCORE = -1e300


class Tensor(NamedTuple):
    """A value in a graph."""

    name: str


class Graph:
    """Operators and constants, in the order in which they were added."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs: dict[str, ValueInfoProto] = {}

    def numbers(self, columns: int) -> Tensor:
        """The input ``(n_rows, columns)`` of numbers, with NaN for a missing one."""
        return self._input(NUMBERS, DOUBLE, columns)

    def codes(self, columns: int) -> Tensor:
        """The input ``(n_rows, columns)`` of the codes of categories."""
        return self._input(CODES, INT64, columns)

    def _input(self, name: str, element_type: int, columns: int) -> Tensor:
        self._inputs[name] = helper.make_tensor_value_info(name, element_type, [None, columns])
        return Tensor(name)

    def constant(self, values: NDArray[np.generic] | np.int64 | float | Sequence[int]) -> Tensor:
        """A constant; a list of integers becomes 64-bit integers."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return Tensor(name)

    def add(self, operator: str, *inputs: Tensor, domain: str = "", **attributes: object) -> Tensor:
        """The first output of an operator."""
        return self.add_all(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def add_all(
        self, operator: str, *inputs: Tensor, outputs: int, domain: str = "", **attributes: object
    ) -> list[Tensor]:
        """All outputs of an operator."""
        names = [f"{operator}_{len(self._nodes)}_{place}" for place in range(outputs)]
        input_names = [each.name for each in inputs]
        node = helper.make_node(operator, input_names, names, domain=domain)
        for name, value in attributes.items():
            node.attribute.append(helper.make_attribute(name, value))
        self._nodes.append(node)
        return [Tensor(name) for name in names]

    def softmax(self, scores: Tensor, n_classes: int) -> Tensor:
        """The probabilities of scores ``(n_rows, n_classes)``.

        The rows are padded with impossible classes to a multiple of eight, the length of a vector register.
        So every row is computed by the same instructions in the same order, wherever it is in a batch.
        Without that, ONNX Runtime's exponential gives different bits to numbers after the last full register,
        and its sum depends on the row's position in memory.
        """
        filled = self._in_full_registers(scores, n_classes, _LOWEST_SCORE)
        last = self.constant([1])
        relative = self.add("Sub", filled, self.add("ReduceMax", filled, last, keepdims=1))
        exponentials = self.add("Exp", relative)
        total = self.add("ReduceSum", exponentials, last, keepdims=1)
        shares = self.add("Div", exponentials, total)
        return self.add("Slice", shares, self.constant([0]), self.constant([n_classes]), last)

    def logarithms(self, values: Tensor, n_columns: int) -> Tensor:
        """The logarithms of positive values ``(n_rows, n_columns)``, padded for the reason of ``softmax``."""
        found = self.add("Log", self._in_full_registers(values, n_columns, 1.0))
        return self.add("Slice", found, self.constant([0]), self.constant([n_columns]), self.constant([1]))

    def _in_full_registers(self, rows: Tensor, n_columns: int, filler: float) -> Tensor:
        return self.add("Pad", rows, self.constant([0, 0, 0, -n_columns % _LANES]), self.constant(filler))

    def write(self, probabilities: Tensor, layout: Layout) -> bytes:
        """The content of the graph's file, whose output is these probabilities."""
        self._nodes.append(helper.make_node("Identity", [probabilities.name], [PROBABILITIES]))
        output = helper.make_tensor_value_info(PROBABILITIES, DOUBLE, [None, len(layout.classes)])
        graph = helper.make_graph(
            self._nodes, "tabento", list(self._inputs.values()), [output], self._constants
        )
        opsets = [helper.make_opsetid(domain, number) for domain, number in _OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        helper.set_model_props(model, {LAYOUT_KEY: layout.model_dump_json()})
        content: bytes = model.SerializeToString()
        return content
