"""Validation of rows against the contract, with a bounded number of findings.

pydantic creates all errors of a message before it returns, at 7 us each, and copies a row for each missing
member: 4.5 million unknown members took 30 s and 7 GB. Therefore many rows are validated only up to the first
invalid one. Then rows are validated one by one, each with no more unknown members than can be listed, until
there are ``MAX_FINDINGS``.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import FailFast, TypeAdapter, ValidationError

from service.errors import Finding, Location, RowsInvalid
from service.model.contract import Contract, Row, Values

MAX_FINDINGS = 100
"""Findings that an error lists; its message states whether there are more."""

_NAME_LIMIT = 200
"""Characters of a client's name in a finding."""
_MESSAGE_LIMIT = 1_000
"""Characters of a finding's message, which may repeat the categories."""

_MISSING_TIMES_MEMBERS = 100_000
"""Limit of the members of a text times the features of the contract, above which pydantic does not parse the
text: for each missing member it copies the present ones, at 0.2 us each."""


class Findings:
    """The first findings of a message."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self.are_all = True
        """Whether these are all findings; if not, the search can stop."""

    def __len__(self) -> int:
        return len(self._found)

    def add(self, loc: Location, msg: str) -> None:
        """Add a finding, or note that there are more than are listed."""
        if len(self._found) < MAX_FINDINGS:
            self._found.append(Finding(tuple(map(_shortened, loc)), msg[:_MESSAGE_LIMIT]))
        else:
            self.are_all = False

    def add_errors(self, error: ValidationError, at: Location) -> None:
        """Add pydantic's errors of the value at ``at``."""
        for detail in error.errors(include_url=False, include_context=False):
            msg, kind = detail["msg"], detail["type"]
            if kind == "model_type":
                msg = "Input should be an object"
            elif detail["input"] is None and kind not in ("missing", "extra_forbidden"):
                msg = "May not be missing"
            self.add((*at, *detail["loc"]), msg)

    def stop(self) -> None:
        """Note that the rest was not checked."""
        self.are_all = False

    def refusal(self, place: Callable[[Location], Location] = tuple) -> RowsInvalid:
        """The error with the findings; ``place`` maps their locations to the message's."""
        found = [Finding(place(finding.loc), finding.msg) for finding in self._found]
        return RowsInvalid(found, more=not self.are_all)


class RowCheck:
    """Validates the rows of one contract."""

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
        """Whether pydantic parses any JSON text of this kind in bounded time."""
        return self.width * text.count(b":") <= _MISSING_TIMES_MEMBERS

    def row_of_json(self, text: bytes) -> Values | None:
        """The row of a JSON object; None if it is invalid, or must be parsed piece by piece."""
        if not self.may_read(text):
            return None
        try:
            row: Row = self._row_of_json(text)
        except ValidationError:
            return None
        return row.features

    def rows_of_json(self, text: bytes) -> list[Values] | None:
        """The rows of a JSON array; None as in ``row_of_json``."""
        if not self.may_read(text):
            return None
        try:
            rows: list[Row] = self._rows_of_json(text)
        except ValidationError:
            return None
        return [row.features for row in rows]

    def row(self, value: object, at: Location, found: Findings) -> Values | None:
        """The row of the value at ``at``; None if it is invalid, with its errors added to the findings."""
        try:
            row: Row = self._row_of_values(self._trimmed(value))
        except ValidationError as error:
            found.add_errors(error, at)
            return None
        return row.features

    def rows(self, values: Sequence[object], at: Location, first: int, found: Findings) -> list[Values]:
        """The rows of the values in the list at ``at``, whose first index is ``first``.

        Errors are added to the findings. If there are any, the rows must not be used.
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
        """The value without the unknown members beyond those that can be listed."""
        if type(value) is not dict or len(value) <= self.width + MAX_FINDINGS:
            return value
        unknown = [name for name in value if name not in self.names]
        dropped = frozenset(unknown[MAX_FINDINGS + 1 :])
        return {name: member for name, member in value.items() if name not in dropped}


def _shortened(part: str | int) -> str | int:
    return part if isinstance(part, int) or len(part) <= _NAME_LIMIT else part[:_NAME_LIMIT] + "..."
