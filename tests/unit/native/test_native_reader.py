"""Bodies of the native API are read in bounded steps, and mean what pydantic takes them to mean."""

import json
from collections.abc import Callable
from time import process_time
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import from_json

from service.errors import BodyMalformed, Finding, RequestError, RowsInvalid, TooManyRows
from service.inference.row_check import MAX_FINDINGS
from service.model.contract import MAX_TEXT_LENGTH, Contract, Feature, Target, Values
from service.native.native_reader import NativeReader
from tests.support.finished_steps import finish
from tests.support.garbage_collector import uncollected

TARGET = Target(name="t", type="text", classes=("a", "b"))
CONTRACT = Contract(
    features=(
        Feature(name="x", type="float", maximum=10),
        Feature(name="n", type="integer", nullable=True),
        Feature(name="c{}", type="category", categories=("p",), nullable=True),
        Feature(name="d", type="category", categories=("q", "r"), closed=True),
    ),
    target=TARGET,
)
WIDE = Contract(
    features=(*(Feature(name=f"f{i}", type="float") for i in range(449)), Feature(name="c", type="category")),
    target=TARGET,
)
MAX_ROWS = 12


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def whole(contract: Contract) -> type[BaseModel]:
    rows = Annotated[list[contract.row_type], Field(min_length=1, max_length=MAX_ROWS)]  # type: ignore[name-defined]
    return create_model("Whole", __base__=Strict, instances=(rows, ...))


WHOLE = whole(CONTRACT)


def expected(body: bytes) -> list[Values] | type[RequestError] | set[tuple[Any, ...]]:
    """Rows, or what pydantic finds in the body as a whole: where, as it counts no place twice."""
    try:
        return [row.features for row in WHOLE.model_validate_json(body).instances]  # type: ignore[attr-defined]
    except ValidationError as error:
        try:
            from_json(body, allow_inf_nan=False)
        except ValueError:
            return BodyMalformed
        kinds = {detail["type"] for detail in error.errors()}
        return TooManyRows if "too_long" in kinds else {detail["loc"] for detail in error.errors()}


def got(reader: NativeReader, body: bytes) -> list[Values] | type[RequestError] | set[tuple[Any, ...]]:
    try:
        return list(reader.batch_at_once(body) or finish(reader.batch(body)))
    except RowsInvalid as error:
        return {finding.loc for finding in error.findings}
    except RequestError as error:
        return type(error)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-20, 20), st.floats(-20, 20),
    st.text("ab{}[],:\"\\é\ud7ff", max_size=6),
    st.sampled_from(["p", "q", "r", [], {}, [{}], {"x": 1}, 10**30]),
)  # fmt: skip
good_rows = st.fixed_dictionaries(
    {"x": st.floats(-20, 10), "d": st.sampled_from(["q", "r"])},
    optional={"n": st.none() | st.integers(-9, 9), "c{}": st.none() | st.text('p}],{["', max_size=9)},
)
any_rows = st.dictionaries(st.sampled_from(["x", "n", "c{}", "d", "y", "}", "instances"]), values, max_size=6)
batches = st.fixed_dictionaries(
    {
        "instances": st.lists(good_rows, max_size=14)
        | st.lists(good_rows | any_rows | values, max_size=5)
        | values
    },
    optional={"extra": values},
)
layouts = st.sampled_from(
    [{"indent": None}, {"indent": 3}, {"separators": (",", ":")}, {"ensure_ascii": False}]
)


@given(batches | values, layouts, st.integers(64, 300))
def test_a_body_read_piece_by_piece_means_what_it_means_as_a_whole(
    batch: Any, layout: dict[str, Any], piece_bytes: int
) -> None:
    body = json.dumps(batch, **layout).encode()
    want = expected(body)
    have = got(NativeReader(CONTRACT, MAX_ROWS, piece_bytes=piece_bytes), body)
    if isinstance(want, set):
        # What is refused is not read to its end, where that is long.
        assert have is TooManyRows or (isinstance(have, set) and have)
        if len(body) <= piece_bytes:
            assert have == want
    else:
        assert have == want


@given(st.binary(max_size=40) | st.text('{}[]",:\\u0n1. \n', max_size=40).map(str.encode), st.integers(8, 64))
@example(b'{"instances": [{"x": 1, "d": "q"}]} {}', 16)
@example(b'{"instances": [{"x": NaN, "d": "q"}]}', 16)
@example(b'{"instances": [{"x": 1, "d": "\\ud800"}]}', 16)
@example(b'{"instances": [{"x": 1, "d": "q"},]}', 16)
def test_what_is_not_json_is_refused_however_it_is_cut(body: bytes, piece_bytes: int) -> None:
    have = got(NativeReader(CONTRACT, MAX_ROWS, piece_bytes=piece_bytes), body)
    if expected(body) is BodyMalformed:
        assert have is BodyMalformed or (isinstance(have, set) and len(body) > piece_bytes)
    else:
        assert have is not BodyMalformed


def row_of(contract: Contract, body: bytes) -> Values:
    reader = NativeReader(contract, MAX_ROWS)
    at_once = reader.row_at_once(body)
    return finish(reader.row(body))[0] if at_once is None else at_once


