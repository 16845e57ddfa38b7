"""What becomes of an outcome follows from what the log has of its prediction."""

import pytest

from service.audit.outcome.outcome_batch import MAX_LISTED_IDS, STATES, OutcomeBatch
from service.audit.outcome.sent_outcome import LabelRule
from service.audit.query.outcome_lookup import FoundPrediction
from service.errors.problem import ProblemFinding
from service.telemetry.metrics import FEEDBACK_STATES

NONE = FoundPrediction(0, 0, None, False, None)
SAME = '{"request_id":"r-1","row":1,"kind":"truth","label":"a"}'


def sorted_out(found: FoundPrediction) -> tuple[OutcomeBatch, list[str]]:
    """The outcome of row 1 of r-1, and the state that it is recorded with."""
    batch = OutcomeBatch(LabelRule("text"))
    batch.add({"request_id": "r-1", "row": 1, "label": "a"}, 7)
    accepted = batch.sort_out(batch.take(), [found])
    batch.recorded(accepted)
    return batch, [each.state for each in accepted]


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (NONE, "waiting"),
        (NONE._replace(predictions=1, rows=2), "matched"),
        (NONE._replace(predictions=2), "ambiguous"),
        (NONE._replace(predictions=1, rows=2, newest_json=SAME.replace("}", ',"source":"b"}')), "matched"),
    ],
)
def test_an_outcome_that_is_new_is_recorded(found: FoundPrediction, state: str) -> None:
    batch, states = sorted_out(found)

    assert states == [state]
    assert batch.counts == {name: int(name == state) for name in STATES}
    assert [*batch.ambiguous] == (["r-1"] if state == "ambiguous" else [])


@pytest.mark.parametrize("predictions", [0, 1, 2])
def test_an_outcome_that_is_the_newest_already_is_repeated(predictions: int) -> None:
    batch, states = sorted_out(FoundPrediction(predictions, 2, None, False, SAME))

    assert states == []
    assert batch.counts["repeated"] == 1


@pytest.mark.parametrize(
    ("found", "loc", "why"),
    [
        (NONE._replace(predictions=1, rows=1), "row", "the prediction has 1 row"),
        (NONE._replace(predictions=1, rows=1, newest_json=SAME), "row", "the prediction has 1 row"),
        (NONE._replace(predictions=1, rows=2, is_redacted=True), "request_id", "its prediction was redacted"),
        (NONE._replace(predictions=2, is_redacted=True), "request_id", "its prediction was redacted"),
    ],
)
def test_an_outcome_of_no_row_of_its_prediction_or_of_a_redacted_one_is_refused(
    found: FoundPrediction, loc: str, why: str
) -> None:
    batch, states = sorted_out(found)

    assert states == []
    answer = batch.answer("another")
    assert (answer.outcomes, answer.refused, answer.request_id) == (1, 1, "another")
    assert answer.errors == [ProblemFinding(loc=[7, loc], msg=why)]


def test_the_last_of_a_row_and_kind_is_kept_in_its_place() -> None:
    batch = OutcomeBatch(LabelRule("text"))
    for place, (row, label) in enumerate([(0, "a"), (1, "a"), (0, "b"), (2, "a"), (0, "c")]):
        batch.add({"request_id": "r-1", "row": row, "label": label}, place)
    batch.add({"request_id": "r-1", "row": 0, "kind": "decision", "label": "d", "reviewer": "x"}, 5)

    assert batch.counts["repeated"] == 2
    assert [(each.place, each.outcome.label) for each in batch.take()] == [
        (1, "a"),
        (3, "a"),
        (4, "c"),
        (5, "d"),
    ]
    assert batch.take() == []


def test_only_so_many_ambiguous_ids_are_listed() -> None:
    batch = OutcomeBatch(LabelRule("text"))
    for number in range(MAX_LISTED_IDS + 50):
        batch.add({"request_id": f"r-{number}", "label": "a"}, number)
    pending = batch.take()
    batch.recorded(batch.sort_out(pending, [NONE._replace(predictions=2)] * len(pending)))

    answer = batch.answer("r")
    assert (answer.ambiguous, len(answer.ambiguous_request_ids)) == (MAX_LISTED_IDS + 50, MAX_LISTED_IDS)


def test_an_outcome_of_many_members_is_not_looked_at() -> None:
    batch = OutcomeBatch(LabelRule("text"))
    batch.add({"request_id": "r-1", "label": "a"} | {f"m-{number}": 1 for number in range(100_000)}, 0)

    assert batch.answer("r").errors == [ProblemFinding(loc=[0], msg="it has more than 16 members")]


def test_the_metrics_know_every_state() -> None:
    assert FEEDBACK_STATES == STATES
