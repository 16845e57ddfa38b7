"""``make bench-collector``: what it costs to read the audit log for monitoring.

    python -m load_tests.monitoring.collector_cost --records 200000

Two models are trained in a folder of their own: Iris, and a table of twelve columns of all types. A log is
filled with records of single rows, as the service writes them, and read by the collector. A second log gets
500 records a second, half of which get an outcome, while the real process reads and assesses it. Exits with 1
if fewer than 20,000 records are read in a second of the processor, or the process takes 5 % of a core.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, process_time, sleep
from typing import Any, NamedTuple

import psutil
from pydantic_core import to_json

from load_tests.bench.answered_record import AnsweredRows
from load_tests.bench.serving import PROJECT
from service.audit.act import model_act
from service.audit.columns import OUTCOME
from service.audit.file.outcome_row import OutcomeRow, outcome_json
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.collector.collecting import Collector
from service.model.card import CardSettings, ModelCard, make_card
from service.model.label import label_text, label_type
from service.model.published import PublishedModel, load_model, resolve_tag, stored_model
from service.routes import FEEDBACK
from service.worker.collector_run import CollectorRun

LEAST_RATE = 20_000
"""Records in a second of the processor."""
LIVE_RATE = 500
LARGEST_SHARE = 0.05
_GROUP = 5_000
_DISTINCT = 5_000
"""Rows that are predicted; records repeat them under other request ids."""
_SETTLING_S = 15
"""Of a live measurement, in which the process starts and reads what there is."""
_LIVE_S = 60


class Cost(NamedTuple):
    """What reading one model's log costs."""

    table: str
    rate: float
    """Records in a second of the processor."""
    elapsed_rate: float
    live_share: float
    """Of a core, at LIVE_RATE records a second."""

    def __str__(self) -> str:
        return (
            f"{self.table}: {self.rate:,.0f} records in a second of the processor, {self.elapsed_rate:,.0f} "
            f"in a second; {self.live_share:.1%} of a core at {LIVE_RATE} records/s with assessments"
        )


