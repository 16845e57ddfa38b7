"""``make bench``: the service beside bare servers, FastAPI, stock BentoML and MLServer, in one go.

Every service runs all the time, on one machine, and is loaded in turn, round after round, so that what else
the machine does falls on all of them; the medians of the rounds count. Start-up is measured before, a forest
and memory after, when nothing else runs. The figures go to ``bench.md`` and ``bench.json`` of
``load_tests/results``.

Exits with 0 when no objective was missed, and 1 otherwise.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from load_tests.baselines.mlserver import installed_version
from load_tests.bench.bench_page import as_markdown
from load_tests.bench.compiled_forest import Forest, measure_forest
from load_tests.bench.findings import Findings, Load, verdicts
from load_tests.bench.grpc_load import Call, generator
from load_tests.bench.http_load import Measured, Work
from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.rounds import CONNECTIONS, Memory, in_turn, watch_memory
from load_tests.bench.serving import serving
from load_tests.bench.subjects import VARIANTS, Services, put_on, subjects

BATCH_CONNECTIONS = (1, 4, 8)
_WARM_UP_S = 1


def main() -> int:
    """Measure, write it down, judge."""
    asked = _asked()
    starts_s = [_start_s() for _ in range(asked.rounds)]
    with subjects() as (services, left_out):
        single = _single(services, asked)
        batch = _batch(services, asked)
    forest: Forest | str = "left out of this run"
    if asked.forest:
        forest = measure_forest(asked.rounds, asked.seconds)
    memory = _memory(asked.requests) if asked.requests else None
    found = Findings(single, batch, forest, memory, starts_s, left_out)
    report = {
        **provenance(),
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "load_grpc": generator(),
        "mlserver": installed_version(),
        "left_out": left_out,
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


def _start_s() -> float:
    with serving() as service:
        return service.started_s


def _memory(requests: int) -> Memory:
    with serving() as service:
        return watch_memory(service, requests)


def _single(services: Services, asked: argparse.Namespace) -> dict[Load, Measured]:
    works = {name: variant.single for name, variant in VARIANTS.items()}
    return _measure(services, works, asked.connections, CONNECTIONS, asked)


def _batch(services: Services, asked: argparse.Namespace) -> dict[Load, Measured]:
    works = {name: variant.batch for name, variant in VARIANTS.items() if variant.batch}
    return _measure(services, works, BATCH_CONNECTIONS, 1, asked)


def _measure(
    services: Services,
    works: Mapping[str, Work | Call],
    connections: Sequence[int],
    warm_up_connections: int,
    asked: argparse.Namespace,
) -> dict[Load, Measured]:
    there = [name for name in works if VARIANTS[name].service in services]

    def measure(each: Load, seconds: float = asked.seconds) -> Measured:
        service = services[VARIANTS[each.variant].service]
        return put_on(service, works[each.variant], each.connections, seconds)

    for name in there:
        measure(Load(name, warm_up_connections), _WARM_UP_S)
    return in_turn([Load(name, n) for n in connections for name in there], asked.rounds, measure)


def _as_json(found: Mapping[Load, Measured]) -> list[dict[str, object]]:
    return [{**each._asdict(), **one._asdict()} for each, one in found.items()]


if __name__ == "__main__":
    sys.exit(main())
