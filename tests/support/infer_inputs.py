"""Requests of the Open Inference Protocol in JSON, and the rows that are read of them."""

import json
from typing import Any

import pytest

from service.errors import (
    RequestError,
)
from service.model.contract import Contract, Feature, Target
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from tests.support.finished_steps import finish
from tests.support.transports import in_steps

TARGET = Target(name="t", type="text", classes=("a", "b"))
MIXED = Contract(
    features=(
        Feature(name="length", type="float", minimum=0),
        Feature(name="weight", type="float", nullable=True),
        Feature(name="legs", type="integer", minimum=0, maximum=8),
        Feature(name="teeth", type="integer", nullable=True),
        Feature(name="tame", type="boolean"),
        Feature(name="barks", type="boolean", nullable=True),
        Feature(name="colour", type="category", categories=("black", "grün")),
        Feature(name="breed", type="category", categories=("pug",), nullable=True),
    ),
    target=TARGET,
)
NUMERIC = Contract(features=MIXED.features[:6], target=TARGET)
ROW: dict[str, object] = {
    "length": 1.5, "weight": None, "legs": 4, "teeth": None, "tame": True, "barks": None, "colour": "grün",
    "breed": None,
}  # fmt: skip


def tensor(name: str, datatype: str, *data: object, shape: list[int] | None = None) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": list(data)}


def of_row(row: dict[str, object], **others: dict[str, object]) -> list[dict[str, object]]:
    datatypes = {"length": "FP64", "weight": "FP64", "legs": "INT64", "teeth": "INT32", "tame": "BOOL"}
    datatypes |= {"barks": "BOOL", "colour": "BYTES", "breed": "BYTES"}
    return [others.get(name, tensor(name, datatypes[name], value)) for name, value in row.items()]


def read(
    inputs: object, *, contract: Contract = MIXED, raw: bytes = b"", **members: Any
) -> list[tuple[object, ...]]:
    content = json.dumps({"inputs": inputs, **members}).encode()
    inputs = Inputs(contract, 100)
    request = finish(in_steps(json_body.parse(content, len(content), inputs)))
    json_body.id_of(request)
    return list(finish(json_body.read(request, memoryview(raw), inputs, Outputs(contract))).rows)


def refused(inputs: object, contract: Contract = MIXED, raw: bytes = b"", **members: Any) -> str:
    with pytest.raises(RequestError) as caught:
        read(inputs, contract=contract, raw=raw, **members)
    assert caught.value.status in (400, 413, 422)
    return str(caught.value) + "".join(f" {f.loc} {f.msg}" for f in caught.value.findings)
