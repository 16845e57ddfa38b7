"""``make overload``: three times what the service can take, for a minute, and how it is afterwards.

First the maximum is measured, by closed loops of 64 and of 256 connections. Then requests arrive by a
schedule that waits for no answer, from processes of their own, over real connections. What the service admits
must stay fast and as much as before, the rest be told so at once, and right after it all be as it was. The
figures go to ``load_tests/results/overload.md`` and ``overload.json``.

What overload does depends on what there is too little of. The Iris model costs next to nothing, so there it
is the time of HTTP and log; with ``--forest`` it is that of the model, a forest that scikit-learn serves.

Exits with 0 when no objective was missed, and 1 otherwise.
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
from load_tests.bench.rounds import CONNECTIONS, in_turn
from load_tests.bench.serving import PROJECT, Service, serving
from load_tests.overload.histogram import Histogram
from load_tests.overload.open_loop import Arrivals, allow_connections
from load_tests.overload.overload_report import Overload, as_json, as_markdown, verdicts
from load_tests.overload.recovery import ask_lightly, recovery_s

_CAPACITY_ROUNDS = 3
_CAPACITY_CONNECTIONS = (CONNECTIONS, 4 * CONNECTIONS)
"""A model that is called for many rows at once does more when more wait."""
_LIGHT_S = 3
_AFTER_S = 5
_SPAWN_S = 2
"""In which the generators are up; they start at one moment."""


def main() -> int:
    """Overload the service, write down what it did, judge."""
    asked = _asked()
    allow_connections()
    limits = {
        "TABENTO_DEADLINE_MS": str(asked.deadline_ms),
        "TABENTO_MAX_QUEUED_ROWS": str(asked.max_queued_rows),
    }
    audit = {"TABENTO_AUDIT_MODE": "strict", "TABENTO_AUDIT_SYNC": "full"}
    with ExitStack() as stack:
        model: Mapping[str, str] = {"model": "iris_classifier"}
        if asked.forest:
            model = {"model": FOREST, RUNTIME: "sklearn", **stack.enter_context(published())}
        found = overload(stack.enter_context(serving(**model, **audit, **limits)), asked)
    report = {
        **provenance(),
        "command": "python -m load_tests.overload" + " --forest" * asked.forest,
        "arrivals": asked.arrivals,
        "most_connections": asked.connections,
        "processes": asked.processes,
        "max_queued_rows": asked.max_queued_rows,
        **as_json(found),
    }
    name = "overload_forest" if asked.forest else "overload"
    return write_report(name, report, as_markdown(report, found), verdicts(found), asked.results)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload", description=__doc__)
    add = parser.add_argument
    add("--forest", action="store_true", help="serve a forest of 100 trees by scikit-learn")
    add("--seconds", type=float, default=60, help="of overload")
    add("--times", type=float, default=3, help="what the service can take")
    add("--arrivals", choices=("poisson", "constant"), default="poisson")
    add("--connections", type=int, default=2_000, help="at most, of all generators together")
    add("--processes", type=int, default=1, help="that generate the load")
    add("--capacity-seconds", type=float, default=5, help="of each of the rounds that find the maximum")
    add("--deadline-ms", type=int, default=2_000, help="of the service")
    add("--max-queued-rows", type=int, default=500, help="that the service takes on")
    add("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def overload(service: Service, asked: argparse.Namespace) -> Overload:
    """Find the maximum, offer more, watch the service meanwhile and afterwards."""
    load(service.url, CONNECTIONS, 1)
    loops = in_turn(
        _CAPACITY_CONNECTIONS,
        _CAPACITY_ROUNDS,
        lambda connections: load(service.url, connections, asked.capacity_seconds),
    )
    capacity, capacity_connections = max((loop.per_second, number) for number, loop in loops.items())
    before = asyncio.run(ask_lightly(service.url, _LIGHT_S))
    resident_before_mb = service.resident_mb
    start = time.monotonic() + _SPAWN_S
    generators = _generators(service.url, asked, rate=capacity * asked.times, start=start)
    time.sleep(max(0.0, start - time.monotonic()))
    cpu_before_s = service.cpu_s
    resident_mb = _watch(service, until=start + asked.seconds)
    service_cpu_s = service.cpu_s - cpu_before_s
    after = asyncio.run(ask_lightly(service.url, _AFTER_S))
    parts = [_arrivals(generator) for generator in generators]
    return Overload(
        capacity,
        capacity_connections,
        asked.times,
        asked.seconds,
        asked.deadline_ms,
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
    url: str, asked: argparse.Namespace, *, rate: float, start: float
) -> Sequence[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "load_tests.overload.open_loop", "--url", url]
    command += ["--rate", str(rate / asked.processes), "--seconds", str(asked.seconds)]
    command += ["--connections", str(asked.connections // asked.processes)]
    command += ["--arrivals", asked.arrivals, "--at", str(start)]
    return [
        subprocess.Popen([*command, "--seed", str(seed)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for seed in range(asked.processes)
    ]


def _watch(service: Service, until: float) -> list[float]:
    found = []
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        found.append(service.resident_mb)
    return found


def _arrivals(generator: subprocess.Popen[str]) -> Arrivals:
    output, _ = generator.communicate()
    if generator.returncode:
        raise SystemExit(f"a generator of the load ended with {generator.returncode}")
    return Arrivals(**json.loads(output))


if __name__ == "__main__":
    sys.exit(main())
