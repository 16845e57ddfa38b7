"""``make bench-audit``: the cost of recording every prediction, and the speed of the writer alone.

All variants are served at the same time and loaded in interleaved rounds, so that other work of the machine
affects all of them alike. The report has the medians of the rounds. The figures are written to ``audit.md``
and ``audit.json`` in ``load_tests/results``.

Exits with 0 if strict/full keeps half of the throughput of a service that records nothing and the writer
alone commits 50,000 records a second, and with 1 otherwise.
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
from load_tests.bench.rounds import CONNECTIONS, Memory, interleaved_medians, watch_memory
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
    """Run the benchmark and write its report."""
    options = _parser().parse_args()
    rounds, seconds = options.rounds, options.seconds
    rows = [row for workers in options.workers for row in through_service(workers, rounds, seconds)]
    alone = {size: writer_alone(size, options.records) for size in (1, 64, 500, 2_000)}
    per_prediction = bytes_per_prediction()
    memory = memory_growth(options.predictions) if options.predictions else None
    report = {
        **provenance(),
        "connections": CONNECTIONS,
        "rounds": rounds,
        "seconds": seconds,
        "service": [{**row._asdict(), "measured": row.measured._asdict()} for row in rows],
        "writer_alone_records_per_second": alone,
        "bytes_per_prediction": per_prediction,
        "memory": memory and memory._asdict(),
    }
    page = as_markdown(report, rows, alone, memory)
    return write_report("audit", report, page, verdicts(rows, alone), options.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench.audit_cost", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="the number of interleaved rounds")
    add("--seconds", type=float, default=5, help="of load per round and variant")
    add("--workers", type=int, nargs="+", default=[1, 2], help="of the service")
    add("--records", type=int, default=100_000, help="that the writer alone commits")
    add("--predictions", type=int, default=0, help="during which memory is measured; 0 skips it")
    add("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser


def through_service(workers: int, rounds: int, seconds: float) -> list[Row]:
    """Throughput and latency of each variant, as medians of the rounds."""
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(serving(target, TABENTO_WORKERS=str(workers), **settings))
            for name, (target, settings) in VARIANTS.items()
        }
        for service in services.values():
            load(service.url, CONNECTIONS, 1)
        medians = interleaved_medians(
            list(services), rounds, lambda name: load(services[name].url, CONNECTIONS, seconds)
        )
    best = medians["audit off"].per_second
    return [Row(name, workers, one, one.per_second / best) for name, one in medians.items()]


def writer_alone(concurrency: int, records: int) -> int:
    """Records a second that the writer commits, strict and full, with so many pending at a time."""
    if concurrency == 1:
        records = min(records, 5_000)

    async def feed(log: AuditLog) -> float:
        made = iter([_record() for _ in range(records)])

        async def append_next() -> None:
            for record in made:
                await log.append(record)

        started = perf_counter()
        await asyncio.gather(*(append_next() for _ in range(concurrency)))
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
    """Bytes of the closed log per answered prediction."""
    with serving() as service:
        load(service.url, CONNECTIONS, 4)
        db = service.audit_db
        with closing(apsw.Connection(str(db))) as connection:
            count: int = connection.execute("SELECT count(*) FROM request").get
            connection.pragma("wal_checkpoint", "TRUNCATE")
        return round(db.stat().st_size / count, 1)


def memory_growth(predictions: int) -> Memory:
    """The worker's resident memory before and after so many predictions."""
    with serving() as service:
        return watch_memory(service, predictions)


if __name__ == "__main__":
    sys.exit(main())
