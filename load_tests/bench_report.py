"""The report of ``bench_audit``: its tables, and which objectives were met."""

from collections.abc import Mapping
from typing import NamedTuple

from load_tests.bench_client import Measured

LEAST_SHARE = 0.5
LEAST_ALONE_PER_SECOND = 50_000


class Row(NamedTuple):
    """A line of the table."""

    variant: str
    workers: int
    measured: Measured
    share: float
    """Of the throughput of the same number of workers that record nothing."""


def verdicts(rows: list[Row], alone: Mapping[int, int]) -> list[str]:
    """What was to be reached, and whether it was ``met`` or ``missed``."""
    share = min(row.share for row in rows if row.variant == "strict / full")
    fastest = max(alone.values())
    return [
        f"{_met(share >= LEAST_SHARE)}: strict / full keeps {LEAST_SHARE:.0%} of audit off ({share:.0%})",
        f"{_met(fastest >= LEAST_ALONE_PER_SECOND)}: the writer alone commits {LEAST_ALONE_PER_SECOND:,} "
        f"records a second ({fastest:,})",
    ]


def _met(reached: bool) -> str:
    return "met" if reached else "missed"


def as_markdown(report: Mapping[str, object], rows: list[Row], alone: Mapping[int, int]) -> str:
    """The report as tables."""
    lines = [
        "# What the audit log costs",
        "",
        f"`python -m load_tests.bench_audit` at {report['commit']}, {report['measured_utc']}, on",
        f"{report['cores']} cores shared with the load ({report['load']}): single Iris rows,",
        f"{report['connections']} kept connections, medians of {report['rounds']} interleaved rounds of",
        f"{report['seconds']} s. {report['versions']}",
        "",
        "| variant | workers | predictions/s | of audit off | p50 ms | p99 ms | failed |",
        "|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        *_context(rows),
        "",
        "The writer alone, fed from memory, strict / full:",
        "",
        "| records waiting at once | records/s |",
        "|---|---|",
        *(f"| {size:,} | {speed:,} |" for size, speed in alone.items()),
        "",
        f"On disk a single Iris prediction takes {report['bytes_per_prediction']} bytes.",
        "",
        f"Memory of the worker: {report['memory'] or 'not watched in this run'}.",
        "",
        "Objectives:",
        "",
        *(f"- {verdict}" for verdict in verdicts(rows, alone)),
    ]
    return "\n".join([*lines, ""])


def _line(row: Row) -> str:
    measured = row.measured
    speed = f"{measured.per_second:,.0f} | {row.share:.0%} | {measured.p50_ms:.1f} | {measured.p99_ms:.1f}"
    return f"| {row.variant} | {row.workers} | {speed} | {measured.errors} |"


def _context(rows: list[Row]) -> list[str]:
    fewest = min((row for row in rows if row.variant == "audit off"), key=lambda row: row.workers)
    per_request_us = fewest.workers / fewest.measured.per_second * 1e6
    return [
        f"Without a log a worker answers one request each {per_request_us:,.0f} us, and the writer's thread",
        "works beside it: the share is what the log costs this service, not what it would cost a faster one.",
    ]
