"""``make bench-hostile``: send each hostile body to a service, and measure its effect on other requests.

The figures are written to ``hostile.md`` and ``hostile.json`` in ``load_tests/results``. Exits with 0 if no
objective is missed, and with 1 otherwise.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.serving import Service, serving
from load_tests.hostile.bodies import SIZE, HostileBody, hostile_bodies
from load_tests.hostile.hostile_models import CONTRACTS, WIDE, published
from load_tests.hostile.hostile_report import BodyResult, as_markdown, verdicts
from load_tests.hostile.sending import send
from load_tests.hostile.watcher import Watcher, watching

_SETTLES_S = 0.5
_FLOOD = 100


def main() -> int:
    """Send every body and write the report."""
    options = _parse_options()
    found: list[BodyResult] = []
    flood_rise_bytes = 0
    with published() as store:
        for model in CONTRACTS:
            with serving(model=model, **store) as service, watching(service.url, service.pids) as watcher:
                for one in _all(service, watcher, model, options.size):
                    found.append(one)
                    sys.stderr.write(f"{one}\n")
                if model == WIDE:
                    flood_rise_bytes = _flood(service, watcher, model, options.size)
    report = {**provenance(), "command": "python -m load_tests.hostile", "flood_rise_bytes": flood_rise_bytes}
    report["bodies"] = [one._asdict() for one in found]
    return write_report(
        "hostile", report, as_markdown(report, found), verdicts(found, flood_rise_bytes), options.results
    )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.hostile", description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="of each body, in bytes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser.parse_args()


def _all(service: Service, watcher: Watcher, model: str, size: int) -> Iterator[BodyResult]:
    bodies = hostile_bodies(CONTRACTS[model], model, size)
    resting_bytes = watcher.observe().bytes_now
    _measure(service, watcher, model, bodies[0], resting_bytes)  # A warm-up: the first request is slower.
    for request in bodies:
        yield _measure(service, watcher, model, request, resting_bytes)


def _measure(
    service: Service, watcher: Watcher, model: str, request: HostileBody, resting_bytes: int
) -> BodyResult:
    body = request.make()
    time.sleep(0.05)
    before = watcher.observe().bytes_now
    answer = send(service.url, str(service.grpc), request, body)
    observed = watcher.observe()
    time.sleep(_SETTLES_S)
    after = watcher.observe().bytes_now
    return BodyResult(
        model,
        request.transport,
        request.name,
        len(body),
        request.is_valid,
        answer.status,
        answer.seconds,
        observed.longest_ms,
        max(0, observed.max_bytes - before),
        max(0, after - resting_bytes),
        len(answer.content),
    )


def _flood(service: Service, watcher: Watcher, model: str, size: int) -> int:
    bodies = hostile_bodies(CONTRACTS[model], model, size)
    request = next(each for each in bodies if each.name == "packed doubles")
    body = request.make()
    before = watcher.observe().bytes_now
    with ThreadPoolExecutor(_FLOOD) as threads:
        list(threads.map(lambda _: send(service.url, str(service.grpc), request, body), range(_FLOOD)))
    return max(0, watcher.observe().max_bytes - before)


if __name__ == "__main__":
    sys.exit(main())
