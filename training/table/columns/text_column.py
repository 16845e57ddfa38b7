"""The type of a column of texts.

A column is what all its texts are. Where most texts are numbers, dates or booleans and a few are not, the
column is refused with those texts: one ``?`` would otherwise turn a column of numbers into a category, which
costs the model most of what the column says, in silence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from service.model.contract import FeatureType
from training.column_errors import ColumnMistyped, ColumnMixed, ColumnUnsupported, OddText, YearsShort
from training.table.columns.column import Column, ReadColumn
from training.table.columns.date_texts import dates
from training.table.columns.distinct import DistinctTexts
from training.table.columns.missing_markers import MissingMarkers
from training.table.columns.number_texts import (
    Decimal,
    Recognised,
    codes_with_leading_zeros,
    padded_numbers,
    plain_numbers,
    written_numbers,
)
from training.table.columns.text_doubts import are_short_years, are_times, case_variants

Kind = FeatureType | Literal["day-first", "month-first"]
"""What a person declares a column to be."""

_FEW_TEXTS = 5
_FEW_SHARE = 0.1
"""So many different texts, or so many for each one that fits, are exceptions and no second kind of value."""


@dataclass(frozen=True)
class TextRules:
    """How the texts of one table are read."""

    missing: MissingMarkers = field(default_factory=MissingMarkers)
    decimal: Decimal | None = None
    """The decimal separator of the table; None if it is not known."""
    is_decimal_given: bool = False
    """Whether a person chose the separator."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """The columns that a person declared."""


def read_text_column(name: str, texts: DistinctTexts, rules: TextRules, *, typed: bool) -> ReadColumn:
    """A column of texts with its type; ``typed``: its file states types, so texts of numbers stay texts.

    Raises ColumnMixed, ColumnMistyped, ColumnUnsupported, DecimalAmbiguous and DateOrderAmbiguous.
    """
    texts = texts.without(rules.missing.added)
    declared = rules.kinds.get(name)
    if declared is not None:
        return _declared(name, texts, rules, declared)
    if are_times(texts):
        raise ColumnUnsupported(name, "times of day")
    if are_short_years(texts):
        raise YearsShort(name, texts.texts[0].as_py())
    found = _recognised(name, texts, rules)
    if found is None:
        return _category(name, texts, rules)
    odd = ~found.matched & ~_missing_numbers(texts, rules.missing, found.matched)
    if not odd.any():
        if typed and found.type not in ("date", "datetime"):
            return _texts_of_numbers(name, texts, rules)
        return _as_recognised(name, texts, rules, found)
    is_refused = _are_few(texts, found.matched, odd) or _has_signs(found, odd)
    if is_refused and not codes_with_leading_zeros(texts):
        raise ColumnMixed(name, found.type, _odd_texts(texts, odd))
    return _category(name, texts, rules, mostly=found if 2 * found.of(texts) >= texts.rows else None)


def _recognised(name: str, texts: DistinctTexts, rules: TextRules) -> Recognised | None:
    """What most of the texts are, if it is more than texts."""
    plain = plain_numbers(texts)
    if plain.matched.all() and rules.decimal != ",":
        return plain if len(plain.matched) else None
    written = written_numbers(name, texts, rules.decimal, given=rules.is_decimal_given)
    if rules.decimal == "," and (rules.is_decimal_given or written.of(texts) == plain.of(texts)):
        # Plain numbers such as 1.234 have thousands where the decimal separator is a comma.
        plain = written
    plain = plain._replace(alike=written.alike)
    best = max((_booleans(texts), plain, written, dates(name, texts, None)), key=lambda each: each.of(texts))
    return best if best.matched.any() else None


def _booleans(texts: DistinctTexts) -> Recognised:
    values = {"true": 1.0, "false": 0.0}
    # A column of many texts has few booleans among them, and is not looked through for them.
    found = [values.get(text.lower(), np.nan) for text in texts.texts.slice(0, 100).to_pylist()]
    numbers = np.full(len(texts.texts), np.nan)
    numbers[: len(found)] = found
    return Recognised("boolean", ~np.isnan(numbers), numbers)


def _missing_numbers(texts: DistinctTexts, missing: MissingMarkers, matched: np.ndarray) -> np.ndarray:
    mask = np.zeros(len(matched), dtype=bool)
    mask[~matched] = [missing.is_missing_number(text) for text in texts.where(~matched)]
    return mask


def _are_few(texts: DistinctTexts, matched: np.ndarray, odd: np.ndarray) -> bool:
    fitting, exceptions = int(matched.sum()), int(odd.sum())
    return (
        exceptions <= max(_FEW_TEXTS, _FEW_SHARE * fitting)
        and exceptions < fitting
        and texts.rows_of(odd) <= texts.rows_of(matched)
    )


def _has_signs(found: Recognised, odd: np.ndarray) -> bool:
    return found.alike is not None and bool((odd & found.alike).any())


def _odd_text(texts: DistinctTexts, place: int) -> OddText:
    return OddText(texts.texts[place].as_py(), int(texts.counts[place]), texts.first_rows(place))


def _odd_texts(texts: DistinctTexts, odd: np.ndarray) -> list[OddText]:
    places = sorted(np.flatnonzero(odd).tolist(), key=lambda place: -int(texts.counts[place]))
    return [_odd_text(texts, place) for place in places]


def _as_recognised(name: str, texts: DistinctTexts, rules: TextRules, found: Recognised) -> ReadColumn:
    notes = [] if found.note is None else [f"{name!r} {found.note}"]
    unexpected = [
        _odd_text(texts, place)
        for place in np.flatnonzero(~found.matched).tolist()
        if not rules.missing.is_expected(texts.texts[place].as_py())
    ]
    if unexpected:
        notes.append(f"{name!r}: read as missing: {', '.join(map(str, unexpected))}")
    return ReadColumn(Column(found.type, texts.spread(found.values)), tuple(notes), found.unit)


def _category(
    name: str, texts: DistinctTexts, rules: TextRules, mostly: Recognised | None = None
) -> ReadColumn:
    is_missing = np.array(
        [rules.missing.is_missing_text(text) for text in texts.texts.to_pylist()], dtype=bool
    )
    notes = []
    named = [_odd_text(texts, place) for place in np.flatnonzero(is_missing).tolist()]
    if named and not is_missing.all():
        notes.append(
            f"{name!r}: read as missing: {', '.join(map(str, named))}; if these are texts, keep them with "
            f"--missing none-but-empty"
        )
    if name not in rules.kinds:
        notes.extend(_category_notes(name, texts, mostly))
    column = Column("category", texts.as_objects(is_missing))
    return ReadColumn(column, tuple(notes), missing_texts=tuple(named))


def _category_notes(name: str, texts: DistinctTexts, mostly: Recognised | None) -> Iterator[str]:
    if codes_with_leading_zeros(texts):
        yield (
            f"{name!r} has numbers with leading zeros, so it is read as codes, a category; read it as "
            f"numbers with --as integer {name!r}"
        )
    elif mostly is not None:
        odd = texts.where(~mostly.matched)[0]
        yield (
            f"{name!r} is of type {mostly.type} in {mostly.of(texts) / texts.rows:.0%} of its rows, but has "
            f"texts such as {odd!r}; it is read as a category"
        )
    alike = case_variants(texts)
    if alike:
        yield f"{name!r} has values that differ in case only: {alike}"


def _texts_of_numbers(name: str, texts: DistinctTexts, rules: TextRules) -> ReadColumn:
    read = _category(name, texts, rules)
    note = f"{name!r} holds numbers as texts, which stay texts; read them with --as float {name!r}"
    return read._replace(notes=(*read.notes, note))


def _declared(name: str, texts: DistinctTexts, rules: TextRules, declared: Kind) -> ReadColumn:
    if declared == "category":
        return _category(name, texts, rules)
    found = _declared_texts(name, texts, rules, declared)
    odd = ~found.matched & ~_missing_numbers(texts, rules.missing, found.matched)
    if odd.any():
        first = min(_odd_texts(texts, odd), key=lambda each: each.rows[0])
        raise ColumnMistyped(name, declared, first.text, first.rows[0])
    return _as_recognised(name, texts, rules, found)


def _declared_texts(name: str, texts: DistinctTexts, rules: TextRules, declared: Kind) -> Recognised:
    if declared == "day-first" or declared == "month-first":
        return dates(name, texts, declared, declared=True)
    if declared == "date" or declared == "datetime":
        found = dates(name, texts, None, declared=True)
        is_day = np.floor(found.values) == found.values
        return found._replace(type=declared, matched=found.matched & (is_day | (declared == "datetime")))
    if declared == "boolean":
        return _declared_booleans(texts)
    return _declared_numbers(name, texts, rules)._replace(type=declared)


def _declared_numbers(name: str, texts: DistinctTexts, rules: TextRules) -> Recognised:
    found = padded_numbers(texts)
    if not found.matched.all():
        written = written_numbers(name, texts, rules.decimal, given=rules.is_decimal_given)
        found = max(found, written, key=lambda each: each.of(texts))
    if rules.kinds[name] == "integer":
        found = found._replace(matched=found.matched & (found.values % 1 == 0))
    return found


def _declared_booleans(texts: DistinctTexts) -> Recognised:
    values = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
    numbers = np.array([values.get(text.lower(), np.nan) for text in texts.texts.to_pylist()], dtype=float)
    return Recognised("boolean", ~np.isnan(numbers), numbers)
