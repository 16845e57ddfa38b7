"""The filters of the history, as query parameters give them."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from service.audit.query.history import (
    HistoryFilters,
)
from tests.support.audit.logs import NINE


def test_filters_are_read_from_query_parameters() -> None:
    filters = HistoryFilters.model_validate(
        {
            "limit": "5",
            "before": "2026-07-04T09:00:00.000000Z~17",
            "label": "1",
            "since": "2026-07-04T11:00:00+02:00",
            "until": "2026-07-04T09:00:00.000001Z",
        }
    )

    assert (filters.limit, filters.before, filters.label) == (5, "2026-07-04T09:00:00.000000Z~17", "1")
    assert filters.since == NINE
    assert filters.since.tzinfo is UTC


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"limit": "0"}, "greater than or equal to 1"),
        ({"limit": "201"}, "less than or equal to 200"),
        ({"limit": "many"}, "valid integer"),
        ({"before": "17"}, "should match pattern"),
        ({"before": f"2026-07-04T09:00:00.000000Z~{2**63}"}, "should match pattern"),
        ({"since": "yesterday"}, "a date and time with its time zone is needed"),
        ({"since": "2026"}, "a date and time with its time zone is needed"),
        ({"since": "2026-07-04"}, "should have timezone info"),
        ({"since": "2026-07-04T09:00:00"}, "should have timezone info"),
        ({"since": datetime(2026, 7, 4)}, "should have timezone info"),
        ({"since": "2026-07-04T09:00:00 02:00"}, "valid datetime"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "out of range"),
        ({"min_confidence": "0.955"}, "in steps of 0.01"),
        ({"min_confidence": "nan"}, "finite number"),
        ({"max_confidence": "1.01"}, "less than or equal to 1"),
        ({"flagged": "maybe"}, "valid boolean"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_invalid_filters_are_refused(asked: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        HistoryFilters.model_validate(asked)
