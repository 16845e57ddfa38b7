import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from service.audit.file.kept_body import first_bytes, length_bytes, to_column, to_json_value


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_a_body_is_kept_without_loss(body: bytes) -> None:
    kept = to_column(body)

    assert (kept if isinstance(kept, bytes) else kept.encode()) == body
    assert length_bytes(kept) == len(body)


@given(st.text(), st.integers(min_value=0, max_value=40))
def test_a_text_is_cut_between_characters(text: str, limit_bytes: int) -> None:
    body = text.encode()
    cut = first_bytes(body, limit_bytes)

    assert body.startswith(cut)
    assert text.startswith(cut.decode())
    assert len(cut) == len(body) if len(body) <= limit_bytes else limit_bytes - 3 <= len(cut) <= limit_bytes


@given(st.binary(min_size=11))
def test_bytes_that_are_no_text_are_cut_near_the_limit(body: bytes) -> None:
    assert 7 <= len(first_bytes(body, 10)) <= 10


@pytest.mark.parametrize(
    ("body", "to_json_valuen"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa4"]}', {"a": [1, 2.5, None, True, "ä"]}),
        (b"5.1", 5.1),
        (b"", ""),
        (b"a=1&b=2", "a=1&b=2"),
        (b'{"a": 1', '{"a": 1'),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": [1e999]}', '{"a": [1e999]}'),
        (b'"\\ud800"', '"\\ud800"'),
        (b"[" * 50_000, "[" * 50_000),
        (b"a\x00b", "a\x00b"),
        (b"\xff\xfe", {"base64": base64.b64encode(b"\xff\xfe").decode()}),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_body_is_to_json_valuen_as_json_or_text_or_base64(body: bytes, to_json_valuen: JsonValue) -> None:
    assert to_json_value(to_column(body)) == to_json_valuen
