"""The outcome as clients and files send it: the type that validates it, and its check against the target."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    create_model,
    model_validator,
)

from service.audit.columns import REQUEST_ID
from service.audit.file.outcome_row import OutcomeKind, OutcomeRow
from service.audit.utc_text import utc_text
from service.errors import Finding
from service.model.label import Label, TargetType, label_text, label_type

MAX_TEXT_LENGTH = 200
"""Characters of a source, a reviewer or a reason code."""
MAX_FINDINGS = 100
"""Refused outcomes that an answer lists."""

_LARGEST_ROW = 2**31 - 1
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the clock of a sender may be ahead."""
_MOST_MEMBERS = 16
"""Members of an outcome that is looked at: pydantic makes an error of each that is unknown."""
_MESSAGE_LIMIT = 300
"""Characters of a finding's message, which may repeat the classes."""
_NAME_LIMIT = 64
"""Characters of a member's name in a finding."""

_LABEL_TYPES: dict[TargetType, Any] = {
    "text": Annotated[str, Strict()],
    "integer": Annotated[int, Strict()],
    "boolean": Annotated[bool, Strict()],
}


def _require_text(value: object) -> object:
    # pydantic reads a number, also in a text, as seconds after 1970.
    if not isinstance(value, str) or "-" not in value:
        raise ValueError("a date and time with its time zone is needed, such as 2026-07-04T09:30:00Z")
    return value


def _not_in_the_future(moment: datetime) -> datetime:
    if moment < _EARLIEST:
        raise ValueError("it is before 1970")
    if moment > datetime.now(UTC) + _CLOCK_TOLERANCE:
        raise ValueError("it is in the future")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_require_text), AfterValidator(_not_in_the_future)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00-\x1f\x7f]*$")]


class SentOutcome(BaseModel):
    """What became known of one row of a prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    request_id: str = Field(pattern=f"^{REQUEST_ID}$")
    """The id of the prediction's request: `X-Request-ID` of its answer."""
    row: int = Field(default=0, ge=0, le=_LARGEST_ROW, strict=True)
    """Index of the row in the request, from 0."""
    kind: OutcomeKind = "truth"
    """`truth`: the label that turned out to be right. `decision`: what a person decided, which need not be
    right; it needs a `reviewer` or a `reason_code`."""
    label: Label
    observed_utc: Moment | None = None
    """When the label became known, with a time zone."""
    source: Text | None = None
    """Where the label comes from, such as the name of a system."""
    reviewer: Text | None = None
    """Who decided: a name or a code of your own."""
    reason_code: Text | None = None
    """Why it was decided so, as a code of your own."""

    @model_validator(mode="after")
    def _decision_names_its_origin(self) -> Self:
        if self.kind == "decision" and self.reviewer is None and self.reason_code is None:
            raise ValueError("a decision needs a reviewer or a reason_code")
        return self

    @property
    def as_row(self) -> OutcomeRow:
        """The outcome as the log has it."""
        observed = None if self.observed_utc is None else utc_text(self.observed_utc)
        label = label_text(self.label), label_type(self.label)
        rest = observed, self.source, self.reviewer, self.reason_code
        return OutcomeRow(self.request_id, self.row, self.kind, *label, *rest)


class LabelRule:
    """Which labels an outcome may have: the classes of a target, or any of a type."""

    def __init__(self, type_: TargetType, classes: Sequence[Label] | None = None) -> None:
        self.type = type_
        self._classes = None if classes is None else (*classes,)
        self._known = None if classes is None else frozenset(classes)
        self.outcome_type = self._outcome_type()
        """The type of an outcome with such a label. To make it takes as long as to validate thousands."""

    def _outcome_type(self) -> type[SentOutcome]:
        label = _LABEL_TYPES[self.type]
        if self._classes is not None:
            label = Annotated[label, AfterValidator(self._require_class), Field(json_schema_extra=self._enum)]
        about = Field(description="The label, of the type and the classes of the target.")
        made: type[SentOutcome] = create_model("Outcome", __base__=SentOutcome, label=(label, about))
        return made

    def read(self, text: str) -> Label:
        """The label of a text, as in a table; a text that is no label of this type is returned as it is."""
        if self.type == "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        if self.type == "integer" and text.removeprefix("-").isdecimal() and text.isascii():
            return int(text) if len(text) <= _MOST_DIGITS else text
        return text

    def _require_class(self, label: Label) -> Label:
        if self._known is not None and label not in self._known:
            raise ValueError(f"it is no class of the target: {self._listed}")
        return label

    @cached_property
    def _listed(self) -> str:
        return ", ".join(map(label_text, self._classes or ()))[:_MESSAGE_LIMIT]

    @property
    def _enum(self) -> dict[str, Any]:
        return {"enum": [*(self._classes or ())]}


_MOST_DIGITS = 20


class OutcomeCheck:
    """Validates outcomes one by one, and keeps the first findings."""

    def __init__(self, rule: LabelRule) -> None:
        self._validate = rule.outcome_type.__pydantic_validator__.validate_python
        self.refused = 0
        self.findings: list[Finding] = []

    def check(self, value: object, index: int | None) -> OutcomeRow | None:
        """The outcome of a value, None if it is refused; ``index`` is its place, None if it is alone."""
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            self.refuse(index, "", f"it has more than {_MOST_MEMBERS} members")
            return None
        try:
            outcome: SentOutcome = self._validate(value)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            for detail in details:
                names = (str(name)[:_NAME_LIMIT] for name in detail["loc"])
                self._list(index, tuple(names), detail["msg"].removeprefix("Value error, "))
            self.refused += 1
            return None
        return outcome.as_row

    def refuse(self, index: int | None, name: str, why: str) -> None:
        """Count an outcome that is refused for another reason; ``name`` is of the member, if it is of one."""
        self._list(index, (name,) if name else (), why)
        self.refused += 1

    def _list(self, index: int | None, names: tuple[str, ...], why: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            place = () if index is None else (index,)
            self.findings.append(Finding((*place, *names), why[:_MESSAGE_LIMIT]))
