"""What a person says about a table, beside its name and its target."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from training.table.columns.missing_markers import NONE_BUT_EMPTY, MissingMarkers
from training.table.columns.number_texts import Decimal
from training.table.columns.text_column import Kind, TextRules
from training.table.overrides import Overrides
from training.table.source.reading import SourceOptions


@dataclass(frozen=True)
class TableOptions:
    """How a table is read, and which of its columns are features."""

    source: SourceOptions = field(default_factory=SourceOptions)
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """Columns that are features although they look like identifiers."""
    missing: tuple[str, ...] = ()
    """Texts that stand for a missing value, or ``none-but-empty``."""
    decimal: Decimal | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """The columns that are declared to be of a type."""
    reference_date: date | None = None
    """The day that ages are relative to; None for the latest day in the table."""
    overrides: Overrides = field(default_factory=Overrides)

    @property
    def rules(self) -> TextRules:
        """The rules for texts, before the table's own decimal separator is known."""
        markers = frozenset(text.strip() for text in self.missing if text != NONE_BUT_EMPTY)
        declared: dict[str, Kind] = {
            name: override.type for name, override in self.overrides.features.items() if override.type
        }
        return TextRules(
            MissingMarkers(markers, none_but_empty=NONE_BUT_EMPTY in self.missing),
            self.decimal,
            is_decimal_given=self.decimal is not None,
            kinds=declared | dict(self.kinds),
        )

    def with_decimal(self, found: Decimal | None) -> TextRules:
        """The rules for texts of a table with this decimal separator, unless a person chose another."""
        rules = self.rules
        return rules if rules.is_decimal_given else replace(rules, decimal=found)
