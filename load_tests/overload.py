"""``make overload``: three times what the service can take, for a minute, and how it is afterwards.

First the maximum is measured, by a closed loop of 64 connections. Then requests arrive by a schedule that
waits for no answer, from processes of their own, over real connections. What the service admits must stay
fast and as much as before, the rest be told so at once, and right after it all be as it was. The figures go
to ``load_tests/results/overload.md`` and ``overload.json``.

Exits with 0 when no objective was missed, and 1 otherwise.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from load_tests.bench_client import load
from load_tests.bench_report import RESULTS, provenance, write_report
from load_tests.bench_rounds import CONNECTIONS
from load_tests.bench_server import PROJECT, Service, serving
from load_tests.histogram import Histogram
from load_tests.open_loop import Arrivals, allow_connections
from load_tests.overload_recovery import ask_lightly, recovery_s
from load_tests.overload_report import Overload, as_json, as_markdown, verdicts

_CAPACITY_ROUNDS = 3
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
    with serving(TABENTO_AUDIT_MODE="strict", TABENTO_AUDIT_SYNC="full", **limits) as service:
        found = overload(service, asked)
    report = {
        **provenance(),
        "arrivals": asked.arrivals,
        "most_connections": asked.connections,
        "processes": asked.processes,
        "max_queued_rows": asked.max_queued_rows,
        **as_json(found),
    }
    return write_report("overload", report, as_markdown(report, found), verdicts(found), asked.results)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=60, help="of overload")
    add("--times", type=float, default=3, help="what the service can take")
    add("--arrivals", choices=("poisson", "constant"), default="poisson")
    add("--connections", type=int, default=2_000, help="at most, of all generators together")
    add("--processes", type=int, default=2, help="that generate the load")
    add("--capacity-seconds", type=float, default=5, help="of each of the rounds that find the maximum")
    add("--deadline-ms", type=int, default=2_000, help="of the service")
    add("--max-queued-rows", type=int, default=500, help="that the service takes on")
    add("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def overload(service: Service, asked: argparse.Namespace) -> Overload:
    """Find the maximum, offer more, watch the service meanwhile and afterwards."""
    load(service.url, CONNECTIONS, 1)
    capacity = median(
        load(service.url, CONNECTIONS, asked.capacity_seconds).per_second for _ in range(_CAPACITY_ROUNDS)
    )
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
    command = [sys.executable, "-m", "load_tests.open_loop", "--url", url]
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
