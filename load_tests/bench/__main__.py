"""``make bench``: the service compared with bare servers, FastAPI, stock BentoML and MLServer.

All services run on one machine during the whole benchmark and are loaded in interleaved rounds, so that other
work of the machine affects all of them alike. The report has the medians of the rounds. Start-up is measured
before the rounds, and a forest and memory after them, when no other service runs. The figures are written to
``bench.md`` and ``bench.json`` in ``load_tests/results``.

Exits with 0 if no objective is missed, and with 1 otherwise.
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
from load_tests.bench.http_load import LoadResult, Work
from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.rounds import CONNECTIONS, Memory, interleaved_medians, watch_memory
from load_tests.bench.serving import serving
from load_tests.bench.subjects import VARIANTS, Services, run_load, running_services

BATCH_CONNECTIONS = (1, 4, 8)
_WARM_UP_S = 1


def main() -> int:
    """Run the benchmark and write its report."""
    options = _parse_options()
    starts_s = [_start_s() for _ in range(options.rounds)]
    with running_services() as (services, left_out):
        single = _single(services, options)
        batch = _batch(services, options)
    forest: Forest | str = "skipped in this run"
    if options.forest:
        forest = measure_forest(options.rounds, options.seconds)
    memory = _memory(options.requests) if options.requests else None
    found = Findings(single, batch, forest, memory, starts_s, left_out)
    report = {
        **provenance(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "load_grpc": generator(),
        "mlserver": installed_version(),
        "left_out": left_out,
        "single_rows": _as_json(single),
        "batches": _as_json(batch),
        "forest": forest if isinstance(forest, str) else forest.as_json(),
        "memory": memory and memory._asdict(),
        "starts_s": [round(start_s, 2) for start_s in starts_s],
    }
    return write_report("bench", report, as_markdown(report, found), verdicts(found), options.results)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.bench", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="the number of interleaved rounds")
    add("--seconds", type=float, default=4, help="of load per round, variant and number of connections")
    add("--connections", type=int, nargs="+", default=[1, 16, CONNECTIONS, 256], help="of single rows")
    add("--requests", type=int, default=1_000_000, help="during which memory is measured; 0 skips it")
    add("--no-forest", dest="forest", action="store_false", help="skip the compiled forest")
    add("--quick", action="store_true", help="one round of a second, without forest and memory")
    add("--results", type=Path, default=RESULTS, help="the folder of the report")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.requests, options.forest = 1, 1, 0, False
    return options


def _start_s() -> float:
    with serving() as service:
        return service.started_s


def _memory(requests: int) -> Memory:
    with serving() as service:
        return watch_memory(service, requests)


def _single(services: Services, options: argparse.Namespace) -> dict[Load, LoadResult]:
    works = {name: variant.single for name, variant in VARIANTS.items()}
    return _measure(services, works, options.connections, CONNECTIONS, options)


def _batch(services: Services, options: argparse.Namespace) -> dict[Load, LoadResult]:
    works = {name: variant.batch for name, variant in VARIANTS.items() if variant.batch}
    return _measure(services, works, BATCH_CONNECTIONS, 1, options)


def _measure(
    services: Services,
    works: Mapping[str, Work | Call],
    connections: Sequence[int],
    warm_up_connections: int,
    options: argparse.Namespace,
) -> dict[Load, LoadResult]:
    running = [name for name in works if VARIANTS[name].service in services]

    def measure(each: Load, seconds: float = options.seconds) -> LoadResult:
        service = services[VARIANTS[each.variant].service]
        return run_load(service, works[each.variant], each.connections, seconds)

    for name in running:
        measure(Load(name, warm_up_connections), _WARM_UP_S)
    loads = [Load(name, n) for n in connections for name in running]
    return interleaved_medians(loads, options.rounds, measure)


def _as_json(found: Mapping[Load, LoadResult]) -> list[dict[str, object]]:
    return [{**each._asdict(), **one._asdict()} for each, one in found.items()]


if __name__ == "__main__":
    sys.exit(main())
