"""The texts that stand for a missing value.

An empty text is always missing. The markers of pandas are missing in every column, in any case. Further
placeholders, such as ``?``, are missing in columns of numbers, booleans and dates, where they can be nothing
else. In a column of texts they are texts.
"""

from dataclasses import dataclass

NONE_BUT_EMPTY = "none-but-empty"
"""The value of ``--missing`` that keeps texts such as ``NA`` and ``None``."""

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
        if text in self.added or not text:
            return True
        return not self.none_but_empty and text.casefold() in _NULLS

    def is_missing_number(self, text: str) -> bool:
        """Whether a text is missing in a column of numbers, booleans or dates."""
        return text in self.added or not text or text.casefold() in _NULLS | _PLACEHOLDERS

    def is_expected(self, text: str) -> bool:
        """Whether no note has to mention the marker, because every reader takes it for a missing value."""
        return text in self.added or not text or text.casefold() in _NULLS
