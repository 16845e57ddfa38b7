"""``make overload-mixed``: single rows beside closed loops of large batches, history queries and pages.

Sixteen connections send single rows, alone and then beside each background load. A background load is a
closed loop: after each answer or rejection its clients send the next request at once. The objectives are the
share of their rate that single rows keep, or their latency. The background load must only get some answers.

The figures are written to ``overload_mixed.md`` and ``overload_mixed.json`` in ``load_tests/results``. Exits
with 0 if no objective is missed, and with 1 otherwise.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from load_tests.bench.http_load import Work, iris_rows, load
from load_tests.bench.provenance import RESULTS, provenance, write_report
from load_tests.bench.serving import serving
from load_tests.overload.mixed_report import (
    BackgroundLoad,
    MixedResult,
    Round,
    as_json,
    as_markdown,
    verdicts,
)
from service.routes import BATCH, HISTORY, METRICS, MODEL, OPENAPI

CONNECTIONS = 16
"""Of single rows."""
MIN_KEPT = 0.5
MAX_P99_MS = 250.0
_LEAD_S = 1.0
"""How long the background load runs before the single rows start, and after they end."""
_NO_HEADERS: tuple[tuple[str, str], ...] = ()


def background_loads() -> Sequence[BackgroundLoad]:
    """Every background load, with the objective for single rows beside it."""
    batch = Work(BATCH, iris_rows(10_000))
    history = Work(f"{HISTORY}?limit=200", b"", _NO_HEADERS, "GET")
    return [
        BackgroundLoad("queries of the history", 64, history, min_kept=MIN_KEPT),
        BackgroundLoad("batches of 10,000 rows", 3, batch, max_p99_ms=MAX_P99_MS),
        BackgroundLoad("batches of 10,000 rows", 32, batch, max_p99_ms=MAX_P99_MS),
        *(
            BackgroundLoad(f"pages of {path}", 64, Work(path, b"", _NO_HEADERS, "GET"), min_kept=MIN_KEPT)
            for path in (METRICS, OPENAPI, MODEL)
        ),
    ]


def main() -> int:
    """Measure single rows beside every background load, and write the report."""
    options = _parse_options()
    with serving(TABENTO_AUDIT_MODE="strict", TABENTO_AUDIT_SYNC="full") as service:
        # Afterwards the history has predictions to query.
        load(service.url, CONNECTIONS, 2)
        found = [measure(service.url, each, options.rounds, options.seconds) for each in background_loads()]
    report = {
        **provenance(),
        "command": "python -m load_tests.overload.mixed",
        "connections": CONNECTIONS,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "beside": [as_json(each) for each in found],
    }
    return write_report(
        "overload_mixed", report, as_markdown(report, found), verdicts(found), options.results
    )


def measure(url: str, background: BackgroundLoad, rounds: int, seconds: float) -> MixedResult:
    """Load single rows alone and beside the background load, in each round."""
    return MixedResult(background, [_round(url, background, seconds) for _ in range(rounds)])


def _round(url: str, background: BackgroundLoad, seconds: float) -> Round:
    alone = load(url, CONNECTIONS, seconds)
    with ThreadPoolExecutor(1) as thread:
        stay_s = seconds + 2 * _LEAD_S
        other = thread.submit(load, url, background.connections, stay_s, background.work)
        time.sleep(_LEAD_S)
        beside = load(url, CONNECTIONS, seconds)
    return Round(alone, beside, other.result())


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload.mixed", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="the number of rounds")
    add("--seconds", type=float, default=6, help="of single rows alone, and beside others, in each round")
    add("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
