"""A date in a row: an ISO 8601 text in JSON, and days since 1970-01-01 in the validated row.

The conversion is part of the validation, so the rest of the service sees a number. Spaces around the text are
no part of it, as in training.
"""

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.model.days import DateType, days_of_text, text_of_days
from service.model.text_field import WHITESPACE

_FORMATS: dict[DateType, str] = {"date": "date", "datetime": "date-time"}


def date_annotation(date_type: DateType, minimum: float, maximum: float) -> Any:
    """The annotation of a date from ``minimum`` to ``maximum``, both in days since 1970-01-01."""

    def to_days(value: object) -> float:
        try:
            days = days_of_text(value.strip(WHITESPACE) if isinstance(value, str) else value, date_type)
        except ValueError as error:
            raise PydanticCustomError("date_invalid", "{reason}", {"reason": str(error)}) from None
        if days < minimum:
            raise _beyond("earlier", minimum)
        if days > maximum:
            raise _beyond("later", maximum)
        return days

    def _beyond(side: str, limit: float) -> PydanticCustomError:
        context = {"side": side, "limit": text_of_days(limit, date_type)}
        return PydanticCustomError("date_beyond_limit", "Input should be no {side} than {limit}", context)

    def to_text(days: float) -> str:
        return text_of_days(days, date_type)

    return Annotated[
        float,
        PlainValidator(to_days),
        PlainSerializer(to_text, return_type=str),
        WithJsonSchema({"type": "string", "format": _FORMATS[date_type]}),
    ]
