"""The texts that stand for a missing value.

An empty text is always missing, and so are the texts that a person adds. The markers of pandas are missing in
every column and in any case. Further placeholders, such as ``?``, are missing in columns of numbers, booleans
and dates, where they can be nothing else. In a column of texts they are texts.
"""

import re
from dataclasses import dataclass

NONE_BUT_EMPTY = "none-but-empty"
"""The value of ``--missing`` that keeps texts such as ``NA`` and ``None``."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_NULLS = frozenset(
    (
        *("#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>"),
        *("n/a", "na", "null", "nan", "none", "nil"),
    )
)
_PLACEHOLDERS = frozenset(
    (
        *("?", "??", "-", "--", "---", "\u2013", "\u2014", ".", "..", "\\n", "(null)", "(none)", "unknown"),
        *("#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!", "not available", "missing", "nat"),
    )
)


@dataclass(frozen=True)
class MissingMarkers:
    """The markers of one table."""

    added: frozenset[str] = frozenset()
    """The person's own, which are missing in every column."""
    none_but_empty: bool = False
    """Whether texts such as ``NA`` stay texts in columns of texts."""

    def is_missing_text(self, text: str) -> bool:
        """Whether a text is missing in a column of texts."""
        return not self.none_but_empty and text.casefold() in _NULLS

    def is_missing_number(self, text: str) -> bool:
        """Whether a text is missing in a column of numbers, booleans or dates."""
        return text.casefold() in _NULLS | _PLACEHOLDERS

    def is_expected(self, text: str) -> bool:
        """Whether no note has to mention the marker, because every reader takes it for a missing value."""
        return text.casefold() in _NULLS

    @property
    def numbers(self) -> list[float]:
        """The person's markers that are numbers, such as -99, for columns of a file that states its types."""
        return [float(text) for text in self.added if _NUMBER.fullmatch(text)]