def test_a_row_as_long_as_its_texts_may_make_it_is_read() -> None:
    row: dict[str, object] = {f"f{i}": 1.5 for i in range(449)}
    for text in ("a" * MAX_TEXT_LENGTH, "é" * MAX_TEXT_LENGTH, "\x00" * MAX_TEXT_LENGTH):
        body = json.dumps({**row, "c": text}, indent=300).encode()
        assert len(body) > 130_000
        assert row_of(WIDE, body) == (*[1.5] * 449, text)
        assert (
            got(NativeReader(WIDE, MAX_ROWS), b'{"instances":[%b,%b]}' % (body, body))
            == [(*[1.5] * 449, text)] * 2
        )


def test_null_for_a_feature_that_has_no_missing_values_is_said_so() -> None:
    with pytest.raises(RowsInvalid) as refused:
        row_of(CONTRACT, b'{"x": null, "d": null}')
    assert refused.value.findings == [
        Finding(("x",), "May not be missing"),
        Finding(("d",), "May not be missing"),
    ]
    assert row_of(CONTRACT, b'{"x": 1, "d": "q"}') == (1, None, None, "q")


def test_a_byte_order_mark_is_named() -> None:
    for read in (row_of, lambda _, body: finish(NativeReader(CONTRACT, MAX_ROWS).batch(body))):
        with pytest.raises(BodyMalformed, match="begins with a byte order mark; send plain UTF-8"):
            read(CONTRACT, b'\xef\xbb\xbf{"x": 1, "d": "q"}')


MB = 1_000_000
UNKNOWN = b",".join(b'"k%d":1' % i for i in range(MB))
ROW = json.dumps({f.name: 1.5 for f in WIDE.features} | {"c": "q"}).encode()


def many_rows(row: bytes, rows: int) -> bytes:
    return b'{"instances":[%b]}' % b",".join([row] * rows)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "unknown members in every row": lambda: many_rows(b"{%b}" % UNKNOWN[:9_999], 900),
    "unknown members in one row": lambda: b'{"instances":[{%b}]}' % UNKNOWN,
    "unknown members in the last row": lambda: b'{"instances":[%b,{%b}]}' % (ROW, UNKNOWN),
    "unknown members beside the rows": lambda: b'{"instances":[%b],%b}' % (ROW, UNKNOWN),
    "unknown members, no rows": lambda: b"{%b}" % UNKNOWN,
    "a known member again and again": lambda: b'{"instances":[{%b}]}' % b",".join([b'"f1":1'] * MB),
    "rows again and again": lambda: b"{%b}" % b",".join([b'"instances":[1]'] * MB),
    "empty rows": lambda: b'{"instances":[%b]}' % b",".join([b"{}"] * 3 * MB),
    "rows that are lists": lambda: b'{"instances":[%b]}' % b",".join([b"[]"] * 3 * MB),
    "rows that are numbers": lambda: b'{"instances":[%b]}' % b",".join([b"1"] * 8 * MB),
    "no list of rows": lambda: b'{"instances":"%b"}' % (b"a" * 16 * MB),
    "deep lists": lambda: b'{"instances":%b' % (b"[" * 16 * MB),
    "deep rows": lambda: b'{"instances":[%b' % (b'{"a":' * 3 * MB),
    "a long number": lambda: b'{"instances":[{"f0":%b}]}' % (b"1" * 16 * MB),
    "a long fraction": lambda: b'{"instances":[{"f0":0.%b}]}' % (b"1" * 16 * MB),
    "a long text": lambda: b'{"instances":[{"c":"%b"}]}' % (b"a" * 16 * MB),
    "escapes": lambda: b'{"instances":[{"c":"%b"}]}' % (b"\\u0041" * 3 * MB),
    "a long name": lambda: b'{"instances":[{"%b":1}]}' % (b"a" * 16 * MB),
    "spaces": lambda: b'{"instances":[%b1]}' % (b" " * 16 * MB),
    "braces in texts": lambda: many_rows(b'{"c":"}},{{"}', MB),
    "wrong types everywhere": lambda: many_rows(ROW.replace(b"1.5", b'"a"'), 3_000),
    "null everywhere": lambda: many_rows(ROW.replace(b"1.5", b"null"), 3_000),
    "not closed": lambda: b'{"instances":[' + b",".join([ROW] * 11),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@uncollected()
def test_whatever_is_in_a_body_reading_it_goes_in_short_steps_and_ends_with_few_findings(name: str) -> None:
    body = HOSTILE[name]()
    steps = NativeReader(WIDE, 10_000).batch(body)
    longest_s, refused = 0.0, None
    while refused is None:
        started = process_time()
        try:
            next(steps)
        except (RowsInvalid, BodyMalformed, TooManyRows) as error:
            refused = error
        longest_s = max(longest_s, process_time() - started)
    assert len(refused.findings) <= MAX_FINDINGS
    assert len(str(refused.findings)) < 200_000
    assert longest_s < 1  # 0.05 on a machine that does nothing else, without coverage.
