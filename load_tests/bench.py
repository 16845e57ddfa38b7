"""``make bench``: the service beside an empty server, FastAPI and stock BentoML, on one machine in one go.

Every service runs all the time and is loaded in turn, round after round, so that what else the machine does
falls on all of them; the medians of the rounds count. Start-up is measured before, a forest and memory after,
when nothing else runs. The figures go to ``load_tests/results/bench.md`` and ``bench.json``.

Exits with 0 when no objective was missed, and 1 otherwise.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from load_tests.bench_client import ONE_ROW, ROWS, Measured, Work, load
from load_tests.bench_forest import Forest, measure_forest
from load_tests.bench_objectives import (
    AUDIT_OFF,
    EMPTY,
    IN_THREADS,
    ON_LOOP,
    OURS,
    STOCK,
    Findings,
    Load,
    verdicts,
)
from load_tests.bench_page import as_markdown
from load_tests.bench_report import RESULTS, provenance, write_report
from load_tests.bench_rounds import CONNECTIONS, Memory, in_turn, watch_memory
from load_tests.bench_server import Service, serving, serving_asgi

BATCH_CONNECTIONS = (1, 4, 8)
_WARM_UP_S = 1


class Variant(NamedTuple):
    """Where a variant's requests go."""

    service: str
    single: Work
    batch: Work | None = None


def _threads(work: Work) -> Work:
    return Work(f"/threads{work.path}", work.body)


_ROW_OF_ARRAY = b'{"rows":[[5.1,3.5,1.4,0.2]]}'
VARIANTS = {
    OURS: Variant("ours", ONE_ROW, ROWS),
    AUDIT_OFF: Variant("audit off", ONE_ROW),
    EMPTY: Variant("empty", ONE_ROW),
    ON_LOOP: Variant("fastapi", ONE_ROW, ROWS),
    IN_THREADS: Variant("fastapi", _threads(ONE_ROW), _threads(ROWS)),
    STOCK: Variant("stock", Work("/predict", _ROW_OF_ARRAY)),
}


def main() -> int:
    """Measure, write it down, judge."""
    asked = _asked()
    starts_s = [_start_s() for _ in range(asked.rounds)]
    with _services() as services:
        urls = {name: service.url for name, service in services.items()}
        single = _single(urls, asked)
        batch = _batch(urls, asked)
    forest: Forest | str = "left out of this run"
    if asked.forest:
        forest = measure_forest(asked.rounds, asked.seconds)
    memory = _memory(asked.requests) if asked.requests else None
    found = Findings(single, batch, forest, memory, starts_s)
    report = {
        **provenance(),
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "single_rows": _as_json(single),
        "batches": _as_json(batch),
        "forest": forest if isinstance(forest, str) else forest.as_json(),
        "memory": memory and memory._asdict(),
        "starts_s": [round(start_s, 2) for start_s in starts_s],
    }
    return write_report("bench", report, as_markdown(report, found), verdicts(found), asked.results)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=4, help="of load, per variant, number of connections and round")
    add("--connections", type=int, nargs="+", default=[1, 16, CONNECTIONS, 256])
    add("--requests", type=int, default=1_000_000, help="over which memory is watched; 0: not")
    add("--no-forest", dest="forest", action="store_false", help="leave out the compiled forest")
    add("--quick", action="store_true", help="one round of a second, without forest and memory")
    add("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.seconds, asked.requests, asked.forest = 1, 1, 0, False
    return asked


@contextmanager
def _services() -> Iterator[dict[str, Service]]:
    audited = {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "full"}
    variants = "load_tests.bench_variants:TabularClassifier"
    starts: dict[str, AbstractContextManager[Service]] = {
        "ours": serving(**audited),
        "audit off": serving(variants, TABENTO_BENCH_VARIANT="off"),
        "empty": serving_asgi("load_tests.baselines.empty:app"),
        "fastapi": serving_asgi("load_tests.baselines.fastapi_sqlite:app"),
        "stock": serving("load_tests.baselines.bentoml_stock:IrisClassifier", model=None),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(start) for name, start in starts.items()}


def _start_s() -> float:
    with serving() as service:
        return service.started_s


def _memory(requests: int) -> Memory:
    with serving() as service:
        return watch_memory(service, requests)


def _single(urls: Mapping[str, str], asked: argparse.Namespace) -> dict[Load, Measured]:
    def measure(each: Load, seconds: float = asked.seconds) -> Measured:
        variant = VARIANTS[each.variant]
        return load(urls[variant.service], each.connections, seconds, variant.single)

    for name in VARIANTS:
        measure(Load(name, CONNECTIONS), _WARM_UP_S)
    return in_turn([Load(name, n) for n in asked.connections for name in VARIANTS], asked.rounds, measure)


def _batch(urls: Mapping[str, str], asked: argparse.Namespace) -> dict[Load, Measured]:
    works = {name: (urls[each.service], each.batch) for name, each in VARIANTS.items() if each.batch}

    def measure(each: Load, seconds: float = asked.seconds) -> Measured:
        url, work = works[each.variant]
        return load(url, each.connections, seconds, work)

    for name in works:
        measure(Load(name, 1), _WARM_UP_S)
    return in_turn([Load(name, n) for n in BATCH_CONNECTIONS for name in works], asked.rounds, measure)


def _as_json(found: Mapping[Load, Measured]) -> list[dict[str, object]]:
    return [{**each._asdict(), **one._asdict()} for each, one in found.items()]


if __name__ == "__main__":
    sys.exit(main())
