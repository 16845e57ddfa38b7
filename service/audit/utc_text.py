"""The form of every moment in the log: text in UTC that sorts as the moments do."""

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """A moment as ``2026-07-04T09:30:00.000000Z``; raises ValueError if it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # The same text as isoformat() in half the time. Every record pays for it.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031 - faster
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
    )
