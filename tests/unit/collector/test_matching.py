"""Outcomes find their predictions by request id, whichever comes first."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import BY_ADA
from tests.support.collected_logs import CollectedLog, content_of, outcome, rows_of
from training.table.dataset import Dataset

CLASSES = ("left", "stays", "unsure")


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


def test_a_label_is_matched_with_the_place_delay_and_probabilities_of_its_prediction(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    prediction = log.predicted(rows[0], "a")
    log.write(prediction, log.predicted(rows[1], "b"), outcome("a", "stays"))
    with log.collect() as store:
        found = store.labelled(log.model.card.model_id)
        state = store.feedback_state()
    probabilities = np.array(log.model.predictions([log.values(rows[0])]).probabilities[0])
    assert found.predicted.tolist() == [probabilities.argmax()]
    assert found.truth.tolist() == [CLASSES.index("stays")]
    assert found.delay_s.tolist() == [2.0]
    assert found.confidence.tolist() == [probabilities.max()]
    assert found.truth_probability.tolist() == [probabilities[1]]
    assert found.squares.tolist() == pytest.approx([np.square(probabilities).sum()])
    assert found.bins.shape == (1, len(rows[0]))
    assert (state.outcomes, state.matched, state.waiting) == (1, 1, 0)


def test_an_outcome_waits_for_its_prediction(log: CollectedLog, rows: list[dict[str, Any]]) -> None:
    log.write(outcome("a", "left"))
    with log.collect() as store:
        assert store.feedback_state().waiting == 1
    log.write(log.predicted(rows[0], "a"))
    with log.collect() as store:
        assert store.feedback_state().matched == 1
        assert store.labelled(log.model.card.model_id).delay_s.tolist() == [0.0]


def test_a_correction_replaces_and_keeps_the_delay_of_the_first(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    log.write(log.predicted(rows[0], "a"), outcome("a", "left"), outcome("a", "unsure"))
    with log.collect() as store:
        found = store.labelled(log.model.card.model_id)
        assert store.feedback_state().outcomes == 1
    assert found.truth.tolist() == [CLASSES.index("unsure")]
    assert found.delay_s.tolist() == [1.0]


def test_a_label_that_is_no_class_is_counted_apart_and_withdraws_the_one_before(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    log.write(log.predicted(rows[0], "a"), outcome("a", "left"))
    log.collect().close()
    log.write(outcome("a", "gone"))
    with log.collect() as store:
        assert len(store.labelled(log.model.card.model_id).truth) == 0
        assert store.feedback_state().not_a_class == 1


def test_rows_of_a_batch_are_matched_and_rows_that_it_does_not_have_are_counted(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    batch = log.predicted(rows[:3], "a")
    log.write(batch, outcome("a", "left", row=2), outcome("a", "left", row=3), outcome("a", "stays", row=0))
    with log.collect() as store:
        found, state = store.labelled(log.model.card.model_id), store.feedback_state()
    assert found.truth.tolist() == [1, 0]
    assert found.predicted.tolist() == [CLASSES.index(log.labels(batch)[row]) for row in (0, 2)]
    assert (state.matched, state.out_of_range) == (2, 1)


def test_a_request_id_of_two_predictions_is_ambiguous(log: CollectedLog, rows: list[dict[str, Any]]) -> None:
    log.write(log.predicted(rows[0], "a"), outcome("a", "left"), outcome("b", "left"))
    with log.collect() as store:
        assert store.feedback_state().matched == 1
    log.write(log.predicted(rows[1], "a"))
    log.write(outcome("a", "stays", row=1))
    with log.collect() as store:
        state = store.feedback_state()
        assert (state.matched, state.ambiguous, state.waiting) == (0, 2, 1)
        assert len(store.labelled(log.model.card.model_id).truth) == 0


def test_a_decision_is_kept_apart_from_the_truth(log: CollectedLog, rows: list[dict[str, Any]]) -> None:
    log.write(log.predicted(rows[0], "a"), log.predicted(rows[1], "b"))
    log.write(outcome("a", "unsure", kind="decision"), outcome("b", "left", kind="decision"))
    log.write(outcome("b", "stays"))
    with log.collect() as store:
        labelled, decided = (
            store.labelled(log.model.card.model_id),
            store.decided(log.model.card.model_id),
        )
    assert labelled.truth.tolist() == [1]
    assert decided.decided.tolist() == [2, 0]
    assert decided.truth.tolist() == [-1, 1]


def test_what_is_redacted_is_forgotten(log: CollectedLog, rows: list[dict[str, Any]]) -> None:
    log.write(log.predicted(rows[0], "a"), outcome("a", "left"), log.predicted(rows[1], "b"))
    log.write(outcome("b", "left"))
    log.collect().close()
    with closing(LogFile(log.log)) as file:
        redact(file, "a", *BY_ADA)
    with log.collect() as store:
        assert len(store.labelled(log.model.card.model_id).truth) == 1
        assert store.feedback_state().outcomes == 1
        assert log.db.with_name(f"{log.db.name}-wal").stat().st_size == 0
    assert not [row for row in content_of(log.db)["outcome"] if row[0] == "a"]


IDS = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["single", "batch", "truth", "decision", "redaction", "collect"]),
        st.sampled_from(IDS),
        st.integers(0, 3),
        st.sampled_from([*CLASSES, "gone"]),
    ),
    max_size=16,
)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, chunk=st.integers(1, 4))
def test_what_is_read_bit_by_bit_is_what_is_read_at_once(
    log: CollectedLog, rows: list[dict[str, Any]], steps: list[tuple[str, str, int, str]], chunk: int
) -> None:
    log = log.anew()
    for kind, request_id, number, label in steps:
        if kind == "collect":
            log.collect(chunk_records=chunk).close()
        elif kind == "redaction":
            with closing(LogFile(log.log)) as file:
                redact(file, request_id, *BY_ADA)
        else:
            log.write(_record(log, rows, kind, request_id, number, label))
    log.collect(chunk_records=chunk).close()
    in_bits = content_of(log.db)
    log.db.unlink()
    log.collect().close()
    at_once = content_of(log.db)
    if any(kind == "redaction" for kind, *_ in steps):
        # Counts are sums, from which nothing can be taken out again.
        in_bits["slot"] = at_once["slot"] = []
    assert in_bits == at_once


def _record(
    log: CollectedLog, rows: list[dict[str, Any]], kind: str, request_id: str, number: int, label: str
) -> AuditRecord:
    if kind == "single":
        return log.predicted(rows[number], request_id)
    if kind == "batch":
        return log.predicted(rows[: number + 1], request_id)
    return outcome(request_id, label, row=number, kind="truth" if kind == "truth" else "decision")


def test_a_correction_counts_though_retention_has_removed_the_prediction(
    log: CollectedLog, rows: list[dict[str, Any]]
) -> None:
    log.write(log.predicted(rows[0], "a"), outcome("a", "left"), outcome("a", "left", kind="decision"))
    log.collect().close()
    with closing(LogFile(log.log, limits=Limits(keep_days=1))) as file:
        while file.prune_step(0):
            pass
    log.write(outcome("a", "unsure"), outcome("a", "gone", kind="decision"), outcome("a", "left", row=1))
    with log.collect() as store:
        found, state = store.labelled(log.model.card.model_id), store.feedback_state()
        assert len(store.decided(log.model.card.model_id).decided) == 0
    assert found.truth.tolist() == [CLASSES.index("unsure")]
    assert np.isnan(found.truth_probability).tolist() == [True]
    assert found.delay_s.tolist() == [1.0]
    assert (state.matched, state.not_a_class, state.waiting) == (1, 1, 1)
