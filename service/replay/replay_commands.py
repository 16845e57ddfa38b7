"""The commands ``replay`` and ``models`` of ``python -m service.audit``."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import TYPE_CHECKING, Annotated, TextIO

import click
from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from service.audit.commands.command_group import AMOUNT, FILE, MOMENT, counted, pass_db, reading, write_line
from service.audit.utc_text import utc_text
from service.errors import AuditMisuse
from service.replay.recorded import Choice, RecordedLog
from service.replay.verdict import FAILURES, Outcome, Verdict
from service.system.command_line import Checked

if TYPE_CHECKING:
    from service.replay.replay_run import Replay, Task

_COUNT = Checked("N", TypeAdapter(Annotated[int, Field(ge=1)]))
_SHOWN = 100
"""Lines for each verdict, without --json."""
_PROCESSES = 2


@click.command
@click.option("--request-id", metavar="ID", help="the records of this request id")
@click.option("--sample", type=_COUNT, metavar="N", help="so many records at random")
@click.option("--all", "is_all", is_flag=True, help="every record")
@click.option("--since", type=MOMENT, metavar="TIME", help="only records received at this time or later")
@click.option("--seed", type=int, metavar="N", help="of the sample, to draw it again")
@click.option("--json", "as_json", is_flag=True, help="write a JSON object a line for every record")
@click.option("--output", type=FILE, metavar="FILE", help="write the JSON objects to this file")
@click.option(
    "--processes", type=_COUNT, default=_PROCESSES, metavar="N", help="at most so many (default: 2)"
)
@click.option("--max-seconds", type=AMOUNT, metavar="SECONDS", help="stop after this time")
@click.option(
    "--models", "folder", type=FILE, metavar="FOLDER", help="also look for models NAME/VERSION here"
)
@pass_db
def replay(
    db: Path,
    request_id: str | None,
    sample: int | None,
    is_all: bool,
    since: datetime | None,
    seed: int | None,
    as_json: bool,
    output: Path | None,
    processes: int,
    max_seconds: float | None,
    folder: Path | None,
) -> int:
    """Perform recorded requests again, and compare the answers with the recorded ones.

    The exit code is 1 if an answer differs, or a model is missing.
    """
    # Imported here, because the import takes as long as all that the other commands do.
    from service.replay.replay_run import Replay, Task

    if sum((request_id is not None, sample is not None, is_all)) != 1:
        raise AuditMisuse("Give one of --request-id, --sample and --all")
    if seed is not None and sample is None:
        raise AuditMisuse("--seed is of a --sample")
    wants_all = as_json or output is not None or request_id is not None
    since_utc = "" if since is None else utc_text(since)
    task = Task(db, since_utc, () if folder is None else (folder,), wants_all)
    until = float("inf") if max_seconds is None else monotonic() + max_seconds
    run = Replay(task, processes=min(processes, _processors()), until=until)
    if sample is not None and seed is None:
        seed = SystemRandom().randrange(2**32)
    choice = _choice(task, request_id, sample, seed or 0)
    with _lines_to(output) as lines:
        for outcome in run.outcomes(choice):
            if as_json or output is not None:
                lines.write(f"{_as_json(outcome)}\n")
            else:
                _show(run, outcome)
    _summarize(run, sys.stderr if as_json and output is None else sys.stdout, seed)
    return 1 if FAILURES & run.counts.keys() else 0


@click.command
@click.option(
    "--models", "folder", type=FILE, metavar="FOLDER", help="also look for models NAME/VERSION here"
)
@pass_db
def models(db: Path, folder: Path | None) -> int:
    """Write the models of the log: records of each, and whether the store has it.

    One JSON object a line. The exit code is 1 if a model that records name is missing.
    """
    from service.replay.model_list import models_of

    missing = 0
    with reading(db) as connection, connection:
        listed = models_of(connection, () if folder is None else (folder,))
    for model in listed:
        write_line(model.model_dump_json())
        missing += bool(model.records and model.model_id and not model.is_stored)
    return 1 if missing else 0


def _choice(task: "Task", request_id: str | None, sample: int | None, seed: int) -> Choice:
    with closing(RecordedLog(task.db, task.since_utc)) as log:
        if request_id is not None:
            if not (ids := log.with_request_id(request_id)):
                raise AuditMisuse(f"The log has no request {request_id!r}")
            return ids
        return log.bounds() if sample is None else log.sample(sample, seed)


def _show(run: "Replay", outcome: Outcome) -> None:
    shown = run.shown[outcome.verdict] = run.shown[outcome.verdict] + 1
    if shown <= _SHOWN:
        write_line(str(outcome))
    elif shown == _SHOWN + 1:
        write_line(f"{outcome.verdict}: more than {_SHOWN}; --json writes all")


def _summarize(run: "Replay", to: TextIO, seed: int | None) -> None:
    for note in run.models.values():
        to.write(f"{note}\n")
    counts = ", ".join(f"{run.counts[verdict]} {verdict}" for verdict in Verdict if run.counts[verdict])
    line = f"{counted(run.counts.total(), 'record')} replayed" + (f": {counts}" if counts else "")
    if seed is not None:
        line += f" (seed {seed})"
    if not run.is_complete:
        line += "; stopped by --max-seconds, not all chosen records were performed"
    to.write(f"{line}\n")


def _as_json(outcome: Outcome) -> str:
    members = {name: value for name, value in outcome._asdict().items() if value is not None}
    return to_json(members).decode()


@contextmanager
def _lines_to(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    try:
        file = output.open("w", encoding="utf-8")
    except OSError as error:
        raise AuditMisuse(f"{output} cannot be written: {error.strerror}") from error
    with file:
        yield file


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
