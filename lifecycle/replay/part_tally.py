"""What is counted of the records of a part of the log, and how the parts are added.

Its size depends on the model and on the limits here, not on the length of the log.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lifecycle.replay.reading.record_reading import BrokenRecord
from lifecycle.replay.replay_result import DifferingRow
from service.audit.file.logged_record import LoggedRecord
from service.monitoring.evidence.evidence_state import ModelRows, PairedRows, no_rows

MOST_LABELLED = 1_000_000
"""Labelled rows of which each figure is kept, 90 bytes a row; more of them make no interval useful that is
not."""
MOST_RULES = 200
"""Different findings about broken records."""
_MOST_PAIRS = 10_000
_BROKEN_EXAMPLES = 5

Rule = tuple[str, str]
"""The feature, and what is wrong with its value."""


class Example(NamedTuple):
    """A row with different labels, and how much it is worth being shown."""

    weight: tuple[bool, float]
    """Whether the truth is known; then how sure both sides are."""
    row: DifferingRow


@dataclass
class PartTally:
    """The counts of some records."""

    records: Counter[str] = field(default_factory=Counter)
    """By the fields of ReplayedRecords."""
    by_model: Counter[str] = field(default_factory=Counter)
    """Records by the id of the model that answered."""
    first_utc: str = ""
    last_utc: str = ""
    broken: Counter[Rule] = field(default_factory=Counter)
    broken_examples: dict[Rule, list[str]] = field(default_factory=dict)
    rows: int = 0
    differing: int = 0
    sure_rows: int = 0
    """Rows whose confidence both sides state."""
    confidence_difference: float = 0.0
    """Sum over them of the candidate's minus the compared."""
    confidence_squares: float = 0.0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    """By the fields of MatchedOutcomes."""
    segments: NDArray[np.int64] | None = None
    """``(len(SegmentCount), n_features, 256)``; None if the candidate has no training profile."""
    labelled: list[PairedRows] = field(default_factory=list)
    """In the order of the log; the compared side is the champion's."""

    def see(self, records: Sequence[LoggedRecord]) -> None:
        """Note when the records were received, and which model answered."""
        times = [record.received_utc for record in records]
        self.first_utc = min([*filter(None, [self.first_utc]), *times], default="")
        self.last_utc = max([self.last_utc, *times])
        self.records["records"] += len(records)
        self.by_model.update(record.model_id for record in records)

    def add_broken(self, records: Iterable[BrokenRecord]) -> None:
        """Count records that the contract refuses."""
        for record, rules in records:
            self.records["broken"] += 1
            for rule in rules:
                self._add_rule(rule, 1, [record.request_id])

    def add(self, other: "PartTally", examples: int) -> None:
        """Add the counts of a later part."""
        self.first_utc = min(filter(None, (self.first_utc, other.first_utc)), default="")
        self.last_utc = max(self.last_utc, other.last_utc)
        for name in ("records", "by_model", "pairs", "outcomes"):
            getattr(self, name).update(getattr(other, name))
        for rule, count in other.broken.items():
            self._add_rule(rule, count, other.broken_examples.get(rule, []))
        for name in ("rows", "differing", "sure_rows", "confidence_difference", "confidence_squares"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.segments is not None:
            self.segments = other.segments if self.segments is None else self.segments + other.segments
        self.labelled += other.labelled
        self.examples += other.examples
        self.trim(examples)

    def trim(self, examples: int) -> None:
        """Keep what is worth most."""
        self.examples = nlargest(examples, self.examples, key=lambda example: example.weight)
        if len(self.pairs) > 2 * _MOST_PAIRS:
            self.pairs = Counter(dict(self.pairs.most_common(_MOST_PAIRS)))
        rows = sum(len(each.champion.request) for each in self.labelled)
        while self.labelled and rows - len(self.labelled[0].champion.request) >= MOST_LABELLED:
            rows -= len(self.labelled.pop(0).champion.request)

    def paired(self) -> PairedRows:
        """All labelled rows, in the order of the log."""
        return joined(self.labelled)

    def _add_rule(self, rule: Rule, count: int, examples: Sequence[str]) -> None:
        if rule not in self.broken and len(self.broken) >= MOST_RULES:
            rule = ("", "other findings")
        self.broken[rule] += count
        known = self.broken_examples.setdefault(rule, [])
        known += [example for example in examples if example not in known][: _BROKEN_EXAMPLES - len(known)]


def joined(parts: Sequence[PairedRows]) -> PairedRows:
    """The rows of several parts, sorted by their records."""
    if not parts:
        return PairedRows(no_rows(), no_rows())
    champion, challenger = (_joined([part[side] for part in parts]) for side in (0, 1))
    order = np.argsort(champion.request, kind="stable")
    return PairedRows(_ordered(champion, order), _ordered(challenger, order))


def _joined(parts: Sequence[ModelRows]) -> ModelRows:
    return ModelRows._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _ordered(rows: ModelRows, order: NDArray[np.intp]) -> ModelRows:
    return ModelRows._make(column[order] for column in rows)
