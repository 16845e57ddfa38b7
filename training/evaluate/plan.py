"""The plan of a selection: which candidates compete, on how many rows, in how many fits.

It follows from the size of the table alone, so that a training can be repeated. A small table is used whole,
with repeated folds, and every candidate is fitted to it. On a larger one the candidates compete on growing
random samples, and those that are clearly worse drop out on the way: successive halving (K. Jamieson and
A. Talwalkar, AISTATS 2016). Then the champion alone is fitted to all rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.candidates.built_in import Candidate
from training.candidates.table_size import TableSize
from training.table.dataset import FOLDS

REPEATS = 3
_REPEATED_S = 30.0
"""Folds are repeated if all fits take at most so long, in seconds of one core."""
_RUNG_S, _FURTHER_RUNG_S = 60.0, 90.0
"""The fits of the first rung, and of its slowest candidate on a further one, take at most so long."""
_FIRST_ROWS = (10_000, 8_000, 6_000, 5_000, 4_000, 3_000, 2_000, 1_000)
_FEWEST_ROWS = _FIRST_ROWS[-1]
_GROWTH = 4
_WORTHWHILE_GROWTH = 1.5
_MOST_ROWS = 30_000
_MOST_VALUES = 1_500_000
"""Largest size of a sample; each process has a copy."""
_PROCESSES_S = 12.0
"""Work below this stays in one process, because starting others takes seconds."""

_LOGGING_S, _PUBLISHING_S = 1.5, 5.0
"""For one candidate, and for the champion."""


@dataclass(frozen=True)
class Plan:
    """How the champion is selected."""

    candidates: tuple[Candidate, ...]
    left_out: Mapping[str, str]
    """The reasons, by the candidate's title."""
    repeats: int
    """Of the folds."""
    rungs: tuple[int, ...]
    """The numbers of rows on which candidates compete, growing."""
    size: TableSize
    """Of the training split."""

    @property
    def is_whole(self) -> bool:
        """Whether the candidates compete on all rows at once; then each is also fitted to all of them."""
        return self.rungs == (self.size.rows,)

    @property
    def selection_s(self) -> float:
        """The estimated seconds of one core that the selection takes; half drop out at each rung."""
        return self.remaining_s(self.candidates, self.rungs)

    def remaining_s(self, candidates: Sequence[Candidate], rungs: Sequence[int]) -> float:
        """The same for these candidates on the rungs that are left."""
        total = 0.0
        for place, rows in enumerate(rungs):
            costs = sorted((self.fold_s(each, rows) for each in candidates), reverse=True)
            total += FOLDS * self.repeats * sum(costs[: max(1, len(costs) >> place)])
        return total

    @property
    def rest_s(self) -> float:
        """The estimated seconds of the final fits, and of logging, compiling and publishing."""
        costs = [each.seconds(self.size) for each in self.candidates]
        # Of a sample's winner there is one more fit, by which it is calibrated.
        fitted = costs if self.is_whole else 2 * [max(costs)]
        return sum(fitted) + _LOGGING_S * len(fitted) + _PUBLISHING_S

    def fold_s(self, candidate: Candidate, rows: int) -> float:
        """The estimated seconds of one core for one fit of a cross-validation on so many rows."""
        return candidate.seconds(self.size._replace(rows=_fitted_rows(rows)))

    def processes(self, cores: int) -> int:
        """The number of processes that fit folds; 1 is this one alone."""
        return 1 if self.selection_s < _PROCESSES_S else max(1, cores)

    @property
    def sentences(self) -> list[str]:
        """The plan, as lines to print."""
        repeated = f", repeated {self.repeats} times" if self.repeats > 1 else ""
        folds = f"{FOLDS} folds{repeated}"
        lines = [f"{title.capitalize()} is left out: {reason}." for title, reason in self.left_out.items()]
        names = _listed([each.title for each in self.candidates])
        if self.is_whole:
            return [
                *lines,
                f"Cross-validation: {folds}, on all {self.size.rows:,} training rows, of {names}.",
            ]
        samples = " and then ".join(f"{rows:,}" for rows in self.rungs)
        return [
            *lines,
            f"Cross-validation: {folds}, on {samples} of {self.size.rows:,} training rows, of {names}.",
            "A candidate that is clearly worse drops out; the champion is fitted to all training rows.",
        ]

    @property
    def parameters(self) -> dict[str, object]:
        """The plan, as parameters to log."""
        return {
            "folds": FOLDS,
            "repeats": self.repeats,
            "selection_rows": ", ".join(map(str, self.rungs)),
            "candidates": ", ".join(each.name for each in self.candidates),
            **{f"left_out {title}": reason for title, reason in self.left_out.items()},
        }


def make_plan(candidates: Sequence[Candidate], size: TableSize, *, chosen: bool = False) -> Plan:
    """The plan for a training split; with ``chosen`` candidates, no rule leaves one out."""
    reasons = [None if chosen else each.reason_to_leave_out(size) for each in candidates]
    left_out = {each.title: reason for each, reason in zip(candidates, reasons, strict=True) if reason}
    competing = tuple(each for each in candidates if each.title not in left_out)
    if not competing:
        return make_plan(candidates[:1], size, chosen=True)

    def fits_s(competitors: Sequence[Candidate], rows: int) -> float:
        costs = [each.seconds(size._replace(rows=_fitted_rows(rows))) for each in competitors]
        return FOLDS * sum(costs)

    most = min(size.rows, _MOST_ROWS, max(_FEWEST_ROWS, _MOST_VALUES // size.features))
    firsts = [rows for rows in (min(most, _FIRST_ROWS[0]), *_FIRST_ROWS) if rows <= most] or [most]
    first = next((rows for rows in firsts if fits_s(competing, rows) <= _RUNG_S), firsts[-1])
    is_repeated = first == size.rows and REPEATS * fits_s(competing, first) <= _REPEATED_S
    rungs = [first]
    dearest = max(competing, key=lambda each: fits_s([each], most))
    while True:
        rows = min(_GROWTH * rungs[-1], most)
        if rows < _WORTHWHILE_GROWTH * rungs[-1] or fits_s([dearest], rows) > _FURTHER_RUNG_S:
            break
        rungs.append(rows)
    # A candidate alone has nobody to be compared with on the way.
    kept = rungs if len(competing) > 1 else rungs[-1:]
    return Plan(competing, left_out, REPEATS if is_repeated else 1, tuple(kept), size)


def _fitted_rows(rows: int) -> int:
    return rows - rows // FOLDS


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
