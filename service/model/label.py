"""Labels: the types of a class, and a label as text.

Separate from contract.py, so that the process that writes the audit log does not load pydantic.
"""

from typing import Literal

Label = str | int | bool
TargetType = Literal["text", "integer", "boolean"]


def label_text(label: Label) -> str:
    """A label as in metrics and query parameters: ``setosa``, ``1``, ``true``."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def label_type(label: Label) -> TargetType:
    """A label's type in the contract; it distinguishes the text ``1`` from the number."""
    if isinstance(label, bool):
        return "boolean"
    return "integer" if isinstance(label, int) else "text"


def label_from(text: str, type_: TargetType) -> Label:
    """The label with this text and type."""
    if type_ == "boolean":
        return text == "true"
    return int(text) if type_ == "integer" else text
