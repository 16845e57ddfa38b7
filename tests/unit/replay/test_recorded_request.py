"""Recorded bodies become the rows that were served, and the end of their JSON is found without its header."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.contract import Contract, Feature, Target
from service.native.python_call import PythonRequest
from service.oip.served_model import ServedNames
from service.replay.recorded_request import RequestReader, json_end
from service.routes import BATCH, PREDICT

CONTRACT = Contract(
    features=(
        Feature(name="größe", type="float"),
        Feature(name="weight", type="float", nullable=True),
        Feature(name="legs", type="integer", nullable=True),
        Feature(name="tame", type="boolean", nullable=True),
        Feature(name="colour", type="category", categories=("black", "NaN"), nullable=True),
        Feature(name="booked", type="date", nullable=True),
        Feature(name="arrived", type="datetime"),
    ),
    target=Target(name="t", type="integer", classes=(3, 7)),
    reference_date=date(2026, 1, 1),
)
TEXTS = st.text("aä€😀 ", min_size=1, max_size=9).filter(str.strip)
ROWS = st.fixed_dictionaries(
    {
        "größe": st.floats(-1e30, 1e30),
        "weight": st.none() | st.floats(-1e30, 1e30),
        "legs": st.none() | st.integers(-(2**53), 2**53),
        "tame": st.none() | st.booleans(),
        "colour": st.none() | st.sampled_from(["black", "NaN"]) | TEXTS,
        "booked": st.none() | st.dates().map(str),
        "arrived": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    }
)


@pytest.fixture(scope="module")
def reader() -> RequestReader:
    return RequestReader(CONTRACT, ServedNames("read_again:1", "1"), 10_000)


@given(sent=st.lists(ROWS, min_size=1, max_size=4))
def test_a_call_within_python_is_read_as_the_rows_that_it_was_made_with(
    reader: RequestReader, sent: list[dict[str, object]]
) -> None:
    batch_type = reader.messages.batch_type
    batch = batch_type.model_validate_json(json.dumps({"instances": sent}))
    served = [row.features for row in batch.instances]
    body = PythonRequest(BATCH, batch).body
    assert body is not None
    assert [*reader.rows("python", BATCH, body.decode())] == served
    body = PythonRequest(PREDICT, batch.instances[0]).body
    assert body is not None
    assert [*reader.rows("python", PREDICT, body.decode())] == served[:1]


SPACES = st.text(" \n\t\r", max_size=5)


@given(
    raws=st.lists(st.binary(max_size=20) | st.text(" \n", max_size=9).map(str.encode), max_size=3),
    before=SPACES,
    after=SPACES,
    name=st.text(max_size=5),
)
def test_the_json_of_a_body_ends_where_its_raw_tensors_begin(
    raws: list[bytes], before: str, after: str, name: str
) -> None:
    inputs = [{"name": name, "parameters": {"binary_data_size": len(raw)}} for raw in raws]
    text = f"{before}{json.dumps({'inputs': inputs}, ensure_ascii=False)}{after}".encode(errors="replace")
    body = text + b"".join(raws)
    assert json_end(body) == (len(text) if any(raws) else len(body))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'{"inputs": 5}x', b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_message_ends_at_its_end(body: bytes) -> None:
    assert json_end(body) == len(body)
