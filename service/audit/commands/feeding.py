"""The command that brings outcomes from a table into the log, also while the service writes it.

Which labels are allowed follows from the served model, which this room cannot load: the composition root
hands in the function that finds it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple, TextIO

import apsw
import click
from pydantic import Field, TypeAdapter

from service.audit.act import Act, Actor, make_act
from service.audit.chain import SALT_BYTES
from service.audit.commands.actors import claim_options
from service.audit.commands.command_group import FILE, Command, counted, pass_db, reading, write_line, writing
from service.audit.file.entry import make_entry
from service.audit.file.outcome_row import OutcomeKind
from service.audit.outcome.outcome_batch import (
    CHUNK_OUTCOMES,
    Origin,
    OutcomeBatch,
    Pending,
    outcome_record,
)
from service.audit.outcome.outcome_table import REQUIRED, Line, lines_of, members_of
from service.audit.outcome.sent_outcome import MAX_TEXT_LENGTH, LabelRule
from service.audit.query.outcome_lookup import look_up
from service.audit.write.logfile import LogFile
from service.audit.write.record import pack
from service.errors import AuditMisuse, AuditUnusable, CsvMalformed
from service.model.contract import Target
from service.model.label import TargetType
from service.model.model_id import ModelIdentity
from service.system.command_line import Checked

_PAUSE_S = 0.002
"""Pause between two transactions, in which others write."""
_SOURCE = Checked("TEXT", TypeAdapter(Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH)]))
_LABEL_TYPES = "SELECT DISTINCT label_type FROM facet"
_UNKNOWN = ModelIdentity("", "", "")
_NAMES = {"--observed": "observed_utc"}
"""The member of an option that has another name."""


class ServedTarget(NamedTuple):
    """The model that the service serves, or served last, and what it predicts."""

    model: ModelIdentity
    target: Target


FindServed = Callable[[Path], ServedTarget | None]


def feedback_command(find_served: FindServed) -> click.Command:
    """The command, with the function that finds the served model of a log."""

    @click.command("feedback")
    @click.argument("file", type=FILE)
    @_members
    @click.option(
        "--label-type",
        type=click.Choice(("text", "integer", "boolean")),
        help="if neither the served model nor a prediction of the log tells it",
    )
    @claim_options
    @pass_db
    def feedback(
        db: Path,
        file: Path,
        kind: OutcomeKind,
        source: str | None,
        label_type: TargetType | None,
        actor: Actor,
        reason: str,
        **columns: str | None,
    ) -> int:
        """Record the outcomes of the table FILE, a CSV file with a header.

        A label has to be a class of the served model, if the model store has that model. Lines that are
        refused are named, and the exit code is then 1. To repeat the command changes nothing.
        """
        model, rule = _rule(db, find_served(db), label_type)
        given = {"kind": kind} | ({} if source is None else {"source": source})
        with _opened(file) as text, writing(db) as log:
            feed = _Feed(log, rule, Origin(datetime.now(UTC), "shell", model), given)
            with _stated(log, feed, actor, reason, file):
                feed.run(text, file, {name: column for name, column in columns.items() if column})
        return feed.report()

    return feedback


def _members(command: Command) -> Command:
    """The options that say where the members of an outcome are, or what they are for the whole table."""
    columns = (
        ("--request-id", "with the request id of the prediction"),
        ("--label", "with the label"),
        ("--row", "with the index of the row in the request; by default 0"),
        ("--observed", "with the time at which the label became known, with its time zone"),
        ("--reviewer", "with who decided"),
        ("--reason-code", "with why it was decided so"),
    )
    kinds = click.Choice(("truth", "decision"))
    command = click.option("--source", type=_SOURCE, metavar="TEXT", help="where the labels come from")(
        command
    )
    command = click.option("--kind", type=kinds, default="truth", show_default=True)(command)
    for option, meaning in reversed(columns):
        name = _NAMES.get(option, option.removeprefix("--").replace("-", "_"))
        is_required = name in REQUIRED
        about = f"the column {meaning}"
        command = click.option(option, name, required=is_required, metavar="COLUMN", help=about)(command)
    return command


class _Feed:
    """The outcomes of one table on their way into the log."""

    def __init__(self, log: LogFile, rule: LabelRule, origin: Origin, given: dict[str, str]) -> None:
        self._log, self._rule, self._origin = log, rule, origin
        self._given = given
        """Members that all outcomes have."""
        self._batch = OutcomeBatch(rule)

    @property
    def counts(self) -> dict[str, int]:
        """The number of outcomes in each state."""
        return self._batch.counts

    def run(self, text: TextIO, file: Path, columns: dict[str, str]) -> None:
        """Record the lines of a table, some hundred in each transaction; raises AuditMisuse."""
        try:
            lines = lines_of(text)
            header = next(lines, Line(1, ()))
            places = {name: _place(file, header.cells, column) for name, column in columns.items()}
            while chunk := [*islice(lines, CHUNK_OUTCOMES)]:
                for line in chunk:
                    members = self._given | members_of(line.cells, places, self._rule)
                    self._batch.add(members, line.number)
                self._record(self._batch.take())
                time.sleep(_PAUSE_S)
        except CsvMalformed as error:
            raise AuditMisuse(f"{file} is not a table of outcomes: {error.reason}") from None
        except UnicodeDecodeError as error:
            raise AuditMisuse(f"{file} is not UTF-8 ({error.reason})") from None

    def _record(self, pending: Sequence[Pending]) -> None:
        with self._log.transaction() as (connection, tail):
            found = look_up(connection, [each.key for each in pending])
            accepted = self._batch.sort_out(pending, found)
            records = [outcome_record(each, self._origin) for each in accepted]
            if records:
                tail.add_records([make_entry(pack(record), os.urandom(SALT_BYTES)) for record in records])
        self._batch.recorded(accepted)

    def report(self) -> int:
        """Write the counts, and the lines that were refused; returns the exit code."""
        counts = self.counts
        listed = ", ".join(f"{count} {state}" for state, count in counts.items())
        write_line(f"{counted(sum(counts.values()), 'outcome')}: {listed}")
        for found in self._batch.check.findings:
            line, *names = found.loc
            write_line(f"refused: line {line}{''.join(f', {name}' for name in names)}: {found.msg}")
        if self._batch.ambiguous:
            write_line(f"ambiguous: {', '.join(self._batch.ambiguous)}")
        return 1 if counts["refused"] else 0


def _rule(
    db: Path, served: ServedTarget | None, label_type: TargetType | None
) -> tuple[ModelIdentity, LabelRule]:
    """The model that the records name, and which labels are allowed."""
    if served is not None:
        return served.model, LabelRule(served.target.type, served.target.classes)
    if label_type is None:
        with reading(db) as connection:
            types: list[TargetType] = [type_ for (type_,) in connection.execute(_LABEL_TYPES)]
        if len(types) != 1:
            raise AuditMisuse(
                "The model store does not have the served model of the log, and its predictions do not tell "
                "the type of the labels: give --label-type"
            )
        (label_type,) = types
    click.echo("The served model is not in the model store: any label is recorded.", err=True)
    return _UNKNOWN, LabelRule(label_type)


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield text
    except OSError as error:
        raise AuditMisuse(f"{file} cannot be read: {error.strerror}") from error


@contextmanager
def _stated(log: LogFile, feed: _Feed, actor: Actor, reason: str, file: Path) -> Iterator[None]:
    """State the begin in the ledger before the first outcome, and the end with the counts."""

    def state(stage: str, **counts: int) -> None:
        detail: dict[str, object] = {"file": str(file.absolute()), "stage": stage, **counts}
        act: Act = make_act("feedback", actor, detail, reason=reason)
        with log.transaction() as (_, tail):
            tail.add_act(act)

    state("begun")
    try:
        yield
    except BaseException:
        with suppress(AuditUnusable, apsw.Error):  # The log may be the cause.
            state("interrupted", **feed.counts)
        raise
    state("ended", **feed.counts)


def _place(file: Path, header: Sequence[str], column: str) -> int:
    if header.count(column) != 1:
        what = "has several columns" if column in header else "has no column"
        raise AuditMisuse(f"{file} {what} {column!r}; its columns are {', '.join(header) or 'none'}")
    return header.index(column)
