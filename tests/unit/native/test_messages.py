"""Bodies become rows, or a refusal that says what is wrong with them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from service.errors import BodyMalformed, Finding, RowsInvalid, TooManyRows
from service.inference.engine import Predictions
from service.inference.row_check import MAX_FINDINGS
from service.model.contract import Contract, Feature, Target, Values
from service.model.model_id import ModelIdentity
from service.model.reference_profile import NO_FLAGS, Flag, FlagKind, Flags
from service.native.messages import Messages, Parsed
from tests.support.finished_steps import finish
from tests.support.transports import in_steps

CONTRACT = Contract(
    features=(
        Feature(name="x", type="float", minimum=0, maximum=10),
        Feature(name="c", type="category", categories=("NaN", "b")),
    ),
    target=Target(name="t", type="integer", classes=(3, 7)),
)

MODEL = ModelIdentity("m", "2", "0123456789abcdef")


def rows_of(parsed: Parsed) -> Sequence[Values]:
    return finish(in_steps(parsed))


@pytest.fixture
def messages() -> Messages:
    return Messages(CONTRACT, max_batch_rows=3)


def test_a_flat_object_is_one_row(messages: Messages) -> None:
    assert rows_of(messages.parse_row(b'{"x": 1, "c": "NaN"}')) == ((1.0, "NaN"),)


def test_a_batch_keeps_the_order_of_its_rows(messages: Messages) -> None:
    body = json.dumps({"instances": [{"x": x, "c": "b"} for x in (3, 1, 2)]}).encode()
    assert [row[0] for row in rows_of(messages.parse_batch(body))] == [3, 1, 2]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{'x': 1}", b'{"x": 1,}', b'{"x": NaN, "c": "b"}', b'{"x": -Infinity, "c": "b"}',
        b'{"x": 01, "c": "b"}', b'{"x": 1, "c": "\xff"}', b'\xef\xbb\xbf{"x": 1, "c": "b"}', b"[" * 100_000,
        b'{"x": 1, "c": "b"} {}', b'{"x": 1, "c": "\\ud800"}',
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_is_not_json_is_malformed_and_not_a_broken_contract(messages: Messages, body: bytes) -> None:
    for parse in (messages.parse_row, messages.parse_batch):
        with pytest.raises(BodyMalformed, match="not valid JSON"):
            rows_of(parse(body))


@pytest.mark.parametrize("body", [b"null", b"[]", b"3", b'"x"', b"{}"])
def test_json_of_another_shape_breaks_the_contract(messages: Messages, body: bytes) -> None:
    for parse in (messages.parse_row, messages.parse_batch):
        with pytest.raises(RowsInvalid):
            rows_of(parse(body))


def test_each_value_that_breaks_the_contract_is_found_where_it_stands(messages: Messages) -> None:
    with pytest.raises(RowsInvalid, match="3 values break the contract") as refused:
        rows_of(messages.parse_batch(b'{"instances": [{"x": 1, "c": "b"}, {"x": 11, "c": 1, "y": 0}]}'))
    assert refused.value.findings == [
        Finding(("instances", 1, "x"), "Input should be less than or equal to 10"),
        Finding(("instances", 1, "c"), "Input should be a valid string"),
        Finding(("instances", 1, "y"), "Extra inputs are not permitted"),
    ]


def test_a_number_too_large_for_a_float_breaks_the_contract(messages: Messages) -> None:
    with pytest.raises(RowsInvalid):
        rows_of(messages.parse_row(b'{"x": 1e999, "c": "b"}'))


def test_a_refusal_lists_the_first_findings_and_says_that_there_are_more() -> None:
    many = Messages(CONTRACT, max_batch_rows=1000)
    with pytest.raises(
        RowsInvalid, match=r"At least 100 values break the contract \(the first 100 are listed\)"
    ) as refused:
        rows_of(many.parse_batch(json.dumps({"instances": [{}] * 200}).encode()))
    assert len(refused.value.findings) == MAX_FINDINGS


def test_a_batch_over_the_limit_is_too_large_and_an_empty_one_breaks_the_contract(messages: Messages) -> None:
    row = {"x": 1, "c": "b"}
    assert len(rows_of(messages.parse_batch(json.dumps({"instances": [row] * 3}).encode()))) == 3
    with pytest.raises(TooManyRows, match="at most 3 rows"):
        rows_of(messages.parse_batch(json.dumps({"instances": [row] * 4}).encode()))
    with pytest.raises(RowsInvalid):
        rows_of(messages.parse_batch(b'{"instances": []}'))


ABOUT = {
    "request_id": "id",
    "timestamp": datetime(2026, 1, 15, 10, 30, 0, 123456, tzinfo=UTC),
    "processing_time_ms": 1.5,
}


KIND = FlagKind("c", "unknown_category")
ONE_FLAG, MORE_FLAGS = (Flags((Flag(0, *KIND),), {KIND: total}) for total in (1, 5))


def answer_json(messages: Messages, flags: Flags) -> bytes:
    return messages.answer_json(Predictions([7], [[0.25, 0.75]], [0.75], flags), MODEL, **ABOUT)  # type: ignore[arg-type]


@pytest.mark.parametrize("flags", [NO_FLAGS, ONE_FLAG, MORE_FLAGS])
def test_the_text_of_an_answer_is_that_of_its_type(messages: Messages, flags: Flags) -> None:
    answer = messages.answer(Predictions([7], [[0.25, 0.75]], [0.75], flags), MODEL, **ABOUT)  # type: ignore[arg-type]
    assert answer_json(messages, flags).decode() == answer.model_dump_json(exclude_none=True)


def test_an_answer_has_flags_only_where_a_value_was_flagged(messages: Messages) -> None:
    def answered(flags: Flags) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(answer_json(messages, flags))
        return parsed

    plain = {
        "predictions": [7],
        "probabilities": [[0.25, 0.75]],
        "model_name": "m",
        "model_version": "2",
        "model_id": "0123456789abcdef",
        "processing_time_ms": 1.5,
        "timestamp": "2026-01-15T10:30:00.123456Z",
        "request_id": "id",
    }
    assert answered(NO_FLAGS) == plain
    flagged = [{"row": 0, "feature": "c", "reason": "unknown_category"}]
    assert answered(ONE_FLAG) == {**plain, "flags": flagged}
    assert answered(MORE_FLAGS) == {**plain, "flags": flagged, "flags_total": 5}
