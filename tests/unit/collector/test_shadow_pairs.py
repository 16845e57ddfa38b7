"""What a challenger said in shadow is counted, and compared with the champion where the truth is known."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from pydantic_core import from_json

from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import BY_ADA
from tests.support.collected_logs import content_of, outcome, rows_of
from tests.support.released_logs import ReleasedLog, plain
from tests.support.replayed_logs import START
from training.table.dataset import Dataset

CLASSES = ("left", "stays", "unsure")


@pytest.fixture(scope="module")
def rows(mixed_dataset: Dataset) -> list[dict[str, Any]]:
    return rows_of(mixed_dataset)


Predicted = Callable[..., AuditRecord]


@pytest.fixture
def predicted(released: ReleasedLog, rows: list[dict[str, Any]]) -> Predicted:
    """Makes a prediction with a fixed time of receipt, which its record in shadow names."""

    def make(request_id: str, count: int = 1) -> AuditRecord:
        record = released.predicted(rows[:count] if count > 1 else rows[0], request_id)
        return replace(record, received_utc=START + timedelta(seconds=5))

    return make


def test_rows_that_both_models_predicted_are_counted_without_labels(
    released: ReleasedLog, predicted: Predicted
) -> None:
    release = released.release("shadow")
    records = [predicted("a"), predicted("b", 4), predicted("c")]
    shadows = [released.shadow(record, release, seed) for seed, record in enumerate(records[:2], 1)]
    early = released.shadow(records[0], release, 9)
    released.write_at(early)
    released.come_into_force(release)
    released.write_at(*records, *shadows, released.shadow(records[2], release, error="rows failed"))
    released.write_at(released.shadow(records[2], released.release("shadow", 7), 3))
    state = released.evidence_state(release)
    said = [from_json(shadow.response) for shadow in shadows]
    labels = [
        (a, b)
        for record, each in zip(records, said, strict=False)
        for (a, _), b in zip(record.predictions, each["predictions"], strict=True)
    ]
    differing = [pair for pair in labels if pair[0] != pair[1]]
    best = [max(row) for each in said for row in each["probabilities"]]
    before = [confidence for record in records[:2] for _, confidence in record.predictions]
    assert (state.shadow.requests, state.shadow.rows) == (2, 5)
    assert state.shadow.differing_rows == len(differing) > 0
    assert {(one, other): n for one, other, n in state.shadow.by_classes} == {
        pair: differing.count(pair) for pair in differing
    }
    change = np.array(best) - before
    assert state.shadow.confidence_difference_sum == pytest.approx(change.sum(), abs=1e-6)
    assert state.shadow.confidence_difference_squares == pytest.approx(np.square(change).sum(), abs=1e-6)
    assert (state.challenger.requests, state.challenger.failed_requests, state.challenger.rows) == (2, 1, 5)
    assert state.challenger.flagged_rows == 3
    assert state.challenger.log_ms_sum == pytest.approx(np.log([3.0, 4.0]).sum(), abs=1e-6)
    assert state.challenger.confidence_sum == pytest.approx(sum(best), abs=1e-6)
    assert (state.champion.requests, state.champion.rows) == (3, 6)
    assert len(state.paired.champion.request) == 0


def test_the_pairs_are_the_same_whenever_outcomes_come(released: ReleasedLog, predicted: Predicted) -> None:
    release = released.release("shadow")
    record = predicted("a", 3)
    entries = {
        "prediction": record,
        "shadow": released.shadow(record, release, 4),
        "labels": outcome("a", "left", row=1),
        "correction": outcome("a", "unsure", row=1),
    }
    probabilities = np.array(from_json(entries["shadow"].response)["probabilities"])[1]
    for order in permutations(entries):
        is_corrected_first = order.index("correction") < order.index("labels")
        if is_corrected_first or order.index("shadow") < order.index("prediction"):
            continue
        log = released.anew()
        log.come_into_force(release)
        for name in order:
            log.write_at(entries[name])
            log.collect().close()
        pairs = log.evidence_state(release).paired
        assert pairs.champion.request.tolist() == pairs.challenger.request.tolist()
        assert len(pairs.champion.request) == 1
        assert pairs.champion.received_s.tolist() == [record.received_utc.timestamp()]
        assert pairs.champion.is_right.tolist() == [record.predictions[1][0] == "unsure"]
        assert pairs.challenger.is_right.tolist() == [bool(probabilities.argmax() == 2)]
        assert pairs.challenger.confidence.tolist() == [probabilities.max()]
        assert pairs.challenger.truth_probability.tolist() == [probabilities[2]]
        assert pairs.challenger.squares.tolist() == pytest.approx([np.square(probabilities).sum()])


def test_a_request_that_is_redacted_or_ambiguous_is_no_pair(
    released: ReleasedLog, predicted: Predicted
) -> None:
    release = released.release("shadow")
    released.come_into_force(release)
    for name in ("redacted", "twice", "withdrawn", "kept"):
        record = predicted(name)
        released.write_at(record, released.shadow(record, release, 2), outcome(name, "left"))
    assert len(released.evidence_state(release).paired.champion.request) == 4
    released.write_at(predicted("twice"), outcome("withdrawn", "gone"))
    with closing(LogFile(released.log)) as file:
        redact(file, "redacted", *BY_ADA)
    assert len(released.evidence_state(release).paired.challenger.request) == 1
    assert [row[3] for row in content_of(released.db)["shadow_row"]] == ["kept"]


def test_a_correction_counts_though_retention_has_removed_the_records(
    released: ReleasedLog, predicted: Predicted
) -> None:
    release = released.release("shadow")
    released.come_into_force(release)
    record = predicted("a")
    shadow = released.shadow(record, release, 2)
    (label,) = from_json(shadow.response)["predictions"]
    released.write_at(record, shadow, outcome("a", label))
    assert released.evidence_state(release).paired.challenger.is_right.tolist() == [True]
    with closing(LogFile(released.log, limits=Limits(keep_days=1))) as file:
        while file.prune_step(0):
            pass
    other = next(each for each in CLASSES if each != label)
    released.write_at(outcome("a", other))
    challenger = released.evidence_state(release).paired.challenger
    assert challenger.is_right.tolist() == [False]
    assert np.isnan(challenger.truth_probability).all()


def test_records_in_shadow_that_cannot_be_read_are_left_out(
    released: ReleasedLog, predicted: Predicted
) -> None:
    release = released.release("shadow")
    released.come_into_force(release)
    record = predicted("a")
    shadow = released.shadow(record, release, 2)
    (label,) = from_json(shadow.response)["predictions"]
    broken = [
        replace(shadow, response=b"{"),
        replace(shadow, request=b"[]"),
        replace(shadow, rows=2),
        replace(shadow, response=shadow.response.replace(b'"probabilities":[[', b'"probabilities":[["x",')),
        replace(shadow, response=shadow.response.replace(f'"{label}"'.encode(), b"{}")),
    ]
    released.write_at(record, *broken, outcome("a", "left"))
    state = released.evidence_state(release)
    assert (state.challenger.requests, state.challenger.failed_requests) == (0, 0)
    released.write_at(shadow)
    assert released.evidence_state(release).shadow.requests == 1
    assert plain(released.evidence_state(release).paired.champion.received_s) == [START.timestamp() + 5]
