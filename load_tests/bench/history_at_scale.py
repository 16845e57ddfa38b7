"""``make bench-history``: the latency of history queries on a large log, for every combination of filters.

    python -m load_tests.bench.history_at_scale --predictions 5000000 --db large.db

If the file does not exist, the service's own writer generates it. A file that --db names is kept. The
distributions of labels, models, flags and confidences are skewed: a common label and a rare one, a model that
answered once in a thousand requests, and values of each filter that match nothing.

Exits with 1 if the 95th percentile of any combination is 50 ms or more.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

import apsw

from load_tests.bench.http_load import BODY
from load_tests.bench.serving import serving
from service.audit.query.history import MAX_ITEMS, HistoryFilters
from service.audit.query.reader import AuditReader
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord

LIMIT_MS = 50
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(milliseconds=100)
_GROUP = 5_000
_SLOWEST = 25

Query = dict[str, str]


class Timing(NamedTuple):
    """The latency of one combination of filters."""

    query: Query
    items: int
    p50_ms: float
    p95_ms: float


def main() -> int:
    """Generate the log, measure every combination, and print the slowest."""
    options = _parser().parse_args()
    with _log(options.db, options.predictions, options.labels) as db:
        combinations = [{**query, "limit": str(options.limit)} for query in queries(options.predictions)]
        timings = [measure(db, query, options.repeats) for query in combinations]
        # Other work of the machine may have slowed one combination, so slow ones are measured again.
        timings = [
            measure(db, timing.query, options.repeats * 5) if timing.p95_ms >= LIMIT_MS else timing
            for timing in timings
        ]
        timings.sort(key=lambda timing: timing.p95_ms, reverse=True)
        size = f"{db.stat().st_size:,} bytes"
        _print(f"{len(timings)} combinations of filters, {options.repeats} times each, on {size}")
        _print("| p50 ms | p95 ms | items | filters |\n|---|---|---|---|")
        for timing in timings[:_SLOWEST]:
            filters = " ".join(f"{name}={value}" for name, value in timing.query.items())
            _print(f"| {timing.p50_ms:.1f} | {timing.p95_ms:.1f} | {timing.items} | {filters} |")
        slow = [timing for timing in timings if timing.p95_ms >= LIMIT_MS]
        for timing in slow[: options.explain]:
            _print(f"\n{timing.query}\n{plan(db, timing.query)}")
        if options.http:
            over_http(db, [timing.query for timing in timings[:: max(1, len(timings) // options.http)]])
    _print(f"{len(slow)} of {len(timings)} combinations took {LIMIT_MS} ms or more at the 95th percentile")
    return int(bool(slow))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.history_at_scale", description=__doc__)
    add = parser.add_argument
    add("--predictions", type=int, default=5_000_000, help="in a generated log")
    add("--labels", type=int, default=3, help="the number of labels in a generated log")
    add("--db", type=Path, help="the log, which is kept; by default a temporary one")
    add("--limit", type=int, default=MAX_ITEMS, help="items on a page; by default the maximum")
    add("--repeats", type=int, default=20, help="queries of each combination")
    add("--explain", type=int, default=5, help="the number of slow combinations to print query plans of")
    add("--http", type=int, default=8, help="the number of combinations to measure over HTTP too")
    return parser


@contextmanager
def _log(db: Path | None, predictions: int, labels: int) -> Iterator[Path]:
    if db is None:
        with TemporaryDirectory(prefix="tabento-history-") as folder:
            generate(Path(folder) / "audit.db", predictions, labels)
            yield Path(folder) / "audit.db"
    else:
        if not db.exists():
            generate(db, predictions, labels)
        yield db


def generate(db: Path, predictions: int, labels: int) -> None:
    """Write so many requests, a tenth of a second apart, every fiftieth of which was rejected."""
    rng = random.Random(0)
    names = ["setosa", "virginica", *(f"class-{number}" for number in range(2, labels))]
    weights = [60, 0.1, *[40 / labels] * (labels - 2)]

    def label() -> str:
        return rng.choices(names, weights)[0]

    async def append_all(log: AuditLog) -> None:
        for first in range(0, predictions, _GROUP):
            group = range(first, min(first + _GROUP, predictions))
            await asyncio.gather(*(log.append(_record(number, label(), rng)) for number in group))

    started = perf_counter()
    log = AuditLog.open(db, sync="normal")
    asyncio.run(append_all(log))
    log.close()
    _print(f"{predictions:,} predictions written in {perf_counter() - started:.0f} s")


def _record(number: int, label: str, rng: random.Random) -> AuditRecord:
    is_rejected = number % 50 == 49
    confidence = round(1 - rng.random() ** 3 * 0.66, 4)
    response = b'{"predictions":["%s"],"confidences":[%f]}' % (label.encode(), confidence)
    return AuditRecord(
        request_id=f"r-{number}",
        received_utc=FIRST + number * STEP,
        transport="http",
        route="/predict",
        status=422 if is_rejected else 200,
        duration_ms=1.25,
        client="192.0.2.7",
        model_name="iris_random_forest" if number % 1_000 == 500 else "iris_logistic_regression",
        model_version="1",
        rows=0 if is_rejected else 1,
        request=BODY,
        response=b'{"status":422}' if is_rejected else response,
        predictions=[] if is_rejected else [(label, confidence)],
        flags=int(rng.random() < 0.01),
    )


def queries(predictions: int) -> Iterator[Query]:
    """Every combination of the filters, with values that match many, few and no predictions."""
    early, middle, late = (_text(FIRST + STEP * int(predictions * part)) for part in (0.01, 0.5, 0.999))
    times: list[Query] = [
        {},
        {"since": late},
        {"until": early},
        {"since": middle},
        {"since": early, "until": middle},
        {"before": f"{middle}~{predictions // 2}"},
        {"before": f"{middle}~{predictions // 2}", "since": early},
    ]
    labels: list[Query] = [{}, *({"label": label} for label in ("setosa", "virginica", "nowhere"))]
    models: list[Query] = [
        {},
        *({"model": f"iris_{name}"} for name in ("logistic_regression", "random_forest")),
    ]
    flags: list[Query] = [{}, {"flagged": "true"}, {"flagged": "false"}]
    confidences: list[Query] = [
        {},
        {"min_confidence": "0.99"},
        {"min_confidence": "0.35"},
        {"max_confidence": "0.35"},
        {"max_confidence": "0.99"},
        {"min_confidence": "0.5", "max_confidence": "0.51"},
    ]
    request_ids: list[Query] = [{}, {"request_id": f"r-{predictions // 2}"}]
    for parts in product(request_ids, labels, models, flags, confidences, times):
        yield {name: value for part in parts for name, value in part.items()}


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def measure(db: Path, query: Query, repeats: int) -> Timing:
    """Time repeated reads of the page that the filters select."""
    reader, filters = AuditReader(db), HistoryFilters.model_validate(query)
    times_ms = []
    for _ in range(repeats):
        started = perf_counter()
        page = reader.history(filters)
        times_ms.append((perf_counter() - started) * 1e3)
    return Timing(query, len(page.items), *_percentiles(times_ms))


def _percentiles(times_ms: list[float]) -> tuple[float, float]:
    times_ms = sorted(times_ms)
    return times_ms[len(times_ms) // 2], times_ms[ceil(len(times_ms) * 0.95) - 1]


def plan(db: Path, query: Query) -> str:
    """The query plans of the statements that the reader executes."""
    statements: list[str] = []

    def trace(connection: apsw.Connection) -> None:
        def record(_: apsw.Cursor, statement: str, __: object) -> bool:
            if statement not in statements:
                statements.append(statement)
            return True

        connection.exec_trace = record

    apsw.connection_hooks.append(trace)
    try:
        AuditReader(db).history(HistoryFilters.model_validate(query))
    finally:
        apsw.connection_hooks.remove(trace)
    lines = []
    with apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        for statement in statements:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                bindings = _Nulls() if ":" in statement else (None,) * statement.count("?")
                steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)
                lines += [" ".join(statement.split()), *(f"    {step[3]}" for step in steps)]
    return "\n".join(lines)


class _Nulls(dict[str, None]):
    def __missing__(self, name: str) -> None:
        return None


def over_http(db: Path, queries: list[Query], repeats: int = 20) -> None:
    """Time the same queries through a running service."""
    _print("\nOver HTTP\n\n| p50 ms | p95 ms | filters |\n|---|---|---|")
    with serving(TABENTO_AUDIT_DB=str(db)) as service:
        for query in queries:
            times_ms = []
            for _ in range(repeats):
                started = perf_counter()
                with urlopen(f"{service.url}/predictions/history?{urlencode(query)}", timeout=60) as answer:
                    answer.read()
                times_ms.append((perf_counter() - started) * 1e3)
            p50_ms, p95_ms = _percentiles(times_ms)
            _print(f"| {p50_ms:.1f} | {p95_ms:.1f} | {urlencode(query)} |")


if __name__ == "__main__":
    sys.exit(main())
