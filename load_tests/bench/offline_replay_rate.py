"""``make bench-replay-offline``: how many recorded rows a second are replayed with another model.

    python -m load_tests.bench.offline_replay_rate --records 200000

The records are of single rows of the published Iris model, as its service writes them; the candidate is the
same compiled model, so no label may differ. The time is of the whole replay, with loading the model and
starting the processes. Peak memory is of the largest process, with a log of a quarter of the records and with
all of them: it must not grow with the log. The figures are written to ``load_tests/results``.

Exits with 1 if fewer than 50,000 rows a second are replayed with two processes, or memory grows.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory
from typing import NamedTuple

from load_tests.bench.provenance import RESULTS, Verdict, provenance, setting, table, write_report
from load_tests.bench.replay_rate import write_log
from load_tests.bench.serving import PROJECT
from service.model.published import resolve_tag

LEAST_RATE = 50_000
"""Rows a second, with two processes."""
MOST_GROWTH = 1.15
"""Of peak memory, when the log is four times as long."""
_UNDECIDED = 3
_ROUNDS = 3


class Measured(NamedTuple):
    """One replay."""

    records: int
    processes: int
    seconds: float
    cpu_seconds: float
    """Of all its processes, with the start of the command."""
    peak_mb: float
    """Of the largest process so far."""
    model_us_a_row: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.records / self.seconds


def main() -> int:
    """Write the logs, replay them, and write the report."""
    options = _parser().parse_args()
    tag = resolve_tag(options.model)
    sizes = (max(1, options.records // 4), options.records)
    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        measured = []
        for size in sizes:
            db = Path(folder) / f"audit-{size}.db"
            write_log(db, tag, size)
            for processes in (1, 2):
                rounds = [replay_once(db, tag, size, processes) for _ in range(options.rounds)]
                measured.append(min(rounds, key=lambda each: each.seconds))
    report = {
        **provenance(),
        "rounds": options.rounds,
        "replays": [{**each._asdict(), "rows_per_second": each.rate} for each in measured],
    }
    return write_report("offline_replay", report, page(report, measured), verdicts(measured), options.results)


def replay_once(db: Path, tag: str, records: int, processes: int) -> Measured:
    """One replay by the command; raises SystemExit if a label differs."""
    command = [sys.executable, "-m", "lifecycle", "replay", "--db", str(db), "--model", tag, "--json"]
    before = _cpu_seconds()
    done = subprocess.run(
        [*command, "--processes", str(processes)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode != _UNDECIDED:
        raise SystemExit(f"the replay failed:\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    found = result["disagreements"]
    if (found["rows"], found["differing"]) != (records, 0):
        raise SystemExit(f"not every row got the same label: {found}")
    peak_mb = getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024
    speed = result["speed"][0]["microseconds_a_row"]
    return Measured(records, processes, result["seconds"], _cpu_seconds() - before, peak_mb, speed)


def _cpu_seconds() -> float:
    """Of all processes that were waited for."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def verdicts(measured: Sequence[Measured]) -> list[Verdict]:
    """What is required."""
    last, first = measured[-1], measured[1]
    return [
        Verdict.at_least(f"two processes replay {LEAST_RATE:,} rows a second", last.rate, LEAST_RATE),
        Verdict.at_most(
            f"with four times the log, memory grows by a factor of at most {MOST_GROWTH}",
            last.peak_mb / first.peak_mb,
            MOST_GROWTH,
            ".2f",
        ),
    ]


def page(report: dict[str, object], measured: Sequence[Measured]) -> list[str]:
    """The report as Markdown."""
    rows = [
        (
            f"{each.records:,}",
            each.processes,
            f"{each.rate:,.0f}",
            f"{each.seconds:.2f}",
            f"{each.cpu_seconds:.2f}",
            f"{each.model_us_a_row:.2f}",
            f"{each.peak_mb:.0f}",
        )
        for each in measured
    ]
    head = ("records", "processes", "rows/s", "seconds", "CPU seconds", "us a row of the model", "peak MB")
    return [
        "# Replay with another model",
        "",
        f"`python -m load_tests.bench.offline_replay_rate`: single Iris rows, best of {report['rounds']}.",
        *setting(report),
        "",
        *table(head, rows),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--model", default="iris_classifier")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
