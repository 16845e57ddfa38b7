"""Rows against the contract, with a bounded number of findings.

pydantic makes every error of a message before any can be looked at, 7 us each, and for each member that is
missing from JSON it makes a copy of its row: 4.5 million unknown members took it 30 s and 7 GB. So many rows
are validated up to the first that is wrong. Only then are rows validated one by one, each with no more
unknown members than can be listed, until ``MAX_FINDINGS`` are found.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import FailFast, TypeAdapter, ValidationError

from service.errors import Finding, Location, RowsInvalid
from service.model.contract import Contract, Row, Values

MAX_FINDINGS = 100
"""Findings that one refusal lists; whether there are more is said."""

_NAME_LIMIT = 200
"""Characters of a name that a client made up, and of a message that repeats categories, in a finding."""
_MESSAGE_LIMIT = 1_000

_MISSING_TIMES_MEMBERS = 100_000
"""Members of a text times features of the contract, up to which pydantic reads the text itself: for a member
that is missing it copies the members that are there, at 0.2 us each."""


class Findings:
    """The first things that are wrong with a message."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self.are_all = True
        """Whether these are all that there are; if not, nothing more need be looked for."""

    def __len__(self) -> int:
        return len(self._found)

    def add(self, loc: Location, msg: str) -> None:
        """Add one, or note that there are more."""
        if len(self._found) < MAX_FINDINGS:
            self._found.append(Finding(tuple(map(_shortened, loc)), msg[:_MESSAGE_LIMIT]))
        else:
            self.are_all = False

    def add_errors(self, error: ValidationError, at: Location) -> None:
        """Add what pydantic found of a value that stands there."""
        for detail in error.errors(include_url=False, include_context=False):
            msg, kind = detail["msg"], detail["type"]
            if kind == "model_type":
                msg = "Input should be an object"
            elif detail["input"] is None and kind not in ("missing", "extra_forbidden"):
                msg = "May not be missing"
            self.add((*at, *detail["loc"]), msg)

    def stop(self) -> None:
        """Note that the rest was not looked at."""
        self.are_all = False

    def refusal(self, place: Callable[[Location], Location] = tuple) -> RowsInvalid:
        """The refusal that lists them, with the places as the message has them."""
        found = [Finding(place(finding.loc), finding.msg) for finding in self._found]
        return RowsInvalid(found, more=not self.are_all)


class RowCheck:
    """Validates rows of one contract."""

    def __init__(self, contract: Contract) -> None:
        self.names = frozenset(feature.name for feature in contract.features)
        self.width = len(contract.features)
        row_type = contract.row_type
        rows = TypeAdapter(Annotated[list[row_type], FailFast()]).validator  # type: ignore[valid-type, arg-type]
        self._row_of_json = row_type.__pydantic_validator__.validate_json
        self._row_of_values = row_type.__pydantic_validator__.validate_python
        self._rows_of_json = rows.validate_json
        self._rows_of_values = rows.validate_python

    def may_read(self, text: bytes) -> bool:
        """Whether pydantic reads a JSON text in a bounded time, whatever is in it."""
        return self.width * text.count(b":") <= _MISSING_TIMES_MEMBERS

    def row_of_json(self, text: bytes) -> Values | None:
        """The row of a JSON object; None where it is not valid, or has to be read in another way."""
        if not self.may_read(text):
            return None
        try:
            row: Row = self._row_of_json(text)
        except ValidationError:
            return None
        return row.features

    def rows_of_json(self, text: bytes) -> list[Values] | None:
        """The rows of a JSON array, as ``row_of_json``."""
        if not self.may_read(text):
            return None
        try:
            rows: list[Row] = self._rows_of_json(text)
        except ValidationError:
            return None
        return [row.features for row in rows]

    def row(self, value: object, at: Location, found: Findings) -> Values | None:
        """The row of a value that stands there; None, and what is wrong with it, where it is not valid."""
        try:
            row: Row = self._row_of_values(self._trimmed(value))
        except ValidationError as error:
            found.add_errors(error, at)
            return None
        return row.features

    def rows(self, values: Sequence[object], at: Location, first: int, found: Findings) -> list[Values]:
        """The rows of values that stand there in a list, from an index on.

        Where one is not valid, what is wrong is added to the findings, and the rows are not to be used.
        """
        if all(len(value) <= self.width for value in values if type(value) is dict):
            try:
                rows: list[Row] = self._rows_of_values(values)
            except ValidationError:
                pass
            else:
                return [row.features for row in rows]
        none = (None,) * self.width
        checked: list[Values] = []
        for index, value in enumerate(values, start=first):
            checked.append(self.row(value, (*at, index), found) or none)
            if not found.are_all:
                break
        return checked

    def _trimmed(self, value: object) -> object:
        """The value without the unknown members that could not be listed anyway."""
        if type(value) is not dict or len(value) <= self.width + MAX_FINDINGS:
            return value
        unknown = [name for name in value if name not in self.names]
        dropped = frozenset(unknown[MAX_FINDINGS + 1 :])
        return {name: member for name, member in value.items() if name not in dropped}


def _shortened(part: str | int) -> str | int:
    return part if isinstance(part, int) or len(part) <= _NAME_LIMIT else part[:_NAME_LIMIT] + "..."
