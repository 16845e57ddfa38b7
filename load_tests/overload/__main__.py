"""``make overload``: three times the capacity of the service for a minute, and the recovery afterwards.

First the capacity is measured, with closed loops of 64 and of 256 connections. Then requests arrive by a
schedule that waits for no answer, from other processes, over real connections. Admitted requests must stay
fast and their rate must not fall, the others must get 429, and afterwards latency must return to normal. The
figures are written to ``overload.md`` and ``overload.json`` in ``load_tests/results``.

The effect of overload depends on the bottleneck. The Iris model costs next to nothing, so the bottleneck is
HTTP and the log. With ``--forest`` it is the model, a forest that scikit-learn serves.

Exits with 0 if no objective is missed, and with 1 otherwise.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from load_tests.bench.compiled_forest import NAME as FOREST
from load_tests.bench.compiled_forest import RUNTIME, published
from load_tests.bench.http_load import load
from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.rounds import CONNECTIONS, interleaved_medians
from load_tests.bench.serving import PROJECT, Service, serving
from load_tests.overload.histogram import Histogram
from load_tests.overload.open_loop import Arrivals, allow_connections
from load_tests.overload.overload_report import Overload, as_json, as_markdown, verdicts
from load_tests.overload.recovery import recovery_s, send_light_load

_CAPACITY_ROUNDS = 3
_CAPACITY_CONNECTIONS = (CONNECTIONS, 4 * CONNECTIONS)
"""With more waiting requests, the model is called for more rows at once and its throughput rises."""
_LIGHT_S = 3
_AFTER_S = 5
_SPAWN_S = 2
"""The generators have started by then, and begin at the same moment."""


def main() -> int:
    """Overload the service and write the report."""
    options = _parse_options()
    allow_connections()
    limits = {
        "TABENTO_DEADLINE_MS": str(options.deadline_ms),
        "TABENTO_MAX_QUEUED_ROWS": str(options.max_queued_rows),
    }
    audit = {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "full"}
    with ExitStack() as stack:
        model: Mapping[str, str] = {"model": "iris_classifier"}
        if options.forest:
            model = {"model": FOREST, RUNTIME: "sklearn", **stack.enter_context(published())}
        found = overload(stack.enter_context(serving(**model, **audit, **limits)), options)
    report = {
        **provenance(),
        "command": "python -m load_tests.overload" + " --forest" * options.forest,
        "arrivals": options.arrivals,
        "most_connections": options.connections,
        "processes": options.processes,
        "max_queued_rows": options.max_queued_rows,
        **as_json(found),
    }
    name = "overload_forest" if options.forest else "overload"
    return write_report(name, report, as_markdown(report, found), verdicts(found), options.results)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload", description=__doc__)
    add = parser.add_argument
    add("--forest", action="store_true", help="serve a forest of 100 trees with scikit-learn")
    add("--seconds", type=float, default=60, help="of overload")
    add("--times", type=float, default=3, help="the rate of requests as a multiple of the capacity")
    add("--arrivals", choices=("poisson", "constant"), default="poisson", help="the distribution of arrivals")
    add("--connections", type=int, default=2_000, help="the maximum, of all generators together")
    add("--processes", type=int, default=1, help="that generate the load")
    add("--capacity-seconds", type=float, default=5, help="of each round that measures the capacity")
    add("--deadline-ms", type=int, default=2_000, help="TABENTO_DEADLINE_MS of the service")
    add("--max-queued-rows", type=int, default=500, help="TABENTO_MAX_QUEUED_ROWS of the service")
    add("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser.parse_args()


def overload(service: Service, options: argparse.Namespace) -> Overload:
    """Measure the capacity, offer more, and measure the service meanwhile and afterwards."""
    load(service.url, CONNECTIONS, 1)
    loops = interleaved_medians(
        _CAPACITY_CONNECTIONS,
        _CAPACITY_ROUNDS,
        lambda connections: load(service.url, connections, options.capacity_seconds),
    )
    capacity, capacity_connections = max((loop.per_second, number) for number, loop in loops.items())
    before = asyncio.run(send_light_load(service.url, _LIGHT_S))
    resident_before_mb = service.resident_mb
    start = time.monotonic() + _SPAWN_S
    generators = _generators(service.url, options, rate=capacity * options.times, start=start)
    time.sleep(max(0.0, start - time.monotonic()))
    cpu_before_s = service.cpu_s
    resident_mb = _resident_mb_each_second(service, until=start + options.seconds)
    service_cpu_s = service.cpu_s - cpu_before_s
    after = asyncio.run(send_light_load(service.url, _AFTER_S))
    parts = [_arrivals(generator) for generator in generators]
    return Overload(
        capacity,
        capacity_connections,
        options.times,
        options.seconds,
        options.deadline_ms,
        outcomes=sum((Counter(part.outcomes) for part in parts), Counter()),
        good=sum(part.good for part in parts),
        admitted=Histogram.sum(part.admitted_ms for part in parts),
        late=Histogram.sum(part.late_ms for part in parts),
        connections=sum(part.connections for part in parts),
        service_cpu_s=service_cpu_s,
        generator_cpu_s=sum(part.cpu_s for part in parts),
        resident_mb=resident_mb,
        resident_before_mb=resident_before_mb,
        resident_after_mb=service.resident_mb,
        recovery_s=recovery_s(before, after),
    )


def _generators(
    url: str, options: argparse.Namespace, *, rate: float, start: float
) -> Sequence[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "load_tests.overload.open_loop", "--url", url]
    command += ["--rate", str(rate / options.processes), "--seconds", str(options.seconds)]
    command += ["--connections", str(options.connections // options.processes)]
    command += ["--arrivals", options.arrivals, "--at", str(start)]
    return [
        subprocess.Popen([*command, "--seed", str(seed)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for seed in range(options.processes)
    ]


def _resident_mb_each_second(service: Service, until: float) -> list[float]:
    found = []
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        found.append(service.resident_mb)
    return found


def _arrivals(generator: subprocess.Popen[str]) -> Arrivals:
    output, _ = generator.communicate()
    if generator.returncode:
        raise SystemExit(f"A load generator ended with exit code {generator.returncode}.")
    return Arrivals(**json.loads(output))


if __name__ == "__main__":
    sys.exit(main())
