"""Send each hostile body to a real service, see what it does to the others, judge.

The figures go to ``load_tests/results/hostile.md`` and ``hostile.json``. Exits with 0 when no objective was
missed, and 1 otherwise.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.serving import Service, serving
from load_tests.hostile.bodies import SIZE, Hostile, hostile
from load_tests.hostile.hostile_models import CONTRACTS, WIDE, published
from load_tests.hostile.hostile_report import Measured, as_markdown, verdicts
from load_tests.hostile.sending import send
from load_tests.hostile.watcher import Watcher, watching

_SETTLES_S = 0.5
_FLOOD = 100


def main() -> int:
    """Measure, write down, judge."""
    asked = _asked()
    found: list[Measured] = []
    flood_rise_bytes = 0
    with published() as store:
        for model in CONTRACTS:
            with serving(model=model, **store) as service, watching(service.url, service.pids) as watcher:
                for one in _all(service, watcher, model, asked.size):
                    found.append(one)
                    sys.stderr.write(f"{one}\n")
                if model == WIDE:
                    flood_rise_bytes = _flood(service, watcher, model, asked.size)
    report = {**provenance(), "command": "python -m load_tests.hostile", "flood_rise_bytes": flood_rise_bytes}
    report["bodies"] = [one._asdict() for one in found]
    return write_report(
        "hostile", report, as_markdown(report, found), verdicts(found, flood_rise_bytes), asked.results
    )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.hostile", description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="of each body, in bytes")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _all(service: Service, watcher: Watcher, model: str, size: int) -> Iterator[Measured]:
    bodies = hostile(CONTRACTS[model], model, size)
    resting_bytes = watcher.seen().bytes_now
    _measure(service, watcher, model, bodies[0], resting_bytes)  # The first of all is slower than any.
    for request in bodies:
        yield _measure(service, watcher, model, request, resting_bytes)


def _measure(
    service: Service, watcher: Watcher, model: str, request: Hostile, resting_bytes: int
) -> Measured:
    body = request.make()
    time.sleep(0.05)
    before = watcher.seen().bytes_now
    answered = send(service.url, str(service.grpc), request, body)
    seen = watcher.seen()
    time.sleep(_SETTLES_S)
    after = watcher.seen().bytes_now
    return Measured(
        model,
        request.transport,
        request.name,
        len(body),
        request.is_valid,
        answered.status,
        answered.seconds,
        seen.longest_ms,
        max(0, seen.most_bytes - before),
        max(0, after - resting_bytes),
        len(answered.answer),
    )


def _flood(service: Service, watcher: Watcher, model: str, size: int) -> int:
    bodies = hostile(CONTRACTS[model], model, size)
    request = next(each for each in bodies if each.name == "packed doubles")
    body = request.make()
    before = watcher.seen().bytes_now
    with ThreadPoolExecutor(_FLOOD) as threads:
        list(threads.map(lambda _: send(service.url, str(service.grpc), request, body), range(_FLOOD)))
    return max(0, watcher.seen().most_bytes - before)


if __name__ == "__main__":
    sys.exit(main())
