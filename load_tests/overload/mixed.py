"""``make overload-mixed``: what single rows get while others ask for as much as they can of something else.

Sixteen connections send single rows, alone and beside each kind of neighbour, in turn. Neighbours are closed
loops: a client that is answered, or refused, asks again at once. What the single rows keep of their rate, or
how long they take, has objectives; what the neighbours get has none but that it is something.

The figures go to ``load_tests/results/overload_mixed.md`` and ``overload_mixed.json``. Exits with 0 when no
objective was missed, and 1 otherwise.
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
from load_tests.overload.mixed_report import Beside, Neighbours, Round, as_json, as_markdown, verdicts
from service.routes import BATCH, HISTORY, METRICS, MODEL, OPENAPI

CONNECTIONS = 16
"""Of single rows."""
LEAST_KEPT = 0.5
MOST_P99_MS = 250.0
_LEAD_S = 1.0
"""How long the neighbours have been there when the single rows come, and how long they stay afterwards."""
_NO_HEADERS: tuple[tuple[str, str], ...] = ()


def neighbours() -> Sequence[Neighbours]:
    """Who asks for something else, and what single rows are to get beside them."""
    batch = Work(BATCH, iris_rows(10_000))
    history = Work(f"{HISTORY}?limit=200", b"", _NO_HEADERS, "GET")
    return [
        Neighbours("queries of the history", 64, history, least_kept=LEAST_KEPT),
        Neighbours("batches of 10,000 rows", 3, batch, most_p99_ms=MOST_P99_MS),
        Neighbours("batches of 10,000 rows", 32, batch, most_p99_ms=MOST_P99_MS),
        *(
            Neighbours(f"pages of {path}", 64, Work(path, b"", _NO_HEADERS, "GET"), least_kept=LEAST_KEPT)
            for path in (METRICS, OPENAPI, MODEL)
        ),
    ]


def main() -> int:
    """Measure every kind of neighbour, write down what single rows got, judge."""
    asked = _asked()
    with serving(TABENTO_AUDIT_MODE="strict", TABENTO_AUDIT_SYNC="full") as service:
        # By then there is a history to be asked for.
        load(service.url, CONNECTIONS, 2)
        found = [measure(service.url, each, asked.rounds, asked.seconds) for each in neighbours()]
    report = {
        **provenance(),
        "command": "python -m load_tests.overload.mixed",
        "connections": CONNECTIONS,
        "rounds": asked.rounds,
        "seconds": asked.seconds,
        "beside": [as_json(each) for each in found],
    }
    return write_report("overload_mixed", report, as_markdown(report, found), verdicts(found), asked.results)


def measure(url: str, neighbours: Neighbours, rounds: int, seconds: float) -> Beside:
    """What single rows get alone and beside the neighbours, in each round."""
    return Beside(neighbours, [_round(url, neighbours, seconds) for _ in range(rounds)])


def _round(url: str, neighbours: Neighbours, seconds: float) -> Round:
    alone = load(url, CONNECTIONS, seconds)
    with ThreadPoolExecutor(1) as thread:
        stay_s = seconds + 2 * _LEAD_S
        other = thread.submit(load, url, neighbours.connections, stay_s, neighbours.work)
        time.sleep(_LEAD_S)
        beside = load(url, CONNECTIONS, seconds)
    return Round(alone, beside, other.result())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.overload.mixed", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=6, help="of single rows, alone and beside others, in each round")
    add("--results", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
