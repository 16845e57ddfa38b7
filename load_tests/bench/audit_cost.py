"""``make bench-audit``: what recording every prediction costs, through the running service and alone.

Each variant is served at the same time as the others and loaded in turn, round after round, so that what
else the machine does falls on all of them; the medians of the rounds count. The figures go to
``load_tests/results/audit.md`` and ``audit.json``.

Exits with 0 when strict/full keeps half of the throughput of a service that records nothing and the writer
alone commits 50,000 records a second, and 1 otherwise.
"""

import argparse
import asyncio
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import apsw
import uvloop

from load_tests.bench.audit_cost_report import Row, as_markdown, verdicts
from load_tests.bench.http_load import BODY, load
from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.rounds import CONNECTIONS, Memory, in_turn, watch_memory
from load_tests.bench.serving import serving
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from service.inference.request import new_uuid7

RESPONSE = (
    b'{"predictions":["setosa"],"probabilities":[{"setosa":0.9813,"versicolor":0.0187,"virginica":0.0}],'
    b'"confidences":[0.9813],"flags":[],"model_name":"iris_logistic_regression","model_version":"1",'
    b'"request_id":"00000000-0000-4000-8000-000000000000","timestamp":"2026-07-04T09:30:00.000000Z",'
    b'"processing_time_ms":1.234}'
)
_BENCH = "load_tests.bench.variants:TabularClassifier"
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "audit off": (_BENCH, {"TABENTO_BENCH_VARIANT": "off"}),
    "strict / full": (".", {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "full"}),
    "strict / normal": (".", {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "normal"}),
    "relaxed / full": (".", {"TABENTO_AUDIT_MODE": "relaxed", "TABENTO_AUDIT_SYNC": "full"}),
    "relaxed / normal": (".", {"TABENTO_AUDIT_MODE": "relaxed", "TABENTO_AUDIT_SYNC": "normal"}),
    "strict / full, one commit a request": (_BENCH, {"TABENTO_BENCH_VARIANT": "single"}),
}


def main() -> int:
    """Measure what was asked for, write it down, judge."""
    asked = _parser().parse_args()
    rows = [row for workers in asked.workers for row in through_service(workers, asked.rounds, asked.seconds)]
    alone = {size: writer_alone(size, asked.records) for size in (1, 64, 500, 2_000)}
    per_prediction = bytes_per_prediction()
    memory = memory_growth(asked.predictions) if asked.predictions else None
    report = {
        **provenance(),
        "connections": CONNECTIONS,
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "service": [{**row._asdict(), "measured": row.measured._asdict()} for row in rows],
        "writer_alone_records_per_second": alone,
        "bytes_per_prediction": per_prediction,
        "memory": memory and memory._asdict(),
    }
    page = as_markdown(report, rows, alone, memory)
    return write_report("audit", report, page, verdicts(rows, alone), asked.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.audit_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of load, per variant and round")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--records", type=int, default=100_000, help="that the writer alone is fed")
    parser.add_argument("--predictions", type=int, default=0, help="over which memory is watched; 0: not")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def through_service(workers: int, rounds: int, seconds: float) -> list[Row]:
    """Throughput and latency of each variant: medians over the rounds."""
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(serving(target, TABENTO_WORKERS=str(workers), **settings))
            for name, (target, settings) in VARIANTS.items()
        }
        for service in services.values():
            load(service.url, CONNECTIONS, 1)
        medians = in_turn(list(services), rounds, lambda name: load(services[name].url, CONNECTIONS, seconds))
    best = medians["audit off"].per_second
    return [Row(name, workers, one, one.per_second / best) for name, one in medians.items()]


def writer_alone(at_once: int, records: int) -> int:
    """Records a second that the writer commits, strict and full, with so many waiting at any time."""
    if at_once == 1:
        records = min(records, 5_000)

    async def feed(log: AuditLog) -> float:
        made = iter([_record() for _ in range(records)])

        async def append_next() -> None:
            for record in made:
                await log.append(record)

        started = perf_counter()
        await asyncio.gather(*(append_next() for _ in range(at_once)))
        return perf_counter() - started

    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        log = AuditLog.open(Path(folder) / "audit.db")
        seconds = uvloop.run(feed(log))
        log.close()
    return round(records / seconds)


def _record() -> AuditRecord:
    return AuditRecord(
        request_id=new_uuid7(),
        received_utc=datetime.now(UTC),
        transport="http",
        route="/predict",
        status=200,
        duration_ms=1.25,
        client="127.0.0.1",
        model_name="iris_logistic_regression",
        model_version="1",
        rows=1,
        request=BODY,
        response=RESPONSE,
        predictions=[("setosa", 0.9813)],
    )


def bytes_per_prediction() -> float:
    """Bytes of the file for each prediction that the service answered, when the log is closed."""
    with serving() as service:
        load(service.url, CONNECTIONS, 4)
        db = service.audit_db
        with closing(apsw.Connection(str(db))) as connection:
            count: int = connection.execute("SELECT count(*) FROM request").get
            connection.pragma("wal_checkpoint", "TRUNCATE")
        return round(db.stat().st_size / count, 1)


def memory_growth(predictions: int) -> Memory:
    """The worker's resident memory over so many predictions."""
    with serving() as service:
        return watch_memory(service, predictions)


if __name__ == "__main__":
    sys.exit(main())