class ServedTable:
    """A published model, and records of it."""

    def __init__(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        self.model: PublishedModel = load_model(resolve_tag(name))
        settings = CardSettings(runtime="auto", max_batch_rows=10_000, max_call_rows=1_024)
        self.card: ModelCard = make_card(self.model, settings)
        answered, moment = AnsweredRows(self.model, self.card), datetime.now(UTC)
        self._records = [answered.record(to_json(row), "", moment) for row in rows]

    @contextmanager
    def log(self, db: Path) -> Iterator[LogFile]:
        """A log that names the model."""
        with closing(LogFile(db, sync="normal")) as file:
            file.declare(model_act(self.card.model_id, self.card.content))
            yield file

    def records(self, first: datetime, step: timedelta) -> Iterator[AuditRecord]:
        """Records without end, each so much later than the one before."""
        for number, record in enumerate(cycle(self._records)):
            request_id = f"{random.getrandbits(128):032x}"
            yield replace(record, request_id=request_id, received_utc=first + number * step)

    def outcome(self, record: AuditRecord) -> AuditRecord:
        """The record of an outcome of another one."""
        label = random.choice(self.model.contract.target.classes)
        outcome = OutcomeRow(record.request_id, 0, "truth", label_text(label), label_type(label))
        return replace(
            record,
            route=FEEDBACK,
            status=int(OUTCOME),
            request=outcome_json(outcome),
            response=b"{}",
            predictions=(),
        )


def main() -> int:
    """Train, measure and print."""
    options = _parser().parse_args()
    with TemporaryDirectory(prefix="tabento-collector-") as folder:
        os.environ["BENTOML_HOME"] = str(Path(folder) / "bentoml")
        costs = [
            measure(table, Path(folder) / table, rows, options.records)
            for table, rows in (("iris", iris_rows()), ("mixed", mixed_rows()))
        ]
    sys.stdout.writelines(f"{cost}\n" for cost in costs)
    return int(any(cost.rate < LEAST_RATE or cost.live_share >= LARGEST_SHARE for cost in costs))


def measure(table: str, folder: Path, rows: Sequence[dict[str, Any]], count: int) -> Cost:
    """The cost of one table's log."""
    folder.mkdir()
    _train(table, folder, rows)
    served = ServedTable(table, [_without_label(row) for row in rows[:_DISTINCT]])
    rate, elapsed_rate = backlog_rates(served, folder / "audit.db", count)
    return Cost(table, rate, elapsed_rate, live_share(served, folder / "live.db"))


def backlog_rates(served: ServedTable, db: Path, count: int) -> tuple[float, float]:
    """Records in a second of the processor, and in a second of the clock."""
    records = served.records(datetime(2026, 1, 1, tzinfo=UTC), timedelta(milliseconds=50))
    with served.log(db) as file:
        for start in range(0, count, _GROUP):
            file.write([pack(record) for record in islice(records, min(_GROUP, count - start))])
    with closing(Collector(db, db.with_suffix(".monitoring"))) as collector:
        began, began_cpu = monotonic(), process_time()
        while collector.step():
            pass
        ended, ended_cpu = monotonic(), process_time()
        (facts,) = collector.store.models()
    if (facts.predictions, facts.unreadable) != (count, 0) or not facts.is_measured:
        raise SystemExit(f"not all records were counted: {facts}")
    return count / (ended_cpu - began_cpu), count / (ended - began)


def live_share(served: ServedTable, db: Path) -> float:
    """The share of a core that the process takes while the log grows."""
    os.environ["TABENTO_AUDIT_DB"] = str(db)
    os.environ["TABENTO_MONITORING_DB"] = str(db.with_suffix(".monitoring"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    models = Path(stored_model(served.model.tag).path).parents[1]
    run = CollectorRun(db.with_suffix(".monitoring"), models, first_delay_s=0)
    began: tuple[float, float] | None = None
    records = served.records(datetime.now(UTC), timedelta(seconds=1 / LIVE_RATE))
    with served.log(db) as file:
        for second in range(_SETTLING_S + _LIVE_S):
            until = monotonic() + 1
            some = [*islice(records, LIVE_RATE)]
            file.write([pack(record) for record in some])
            file.write([pack(served.outcome(record)) for record in some[::2]])
            run.refresh()
            if second == _SETTLING_S:
                began = monotonic(), _cpu_s(run)
            sleep(max(0.0, until - monotonic()))
        if began is None:
            raise SystemExit("nothing was measured")
        share = (_cpu_s(run) - began[1]) / (monotonic() - began[0])
    run.stop()
    return share


def _cpu_s(run: CollectorRun) -> float:
    if run.pid is None:
        raise SystemExit("the collector does not run")
    times = psutil.Process(run.pid).cpu_times()
    return float(times.user + times.system)


def iris_rows() -> list[dict[str, Any]]:
    """Rows like those of the Iris table."""
    choose = random.Random(1)
    means = {
        "setosa": (5.0, 3.4, 1.5, 0.2),
        "versicolor": (5.9, 2.8, 4.3, 1.3),
        "virginica": (6.6, 3, 5.6, 2),
    }
    names = "sepal_length", "sepal_width", "petal_length", "petal_width"
    rows = []
    for number in range(_DISTINCT):
        label = [*means][number % 3]
        values = [round(max(0.1, choose.gauss(mean, 0.3)), 1) for mean in means[label]]
        rows.append({**dict(zip(names, values, strict=True)), "label": label})
    return rows


def mixed_rows() -> list[dict[str, Any]]:
    """Rows of twelve columns: numbers with and without gaps, booleans, categories, a date."""
    choose = random.Random(2)
    return [_mixed_row(choose) for _ in range(_DISTINCT)]


def _mixed_row(choose: random.Random) -> dict[str, Any]:
    label = choose.choice(["left", "stays"])
    shift = 1.0 if label == "left" else 0.0
    day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=choose.randrange(700))
    return {
        "age": None if choose.random() < 0.1 else round(choose.gauss(40 + 5 * shift, 8), 1),
        "income": round(choose.lognormvariate(3 + shift / 4, 1), 2),
        "balance": round(choose.gauss(0, 100), 2),
        "score": round(choose.random(), 4),
        "visits": choose.randrange(9),
        "rooms": choose.randrange(1, 6),
        "member": choose.random() < 0.5,
        "active": choose.random() < 0.2 + shift / 2,
        "city": choose.choice(["Oslo", "Lima", "Quito", "Bern", "Riga"]),
        "plan": None if choose.random() < 0.1 else choose.choice(["basic", "plus", "free"]),
        "channel": choose.choice(["web", "shop", "phone"]),
        "joined": day.date().isoformat(),
        "label": label,
    }


def _without_label(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "label"}


def _train(table: str, folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    data = folder / "table.csv"
    names = [*rows[0]]
    with data.open("w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for row in rows:
            values = ["" if row[name] is None else row[name] for name in names]
            file.write(",".join(json.dumps(v) if isinstance(v, bool) else str(v) for v in values) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    options = "--data", str(data), "--target", "label", "--name", table, "--only", "logistic_regression"
    command = [sys.executable, "-m", "training", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the table cannot be trained on:\n{done.stdout}{done.stderr}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=200_000)
    return parser


if __name__ == "__main__":
    sys.exit(main())
