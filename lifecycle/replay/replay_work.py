"""The work of one process of a replay: it reads parts of the log, and counts what the candidate would do."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lifecycle.replay.part_tally import PartTally
from lifecycle.replay.reading.answered_records import AnsweredRecords, Span, Truths
from lifecycle.replay.reading.candidate_model import RecordedModels, load_named
from lifecycle.replay.reading.compared_answers import Answering, ModelAnswers, RecordedAnswers
from lifecycle.replay.reading.record_reading import BrokenRecord, ReadRecord, RecordReading
from lifecycle.replay.row_comparison import RowComparison
from service.audit.file.logged_record import LoggedRecord
from service.model.contract import Values
from service.model.published import PublishedModel
from service.replay.performer import probabilities_of
from service.replay.recorded import IdRange

_FAILED = (("", "The model fails on its rows"),)


class WorkTask(NamedTuple):
    """What each process knows."""

    log: Path
    span: Span
    upto_id: int
    """The last record that counts."""
    candidate: str
    against: str | None
    folders: tuple[Path, ...]
    examples: int


class ReplayWork:
    """The log and the models of one process."""

    def __init__(self, task: WorkTask) -> None:
        self._task = task
        self._candidate: PublishedModel = load_named(task.candidate, task.folders)
        self._log = AnsweredRecords(task.log, task.span)
        self._reading = RecordReading(self._candidate.contract)
        self._answering = self._made_answering()
        self._comparison = RowComparison(self._candidate, task.examples)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def perform(self, part: IdRange) -> PartTally:
        """What is counted of the records of a range."""
        tally = PartTally()
        for records in self._log.chunks(part):
            self._add(tally, records)
            tally.trim(self._task.examples)
        return tally

    def _made_answering(self) -> Answering:
        if self._task.against is not None:
            return ModelAnswers(load_named(self._task.against, self._task.folders))
        models = RecordedModels(self._log.cards(), self._task.folders)
        return RecordedAnswers(models, self._candidate.contract)

    def _add(self, tally: PartTally, records: Sequence[LoggedRecord]) -> None:
        tally.see(records)
        whole = [record for record in records if record.has_content]
        tally.records["redacted"] += len(records) - len(whole)
        found = self._reading.read(whole)
        tally.records["unreadable"] += found.unreadable
        tally.add_broken(found.broken)
        if not found.read:
            return
        truths = self._log.truths([record.request_id for record in whole], self._task.upto_id)
        tally.outcomes["ambiguous"] += truths.ambiguous
        by_model: dict[str, list[ReadRecord]] = {}
        for each in found.read:
            # Another model's answers are one group, also those of several models.
            model_id = each.record.model_id if self._task.against is None else ""
            by_model.setdefault(model_id, []).append(each)
        for model_id, of_model in by_model.items():
            self._compare(tally, model_id, of_model, truths)

    def _compare(
        self, tally: PartTally, model_id: str, records: Sequence[ReadRecord], truths: Truths
    ) -> None:
        """Compare records that one model answered."""
        answers = self._answering.answers(model_id, records)
        tally.records["unreadable"] += len(records) - len(answers.records)
        if not answers.records:
            return
        probabilities = probabilities_of(self._candidate, _rows(answers.records))
        if probabilities is not None:
            self._comparison.add(tally, probabilities, answers, truths)
            return
        able = [each for each in answers.records if probabilities_of(self._candidate, each.rows) is not None]
        if len(able) == len(answers.records):
            able = []  # It fails on many rows at once, which a service gives it too.
        kept = {each.record.id for each in able}
        failed = [each.record for each in answers.records if each.record.id not in kept]
        tally.add_broken(BrokenRecord(record, _FAILED) for record in failed)
        if able:
            self._compare(tally, model_id, able, truths)


def _rows(records: Sequence[ReadRecord]) -> list[Values]:
    return [row for each in records for row in each.rows]
