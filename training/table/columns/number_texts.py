"""Numbers as people and programs write them: separators, signs, percent, currency.

A number has a decimal separator, ``.`` or ``,``, and the other one may separate thousands. ``98,000`` is
ambiguous: the column's other values decide, then the table's other columns, then ``--decimal``.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.model.contract import FeatureType
from training.column_errors import DecimalAmbiguous
from training.table.columns.distinct import DistinctTexts

Decimal = Literal[".", ","]

_WHOLE = r"(0|[1-9][0-9]*)"
_EXPONENT = r"([eE][+-]?[0-9]+)?"
_SPACES = "[ \u00a0\u202f\u2009'\u2019]"
_PLAIN = rf"^([+-]?({_WHOLE}(\.[0-9]*)?|\.[0-9]+){_EXPONENT}|(?i)[+-]?inf(inity)?)$"
_INTEGER = rf"^[+-]?{_WHOLE}$"
_CODE = r"^[0-9]+$"
_LEADING_ZEROS = r"^[+-]?0[0-9]+(\.[0-9]*)?$"

_CURRENCY = "[$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9]|USD|EUR|GBP|CHF|JPY|INR"
_SIGN = "[+\\-\u2212\u2013]?"
"""With U+2212, the minus of typography, and U+2013, the dash that stands for it."""
_ADORNED = (
    rf"^(?P<sign>{_SIGN})\s*(?P<before>{_CURRENCY})?\s*(?P<inner>{_SIGN})\s*"
    rf"(?P<number>[0-9.,](?:.*[0-9.])?)\s*(?P<after>%|{_CURRENCY})?$"
)
"""A number with the signs around it; its groups are the parts."""

_BODIES: dict[Decimal, str] = {
    ".": rf"^({_WHOLE}(\.[0-9]*)?{_EXPONENT}|\.[0-9]+{_EXPONENT}|[1-9][0-9]{{0,2}}((,[0-9]{{3}})+|"
    rf"({_SPACES}[0-9]{{3}})+)(\.[0-9]+)?)$",
    ",": rf"^({_WHOLE}(,[0-9]*)?{_EXPONENT}|,[0-9]+{_EXPONENT}|[1-9][0-9]{{0,2}}((\.[0-9]{{3}})+|"
    rf"({_SPACES}[0-9]{{3}})+)(,[0-9]+)?)$",
}
_OTHER: dict[Decimal, str] = {".": ",", ",": "."}


class Recognised(NamedTuple):
    """What some texts of a column are."""

    type: FeatureType
    matched: np.ndarray
    """Which texts have a value, ``(n_texts,)``."""
    values: np.ndarray
    """The values as floats, NaN where there is none."""
    note: str | None = None
    """How the texts are read, as the end of a sentence on the column, if they are not plain."""
    unit: str | None = None
    alike: np.ndarray | None = None
    """Which other texts are of the same type but for a sign, such as ``$``, that the matched ones lack."""

    def of(self, texts: DistinctTexts) -> int:
        """The number of rows that have a value."""
        return texts.rows_of(self.matched)


def plain_numbers(texts: DistinctTexts) -> Recognised:
    """Numbers as programs write them: ``-1.5``, ``2e3``, ``inf``."""
    matched = _mask(texts.texts, _PLAIN)
    values = np.full(len(matched), np.nan)
    values[matched] = _floats(texts.texts.filter(pa.array(matched)))
    return Recognised(_number_type(texts.texts, matched), matched, values)


def written_numbers(name: str, texts: DistinctTexts, decimal: Decimal | None, *, given: bool) -> Recognised:
    """Numbers as people write them: ``$1,234.50``, ``12,5 %``, U+2212 as minus.

    ``decimal`` is the table's separator, if it is known; ``given`` is whether a person chose it. Raises
    DecimalAmbiguous if the texts have two meanings.
    """
    parts = _parts(texts.texts)
    number = pc.struct_field(parts, "number")
    masks = {each: _mask(number, body) for each, body in _BODIES.items()}
    separator = _separator(name, texts, masks, decimal, given=given)
    units = _units(parts)
    numbers = masks[separator] & ~_has_two_signs(parts)
    unit = _most_frequent(texts, units, numbers)
    matched = numbers & (units == unit)
    values = np.full(len(matched), np.nan)
    body = number.filter(pa.array(matched))
    digits = pc.replace_substring_regex(body, f"{_SPACES}|[{_OTHER[separator]}]", "")
    digits = pc.replace_substring(digits, separator, ".")
    values[matched] = _floats(digits)
    values[_is_negative(parts)] *= -1
    is_whole = not pc.any(pc.match_substring(pc.fill_null(body, ""), separator)).as_py()
    note = _note(texts.texts, matched, values, unit)
    kind: FeatureType = "integer" if is_whole else "float"
    return Recognised(kind, matched, values, note, unit or None, numbers & ~matched)


def decimal_of(columns: Iterable[DistinctTexts]) -> Decimal | None:
    """The decimal separator of a table, if its columns leave no doubt."""
    found = {separator for texts in columns if (separator := _evidence(texts)) is not None}
    return found.pop() if len(found) == 1 else None


def codes_with_leading_zeros(texts: DistinctTexts) -> bool:
    """Whether all texts are digits of one length, and some begin with zero: postal codes, for example."""
    lengths = pc.unique(pc.utf8_length(texts.texts))
    return (
        len(lengths) == 1
        and lengths[0].as_py() > 1
        and bool(_mask(texts.texts, _CODE).all())
        and bool(_mask(texts.texts, _LEADING_ZEROS).any())
    )


def padded_numbers(texts: DistinctTexts) -> Recognised:
    """Numbers that may have leading zeros, which a person declares to be numbers."""
    stripped = pc.replace_substring_regex(texts.texts, r"^([+-]?)0+([0-9])", r"\1\2")
    return plain_numbers(DistinctTexts(stripped, texts.codes))


def _evidence(texts: DistinctTexts) -> Decimal | None:
    """The separator that reads most rows of a column, if the other reads fewer."""
    parts = _parts(texts.texts)
    number = pc.struct_field(parts, "number")
    rows = {each: texts.rows_of(_mask(number, body)) for each, body in _BODIES.items()}
    if 2 * max(rows.values()) < len(texts.codes[texts.codes >= 0]) or rows["."] == rows[","]:
        return None
    return max(_BODIES, key=lambda each: rows[each])


def _separator(
    name: str, texts: DistinctTexts, masks: dict[Decimal, np.ndarray], decimal: Decimal | None, *, given: bool
) -> Decimal:
    if given and decimal is not None:
        return decimal
    rows = {each: texts.rows_of(mask) for each, mask in masks.items()}
    if rows["."] != rows[","]:
        return max(masks, key=lambda each: rows[each])
    if decimal is not None:
        return decimal
    both = texts.where(masks["."])
    grouped = [text for text in both if "," in text]
    if grouped:
        raise DecimalAmbiguous(name, grouped[0])
    return "."


def _parts(texts: pa.StringArray) -> pa.StructArray:
    return pc.extract_regex(texts, _ADORNED)


def _units(parts: pa.StructArray) -> np.ndarray:
    before, after = (pc.fill_null(pc.struct_field(parts, name), "") for name in ("before", "after"))
    units: np.ndarray = pc.binary_join_element_wise(before, after, "").to_numpy(zero_copy_only=False)
    return units


def _most_frequent(texts: DistinctTexts, units: np.ndarray, matched: np.ndarray) -> str:
    seen = sorted(set(units[matched].tolist()))
    return max(seen, key=lambda unit: texts.rows_of(matched & (units == unit)), default="")


def _has_two_signs(parts: pa.StructArray) -> np.ndarray:
    sign, inner = (pc.fill_null(pc.struct_field(parts, name), "") for name in ("sign", "inner"))
    return _as_mask(pc.and_(pc.not_equal(sign, ""), pc.not_equal(inner, "")))


def _is_negative(parts: pa.StructArray) -> np.ndarray:
    sign, inner = (pc.fill_null(pc.struct_field(parts, name), "") for name in ("sign", "inner"))
    joined = pc.binary_join_element_wise(sign, inner, "")
    return _as_mask(pc.is_in(joined, pa.array(["-", "\u2212", "\u2013"])))


def _note(texts: pa.StringArray, matched: np.ndarray, values: np.ndarray, unit: str) -> str | None:
    is_plain = _mask(texts, _PLAIN)
    is_plain[is_plain] = _floats(texts.filter(pa.array(is_plain))) == values[is_plain]
    unusual = matched & ~is_plain
    if not unusual.any():
        return None
    place = int(np.flatnonzero(unusual)[0])
    sign = f", without {unit}" if unit else ""
    return f"is read as numbers{sign}: {texts[place].as_py()!r} is {values[place]:.15g}. Clients send numbers"


def _floats(texts: pa.StringArray) -> np.ndarray:
    # Arrow's parser does not accept a plus sign.
    numbers: np.ndarray = (
        pc.utf8_ltrim(texts, characters="+").cast(pa.float64()).to_numpy(zero_copy_only=False)
    )
    return numbers


def _number_type(texts: pa.StringArray, matched: np.ndarray) -> FeatureType:
    return "integer" if bool(_mask(texts, _INTEGER)[matched].all()) else "float"


def _mask(texts: pa.Array, pattern: str) -> np.ndarray:
    return _as_mask(pc.match_substring_regex(texts, pattern))


def _as_mask(booleans: pa.Array) -> np.ndarray:
    mask: np.ndarray = pc.fill_null(booleans, False).to_numpy(zero_copy_only=False)
    return mask.astype(bool)
