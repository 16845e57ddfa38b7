"""``make bench-replay``: how many recorded requests a second the replay performs again.

    python -m load_tests.bench.replay_rate --records 200000

The records are of single rows of the published Iris model, as its service writes them. Exits with 1 if an
answer does not have the same bits, or fewer than 30,000 records a second are replayed with two processes.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from pydantic_core import to_json

from load_tests.bench.answered_record import AnsweredRows
from load_tests.bench.serving import PROJECT
from service.audit.act import model_act
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.model.card import CardSettings, ModelCard, make_card
from service.model.published import PublishedModel, load_model, resolve_tag
from service.settings import load_settings

LEAST_RATE = 30_000
"""Records a second, with two processes."""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_GROUP = 5_000
_RANGES = {"sepal_length": (4, 8), "sepal_width": (2, 5), "petal_length": (1, 7), "petal_width": (0, 3)}


def main() -> int:
    """Write the log, replay it with one process and with two, and print the rates."""
    options = _parser().parse_args()
    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        db = Path(folder) / "audit.db"
        write_log(db, options.model, options.records)
        rates = {processes: replay_rate(db, options.records, processes) for processes in (1, 2)}
    for processes, rate in rates.items():
        sys.stdout.write(f"{processes} process{'es' if processes > 1 else ''}: {rate:,.0f} records/s\n")
    return 0 if rates[2] >= LEAST_RATE else 1


def write_log(db: Path, name: str, count: int) -> None:
    """A log with so many records of single rows."""
    settings = load_settings()
    model = load_model(resolve_tag(name), settings.runtime)
    card = make_card(
        model,
        CardSettings(
            runtime=settings.runtime,
            max_batch_rows=settings.max_batch_rows,
            max_call_rows=settings.max_call_rows,
        ),
    )
    records = _records(model, card, count)
    with closing(LogFile(db)) as file:
        file.declare(model_act(card.model_id, card.content))
        while group := [*islice(records, _GROUP)]:
            file.write([pack(record) for record in group])


def replay_rate(db: Path, count: int, processes: int) -> float:
    """Records a second of the command, with its start; raises SystemExit if an answer differs."""
    command = [sys.executable, "-m", "service.audit", "--db", str(db), "replay", "--all"]
    started = perf_counter()
    done = subprocess.run(
        [*command, "--processes", str(processes)], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    seconds = perf_counter() - started
    last = f"{count} records replayed: {count} same bits"
    if done.returncode or done.stdout.splitlines()[-1] != last:
        raise SystemExit(f"not every answer has the same bits:\n{done.stdout}{done.stderr}")
    return count / seconds


def _records(model: PublishedModel, card: ModelCard, count: int) -> Iterator[AuditRecord]:
    choose, answered = random.Random(1), AnsweredRows(model, card)
    for number in range(count):
        body = to_json({name: round(choose.uniform(*ends), 2) for name, ends in _RANGES.items()})
        yield answered.record(body, f"{number:032x}", FIRST + timedelta(milliseconds=number))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--model", default="iris_classifier")
    return parser


if __name__ == "__main__":
    sys.exit(main())
