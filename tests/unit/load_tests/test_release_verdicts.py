from datetime import UTC, datetime

import numpy as np
import pytest

from load_tests.releases.fixed_design import fixed_labels
from load_tests.releases.made_releases import BATCH_ROWS, Case, Labels, cases, made_labels
from load_tests.releases.release_rows import POLICY, release_row
from load_tests.releases.release_verdicts import verdict_looks
from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence_state import EvidenceState, PairedRows, RoleCounts
from tests.support.monitoring.evidence_states import release_of, routed_state, rows_of, shadow_state

CASES = [
    Case("shadow", 0.01, 0.06),
    Case("shadow", -0.03, 0.2),
    Case("shadow", -0.01, 0.01),
    Case("shadow", 0.02, 0.06, batch_rows=BATCH_ROWS),
    Case("ab", 0.02, accuracy=0.9, share=0.5),
    Case("canary", -0.03, accuracy=0.9, share=0.1),
]


def state_at(labels: Labels, case: Case, release: int, rows: int) -> EvidenceState:
    """What the service would have at the look."""
    outcome = labels.outcome[release, :rows]
    request = np.arange(rows) // case.batch_rows
    if labels.is_challenger is None:
        pairs = PairedRows(rows_of(outcome <= 0, request), rows_of(outcome >= 0, request))
        return shadow_state(pairs)
    role = labels.is_challenger[release, :rows]
    models = [rows_of(outcome[which] == 1, request[which]) for which in (~role, role)]
    keys = [int(which.sum()) for which in (~role, role)]
    return routed_state(
        models[0],
        models[1],
        release=release_of("ab", share=case.share),
        champion=RoleCounts(requests=keys[0], rows=keys[0], keys=keys[0]),
        challenger=RoleCounts(requests=keys[1], rows=keys[1], keys=keys[1]),
    )


def is_calibration(reason: str) -> bool:
    return "confidence" in reason


@pytest.mark.parametrize("case", CASES)
def test_the_simulation_decides_as_the_service_does(case: Case) -> None:
    labels = made_labels(np.random.default_rng(16), case, 3)
    looks, _ = verdict_looks(labels, case, POLICY)
    actions = set()
    for release in range(3):
        for place in (0, 5, 9, 12, 20, 40, 80, 150, 250, len(case.looks) - 1):
            state = state_at(labels, case, release, int(case.looks[place]))
            found = assess_evidence(state, datetime(2026, 11, 28, tzinfo=UTC))
            # The rows of this test are not calibrated, and the simulation has no guardrail but the split.
            if any(map(is_calibration, found.reasons)):
                continue
            assert looks.rolls_back[release, place] == (found.action in {"roll_back", "freeze"})
            assert looks.promotes[release, place] == (found.action == "promote")
            actions.add(found.action)
    assert len(actions) > 1


def test_no_release_has_a_larger_difference_than_rows_that_differ() -> None:
    found = list(cases())
    assert all(abs(case.difference) <= case.discordance for case in found if case.mode == "shadow")
    assert {case.mode for case in found} == {"shadow", "canary", "ab"}


def test_labels_arrive_out_of_order_with_the_shares_of_the_case() -> None:
    case = Case("canary", 0.02, accuracy=0.9, share=0.1)
    labels = made_labels(np.random.default_rng(16), case, 10)
    assert labels.is_challenger is not None
    assert labels.is_challenger.mean() == pytest.approx(0.1, abs=0.005)
    assert labels.outcome[labels.is_challenger].mean() == pytest.approx(0.92, abs=0.01)
    assert labels.outcome[~labels.is_challenger].mean() == pytest.approx(0.9, abs=0.01)


def test_the_fixed_design_has_the_textbook_size() -> None:
    """(1.96 + 0.8416)^2 x 0.06 / 0.02^2, of a difference of 1 point above a margin of 1."""
    assert fixed_labels(Case("shadow", 0.01, 0.06), POLICY, 0.8) == pytest.approx(1_177, abs=3)
    assert fixed_labels(Case("ab", -0.03, accuracy=0.9, share=0.5), POLICY, 0.9) > 4_000


def test_a_row_has_the_verdicts_and_the_labels() -> None:
    row = release_row(16, Case("shadow", -0.03, 0.06), 20)
    assert row.evidence.rolled_back == 1
    assert row.evidence.labels_median is not None
    assert row.promotion_is_false
    assert not row.rollback_is_false
