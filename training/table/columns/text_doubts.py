"""Texts that are something else than a category, but nothing that can be a feature as it stands."""

import pyarrow.compute as pc

from training.table.columns.distinct import DistinctTexts

_TIME = r"^[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(\s?[AaPp][Mm])?$"
_SHORT_YEAR = (
    r"^([0-9]{1,2}([./\-])[0-9]{1,2}([./\-])[0-9]{2}|"
    r"[0-9]{1,2}[ \-](?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?i:[a-z]*)[ \-][0-9]{2})( .*)?$"
)
_MOST_COMPARED = 10_000
"""Texts of a column that are compared in their case; more are no category that a person wrote by hand."""
_SHOWN_VARIANTS = 6


def are_times(texts: DistinctTexts) -> bool:
    """Whether every text is a time of day, such as ``08:30``."""
    return _all_match(texts, _TIME)


def are_short_years(texts: DistinctTexts) -> bool:
    """Whether every text is a date with a year of two digits, such as ``15.01.24``."""
    return _all_match(texts, _SHORT_YEAR)


def case_variants(texts: DistinctTexts) -> str:
    """The texts that differ in case only, as a list for a sentence; empty if there are none."""
    variants: dict[str, list[str]] = {}
    for text in texts.texts.slice(0, _MOST_COMPARED).to_pylist():
        variants.setdefault(text.casefold(), []).append(text)
    alike = [text for group in variants.values() if len(group) > 1 for text in sorted(group)]
    return ", ".join(map(repr, alike[:_SHOWN_VARIANTS])) + (", ..." if len(alike) > _SHOWN_VARIANTS else "")


def _all_match(texts: DistinctTexts, pattern: str) -> bool:
    # The first text decides most columns, without a search of the others.
    first = texts.texts.slice(0, 1)
    return all(
        len(part) and bool(pc.all(pc.match_substring_regex(part, pattern)).as_py())
        for part in (first, texts.texts)
    )
