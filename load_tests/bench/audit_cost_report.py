"""The report of ``make bench-audit``: its tables and its objectives."""

from collections.abc import Mapping
from typing import NamedTuple

from load_tests.bench.http_load import LoadResult
from load_tests.bench.provenance import Verdict, setting, table
from load_tests.bench.rounds import Memory

MIN_SHARE = 0.5
MIN_ALONE_PER_SECOND = 50_000


class Row(NamedTuple):
    """A line of the table."""

    variant: str
    workers: int
    measured: LoadResult
    share: float
    """Of the throughput of as many workers that record nothing."""


def verdicts(rows: list[Row], alone: Mapping[int, int]) -> list[Verdict]:
    """Every objective, and whether it is met."""
    share = min(row.share for row in rows if row.variant == "strict / full")
    return [
        Verdict.at_least(f"strict / full keeps {MIN_SHARE:.0%} of audit off", share, MIN_SHARE, ".0%"),
        Verdict.at_least(
            f"the writer alone commits {MIN_ALONE_PER_SECOND:,} records a second",
            max(alone.values()),
            MIN_ALONE_PER_SECOND,
        ),
    ]


def as_markdown(
    report: Mapping[str, object], rows: list[Row], alone: Mapping[int, int], memory: Memory | None
) -> list[str]:
    """The report as tables."""
    head = ("variant", "workers", "predictions/s", "of audit off", "p50 ms", "p99 ms", "failed")
    return [
        "# What the audit log costs",
        "",
        "`python -m load_tests.bench.audit_cost`: single Iris rows,",
        f"medians of {report['rounds']} interleaved",
        f"rounds of {report['seconds']} s, {report['connections']} connections.",
        *setting(report),
        "",
        *table(head, map(_line, rows)),
        "",
        *_context(rows),
        "",
        "The writer alone, fed from memory, strict / full:",
        "",
        *table(
            ("records waiting at once", "records/s"), ((f"{n:,}", f"{per_s:,}") for n, per_s in alone.items())
        ),
        "",
        f"On disk a single Iris prediction takes {report['bytes_per_prediction']} bytes.",
        "",
        f"Memory of the worker: {memory or 'not measured in this run'}.",
    ]


def _line(row: Row) -> tuple[object, ...]:
    one = row.measured
    figures = (f"{one.per_second:,.0f}", f"{row.share:.0%}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}")
    return row.variant, row.workers, *figures, one.errors


def _context(rows: list[Row]) -> list[str]:
    fewest = min((row for row in rows if row.variant == "audit off"), key=lambda row: row.workers)
    per_request_us = fewest.workers / fewest.measured.per_second * 1e6
    return [
        f"Without a log, a worker answers one request every {per_request_us:,.0f} us, and the writer process",
        "shares the cores with it. The share is the cost of the log for this service, not for a faster one.",
    ]
