"""True labels find the rows that they are about, and decide whether a candidate is better."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lifecycle.replay.replay_result import ReplayResult
from service.model.label import Label
from service.model.published import load_model
from service.model.release.release import Policy
from tests.support.collected_logs import CollectedLog, outcome
from tests.support.replay_candidates import Candidates, replayed_with, singles, truths

Row = dict[str, Any]
LENIENT = Policy(min_labels=30, margin=1.0, max_calibration_gap=1.0)


def predicted(log: CollectedLog, tag: str, rows: list[Row]) -> tuple[list[Label], NDArray[np.float64]]:
    model = load_model(tag)
    found = model.predict_proba(model.contract.matrix_of([log.values(row) for row in rows]))
    return [model.contract.target.classes[place] for place in found.argmax(axis=1)], found


def figures(result: ReplayResult) -> dict[str, tuple[float | None, float | None]]:
    return {each.metric: (each.champion, each.challenger) for each in result.differences}


def test_figures_of_both_sides_are_those_of_the_labelled_rows(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    sent, labels = rows[:60], ["left", "stays", "unsure"] * 20
    log.write(*singles(log, sent), *truths(labels))
    result = replayed_with(log, candidates.other)

    assert (result.outcomes.labelled, result.outcomes.judged) == (60, 60)
    truth = np.array([log.model.model.contract.target.classes.index(label) for label in labels])
    of_row = np.arange(60)
    found = figures(result)
    for side, tag in enumerate((candidates.same, candidates.other)):
        _, probabilities = predicted(log, tag, sent)
        right = probabilities.argmax(axis=1) == truth
        assert found["accuracy"][side] == pytest.approx(right.mean())
        true = probabilities[of_row, truth]
        squares = np.square(probabilities).sum(axis=1)
        assert found["brier"][side] == pytest.approx((squares - 2 * true + 1).mean())
        assert found["log_loss"][side] == pytest.approx(-np.log(true).mean())
    before, after = (predicted(log, tag, sent)[0] for tag in (candidates.same, candidates.other))
    pairs = [(one == label, other == label) for one, other, label in zip(before, after, labels, strict=True)]
    assert result.discordance is not None
    assert result.discordance.only_champion_right == pairs.count((True, False))
    assert result.discordance.only_challenger_right == pairs.count((False, True))


def test_only_the_newest_truth_of_a_row_counts(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    labels, _ = predicted(log, candidates.same, rows[:2])
    wrong = next(label for label in ("left", "stays") if label != labels[0])
    log.write(*singles(log, rows[:1]), outcome("q0", wrong), outcome("q0", labels[0]))
    result = replayed_with(log, candidates.same)
    assert (result.outcomes.labelled, figures(result)["accuracy"]) == (1, (1.0, 1.0))
    log.write(outcome("q0", labels[0], kind="decision"), outcome("q0", wrong))
    assert figures(replayed_with(log, candidates.same))["accuracy"] == (0.0, 0.0)


def test_labels_find_their_rows_of_a_batch(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    labels, _ = predicted(log, candidates.same, rows[:4])
    log.write(
        log.predicted(rows[:4], "batch"),
        *(outcome("batch", str(labels[row]), row=row) for row in (3, 1)),
        outcome("batch", "left", row=4),
    )
    result = replayed_with(log, candidates.same)
    assert (result.outcomes.labelled, result.outcomes.out_of_range) == (2, 1)
    assert figures(result)["accuracy"] == (1.0, 1.0)


def test_what_is_ambiguous_or_no_class_or_a_decision_judges_nothing(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    log.write(*singles(log, rows[:3]), log.predicted(rows[3], "q1"))
    log.write(outcome("q0", "moved"), outcome("q1", "left"), outcome("q2", "left", kind="decision"))
    found = replayed_with(log, candidates.same).outcomes
    assert (found.labelled, found.not_a_class) == (0, 1)
    assert found.ambiguous == 1
    # It is ambiguous also if only one of the two is replayed.
    assert replayed_with(log, candidates.same, limit=1).outcomes.ambiguous == 1


def test_a_candidate_passes_with_labels_enough_and_not_without(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    labels, _ = predicted(log, candidates.other, rows[:80])
    log.write(*singles(log, rows[:80]), *truths([str(label) for label in labels]))
    few = replayed_with(log, candidates.other, policy=LENIENT.model_copy(update={"min_labels": 81}))
    assert (few.verdict, few.reasons) == ("undecided", ("80 of 81 labelled rows.",))
    passed = replayed_with(log, candidates.other, policy=LENIENT)
    assert passed.verdict == "passed"
    assert passed.differences[0].difference is not None
    assert passed.differences[0].difference > 0


def test_a_candidate_that_is_surely_worse_is_objected_to(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    sent = rows * 3
    labels, _ = predicted(log, candidates.same, sent)
    log.write(*singles(log, sent), *truths([str(label) for label in labels]))
    result = replayed_with(log, candidates.other, policy=LENIENT)
    assert result.verdict == "objection"
    assert any("the challenger is worse" in reason for reason in result.reasons)
    assert result.segments[0].candidate_accuracy is not None
    assert result.segments[0].compared_accuracy == 1.0
    judged = [each for each in result.segments if each.candidate_accuracy is not None]
    assert judged[0].candidate_accuracy == min(each.candidate_accuracy or 0 for each in judged)
    assert result.calibration is not None
    assert sum(each.rows for each in result.calibration.bins) <= len(sent)
