"""The selection: cross-validation of the candidates as the plan says, here or in several processes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from sklearn.model_selection import RepeatedStratifiedKFold

from service.model.contract import Contract
from training.candidates.built_in import Candidate
from training.evaluate.evaluation import CrossValidation, OutOfFold, Scored, corrected_standard_error
from training.evaluate.fold_fit import FoldFit, FoldTask, fit_fold
from training.evaluate.fold_workers import FoldWorkers
from training.evaluate.plan import Plan
from training.progress import Progress
from training.table.dataset import FOLDS
from training.table.portion import Portion

_CLEARLY = 3
"""Standard errors by which a candidate must be below the best to drop out."""
_STEEPER_SHARE = 0.05
"""The share of the best score by which a more complex candidate must be below it as well: its score grows
faster with the number of rows."""

Folds = list[tuple[np.ndarray, np.ndarray]]


def select(
    plan: Plan, contract: Contract, train: Portion, seed: int, progress: Progress, cores: int = 1
) -> list[Scored]:
    """The candidates with their scores, in the plan's order.

    Those that competed to the end have the scores of the last rung, which can be compared. Raises
    FoldProcessEnded.
    """
    competing = list(plan.candidates)
    latest: dict[str, Scored] = {}
    with ExitStack() as stack:
        processes = plan.processes(cores)
        workers = stack.enter_context(FoldWorkers(processes)) if processes > 1 else None
        for place, rows in enumerate(plan.rungs):
            work_s = plan.remaining_s(competing, plan.rungs[place:])
            progress.expect(work_s + processes * plan.rest_s, processes)
            rung = _Rung(plan, rows, contract, train, seed, progress)
            for scored in rung.scores(competing, workers):
                latest[scored.candidate.name] = scored
            if rows == plan.rungs[-1]:
                break
            dropped = drop_clearly_worse([latest[each.name] for each in competing])
            latest |= {each.candidate.name: each for each in dropped}
            competing = [each for each in competing if latest[each.name].dropped is None]
    return [latest[each.name] for each in plan.candidates]


def drop_clearly_worse(scored: Sequence[Scored]) -> list[Scored]:
    """The candidates that drop out, with the reason; never the best.

    Their differences from the best are taken fold by fold, because all candidates have the same folds.
    """
    best = max(scored, key=lambda each: (each.cross_validation.score, -each.candidate.complexity))
    dropped = []
    for each in scored:
        differences = best.cross_validation.f1_macro - each.cross_validation.f1_macro
        below, error = float(differences.mean()), corrected_standard_error(differences)
        needed = _CLEARLY * error
        if each.candidate.complexity > best.candidate.complexity:
            needed = max(needed, _STEEPER_SHARE * best.cross_validation.score)
        if each is not best and below > needed:
            reason = (
                f"{each.candidate.title.capitalize()} dropped out at {each.rows:,} rows: its macro F1 is "
                f"{below:.4f} below that of {best.candidate.title}, and the standard error is {error:.4f}."
            )
            dropped.append(replace(each, dropped=reason))
    return dropped


def stratified_sample(labels: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Places of about so many rows, in random order, with the classes in proportion.

    Every class has a row for each fold at least. A larger sample with the same seed contains the smaller.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    chosen = []
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        chosen.append(of_class[: max(FOLDS, round(rows * len(of_class) / len(labels)))])
    return random.permutation(np.concatenate(chosen))


class _Rung:
    """The cross-validation of candidates on the same rows and folds."""

    def __init__(
        self, plan: Plan, rows: int, contract: Contract, train: Portion, seed: int, progress: Progress
    ) -> None:
        is_sample = rows < len(train.labels)
        self._plan, self._planned_rows = plan, rows
        self._portion = train.take(stratified_sample(train.labels, rows, seed)) if is_sample else train
        self._contract, self._seed, self._progress = contract, seed, progress
        self._where = f" on {rows:,} rows" if is_sample else ""
        splitter = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=plan.repeats, random_state=seed)
        labels = self._portion.labels
        self._folds: Folds = list(splitter.split(np.zeros((len(labels), 1)), labels))

    def scores(self, candidates: Sequence[Candidate], workers: FoldWorkers | None) -> Iterator[Scored]:
        """Each candidate's scores."""
        if workers is None:
            for candidate in candidates:
                self._progress.step(f"Cross-validating {candidate.title}{self._where}")
                yield self._scored(candidate, self._fitted_here(candidate))
            return
        # The longest fits come first, so that no process is idle while the last one ends.
        ordered = sorted(
            candidates, key=lambda each: self._plan.fold_s(each, self._planned_rows), reverse=True
        )
        self._progress.step(f"Cross-validating {', '.join(each.title for each in ordered)}{self._where}")
        tasks = [task for candidate in ordered for task in self._tasks(candidate)]
        fits: dict[int, FoldFit] = {}
        for place, fit in workers.fit_all(self._portion, tasks):
            fits[place] = fit
            self._told(ordered[place // len(self._folds)], fit)
        for place, candidate in enumerate(ordered):
            first = place * len(self._folds)
            yield self._scored(candidate, [fits[first + fold] for fold in range(len(self._folds))])

    def _tasks(self, candidate: Candidate) -> list[FoldTask]:
        n_rows = len(self._folds[0][0])
        pipeline = candidate.pipeline(self._contract, self._seed, n_rows)
        return [FoldTask(pipeline, fitted_to, scored_on) for fitted_to, scored_on in self._folds]

    def _fitted_here(self, candidate: Candidate) -> Iterator[FoldFit]:
        for task in self._tasks(candidate):
            fit = fit_fold(self._portion, task)
            self._told(candidate, fit)
            yield fit

    def _told(self, candidate: Candidate, fit: FoldFit) -> None:
        self._progress.advance(self._plan.fold_s(candidate, self._planned_rows), fit.seconds)

    def _scored(self, candidate: Candidate, fits: Iterable[FoldFit]) -> Scored:
        fits = list(fits)
        f1_macro, accuracy, loss = np.array([fit.scores for fit in fits]).T
        notes = dict.fromkeys(note for fit in fits for note in fit.notes)
        return Scored(
            candidate,
            CrossValidation(f1_macro, accuracy, loss),
            len(self._portion.labels),
            tuple(notes),
            self._out_of_fold(fits),
        )

    def _out_of_fold(self, fits: Sequence[FoldFit]) -> OutOfFold:
        classes, labels = np.unique(self._portion.labels, return_inverse=True)
        shape = (self._plan.repeats, len(labels))
        folds = np.empty(shape, dtype=np.int8)
        probabilities = np.empty((*shape, len(classes)))
        for place, ((_, scored_on), fit) in enumerate(zip(self._folds, fits, strict=True)):
            repeat, fold = divmod(place, FOLDS)
            folds[repeat, scored_on] = fold
            probabilities[repeat, scored_on] = fit.probabilities
        return OutOfFold(labels, folds, probabilities)
