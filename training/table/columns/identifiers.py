"""Columns that identify rows instead of describing them.

Nothing that a model learns from such a column carries over to new rows, and a person's number would become a
category of the contract. So the column is left out unless a person keeps it.
"""

import re

from training.table.columns.column import Column

DISTINCT_SHARE = 0.9
"""A category with more different values than this share of its rows looks like an identifier."""
_MOST_CATEGORIES = 50
"""Different values up to which a category with an identifier's name may be a code, such as a country's."""
_NAMED = re.compile(
    r"(?:^|[_\W])(?:id|uuid|guid|ssn|iban|e?mail|key|nr|no|num|number)$|(?:Id|ID|Key|Nr|UUID|Email)$|^id_",
)
"""Names of identifiers: ``customer_id``, ``orderId``, ``id``."""


def looks_like_identifier(name: str, column: Column) -> bool:
    """Whether nearly every value is another: texts, consecutive integers, or integers so named."""
    values = column.values.dropna()
    if column.type not in ("category", "integer") or values.empty:
        return False
    different = values.nunique()
    is_named = _NAMED.search(name) is not None
    if column.type == "category":
        return different > DISTINCT_SHARE * len(values) or (is_named and different > _MOST_CATEGORIES)
    if is_named and different > max(DISTINCT_SHARE * len(values), 1):
        return True
    return different == len(values) and values.max() - values.min() == len(values) - 1


def identifier_note(name: str, column: Column) -> str:
    """The note on an identifier that was left out."""
    values = column.values.dropna()
    return (
        f"{name!r} looks like an identifier ({values.nunique():,} different values in {len(values):,} rows), "
        f"from which nothing carries over to new rows; it was left out. Keep it with --keep {name!r}"
    )
