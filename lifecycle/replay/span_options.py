"""Moments of the command line: a date with its time zone, or an age such as ``7d``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator

from service.audit.query.history import Moment

_AGE = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _moment_of_age(value: object) -> object:
    found = _AGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})


MomentOrAge = Annotated[Moment, BeforeValidator(_moment_of_age)]
