"""A replay of many records: its parts in two processes, each over a range of ids, and its summary."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from service.replay.part_processes import results_of
from service.replay.performer import Performer, part_of
from service.replay.recorded import Choice, IdRange, RecordedLog
from service.replay.stored_models import StoredModels
from service.replay.verdict import EXPECTED, ModelNote, Outcome, Part, Verdict

PART_RECORDS = 10_000
"""Ids of a part. Fewer records are performed in this process, as others take a second to start."""


class Task(NamedTuple):
    """What each process of a replay knows."""

    db: Path
    since_utc: str
    folders: tuple[Path, ...]
    wants_all: bool
    """Whether outcomes that are as expected are returned too."""


class Replay:
    """A replay of chosen records of a log. Read ``parts``; then ``counts`` and ``models`` are complete."""

    def __init__(
        self,
        task: Task,
        *,
        processes: int = 1,
        until: float = float("inf"),
        part_records: int = PART_RECORDS,
    ) -> None:
        """Take the number of processes, and when to stop by the clock ``time.monotonic``."""
        self.counts: Counter[Verdict] = Counter()
        self.models: dict[str, ModelNote] = {}
        self.shown: Counter[Verdict] = Counter()
        """Outcomes of each verdict that were written."""
        self.is_complete = True
        """Whether all chosen records were performed."""
        self._task = task
        self._processes = processes
        self._until = until
        self._part_records = part_records

    def outcomes(self, choice: Choice) -> Iterator[Outcome]:
        """The outcomes of the records, oldest first; without the expected ones unless the task wants all.

        Raises AuditUnusable, or ReplayFailed if a process ended.
        """
        parts = _parts_of(choice, self._part_records)
        work = partial(_Work, self._task)
        for part in results_of(work, parts, processes=self._processes, is_over=self._is_over):
            self.counts += part.counts
            self.models.update((note.model_id, note) for note in part.models)
            yield from part.outcomes

    def _is_over(self) -> bool:
        if monotonic() >= self._until:
            self.is_complete = False
        return not self.is_complete


class _Work:
    """The log and the models of one process."""

    def __init__(self, task: Task) -> None:
        # As in a worker; scikit-learn's libraries read it when they are loaded.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self._log = RecordedLog(task.db, task.since_utc)
        self._performer = Performer(self._log.cards(), StoredModels(task.folders))
        self._wants_all = task.wants_all

    def perform(self, choice: Choice) -> Part:
        """The outcomes of some records."""
        return part_of(self._performer, self._log.chunks(choice), self._wants)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _wants(self, outcome: Outcome) -> bool:
        return self._wants_all or outcome.verdict not in EXPECTED


def _parts_of(choice: Choice, records: int) -> list[Choice]:
    if isinstance(choice, IdRange):
        starts = range(choice.after, choice.upto, records)
        return [IdRange(start, min(start + records, choice.upto)) for start in starts]
    return [choice[start : start + records] for start in range(0, len(choice), records)]
