import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.release.release import Metric, Policy
from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.evidence.evidence_state import (
    EvidenceState,
    ModelRows,
    PairedRows,
    RoleCounts,
    ShadowCounts,
    no_rows,
)
from tests.support.monitoring.evidence_states import (
    SINCE,
    TRAFFIC,
    pairs_of,
    release_of,
    routed_state,
    rows_of,
    shadow_state,
    share_right,
)

NOW = SINCE + timedelta(hours=5)


def assessed(state: EvidenceState, hours: float = 5) -> Evidence:
    """As JSON has it, which is how every reader gets it."""
    text = assess_evidence(state, SINCE + timedelta(hours=hours)).model_dump_json()
    return Evidence.model_validate_json(text)


@pytest.mark.parametrize(
    ("wins", "losses", "rows", "action"),
    [
        (0, 0, 0, "wait"),
        (1, 0, 1, "wait"),
        (30, 10, 499, "wait"),
        (40, 10, 1_000, "promote"),
        (0, 0, 1_000, "promote"),
        (60, 60, 3_000, "wait"),
        (300, 300, 30_000, "promote"),
        (10, 60, 1_000, "roll_back"),
        (0, 40, 100, "roll_back"),
        # Worse by less than the margin, and certainly: it could be promoted, but it is worse.
        (100, 400, 100_000, "roll_back"),
    ],
)
def test_the_policy_by_pairs(wins: int, losses: int, rows: int, action: str) -> None:
    assert assessed(shadow_state(pairs_of(wins, losses, rows))).action == action


@pytest.mark.parametrize(
    ("before", "after", "rows", "action"),
    [(0.9, 0.92, 4_000, "promote"), (0.9, 0.9, 2_000, "wait"), (0.9, 0.85, 4_000, "roll_back")],
)
def test_the_policy_by_samples(before: float, after: float, rows: int, action: str) -> None:
    assert assessed(routed_state(share_right(before, rows), share_right(after, rows))).action == action


@pytest.mark.parametrize(
    ("wins", "losses", "hours", "action"),
    [(60, 10, 5, "roll_back"), (60, 10, 30, "roll_back"), (10, 60, 5, "wait"), (10, 60, 24, "end_fallback")],
)
def test_the_former_champion_returns_if_it_is_better_and_goes_after_its_hours(
    wins: int, losses: int, hours: float, action: str
) -> None:
    state = shadow_state(pairs_of(wins, losses, 1_000), release=release_of(is_fallback=True))
    assert assessed(state, hours).action == action


def test_a_broken_guardrail_rolls_back_what_would_be_promoted() -> None:
    failing = TRAFFIC._replace(failed_requests=2_000)
    found = assessed(shadow_state(pairs_of(60, 10, 1_000), challenger=failing))
    assert found.action == "roll_back"
    assert "fail" in found.reasons[0]


def test_a_wrong_split_freezes_whatever_the_labels_say() -> None:
    rows = share_right(0.9, 9_000), share_right(0.5, 9_000)
    found = assessed(routed_state(*rows, champion=TRAFFIC._replace(keys=8_000)))
    assert found.action == "freeze"
    assert "keys" in found.reasons[1]


def test_samples_of_few_keys_decide_nothing() -> None:
    few = TRAFFIC._replace(keys=20)
    found = assessed(
        routed_state(share_right(0.9, 9_000), share_right(0.86, 9_000), champion=few, challenger=few)
    )
    assert found.action == "wait"
    assert "30 keys" in found.needed


@pytest.mark.parametrize(
    ("state", "needed"),
    [
        (shadow_state(challenger=RoleCounts()), "answered no request"),
        (shadow_state(), "has a label yet"),
        (shadow_state(pairs_of(5, 0, 400)), "400 of 500"),
        (shadow_state(pairs_of(60, 60, 3_000)), "lower end"),
        (shadow_state(release=release_of(is_fallback=True)), "19.0 h more"),
        (shadow_state(release=release_of("single")), "no challenger"),
        (routed_state(no_rows(), no_rows()), "No row has a label"),
        (routed_state(share_right(0.9, 50), no_rows()), "of the challenger"),
        (routed_state(no_rows(), share_right(0.9, 50)), "of the champion"),
        (
            routed_state(
                no_rows(), no_rows(), release=release_of("canary", share=0.0), challenger=RoleCounts()
            ),
            "share is 0",
        ),
    ],
)
def test_waiting_says_what_is_missing(state: EvidenceState, needed: str) -> None:
    found = assessed(state)
    assert found.action == "wait"
    assert needed in found.needed
    assert not found.reasons


@pytest.mark.parametrize("metric", ["accuracy", "brier", "log_loss"])
def test_the_first_difference_is_of_the_policys_metric_and_positive_is_better(metric: Metric) -> None:
    release = release_of(policy=Policy(metric=metric))
    found = assessed(shadow_state(pairs_of(900, 100, 10_000), release=release))
    assert found.differences[0].metric == metric
    assert {each.metric for each in found.differences} == {"accuracy", "brier", "log_loss"}
    assert all(each.low is not None and each.low > 0 for each in found.differences)
    assert found.action == "promote"


def test_losses_are_shown_as_they_are_defined() -> None:
    found = {
        each.metric: each for each in assessed(shadow_state(pairs_of(0, 0, 100, both_wrong=0.5))).differences
    }
    assert found["brier"].champion == pytest.approx((2 * 0.1**2 + 2 * 0.9**2) / 2)
    assert found["log_loss"].champion == pytest.approx(-(math.log(0.9) + math.log(0.1)) / 2)


def without_probabilities(rows: ModelRows) -> ModelRows:
    nothing = np.full(len(rows.is_right), np.nan)
    return rows._replace(confidence=nothing, truth_probability=nothing, squares=nothing)


def test_answers_without_probabilities_have_an_accuracy_alone() -> None:
    rows = PairedRows(*map(without_probabilities, pairs_of(40, 10, 1_000)))
    assert assessed(shadow_state(rows)).action == "promote"
    found = assessed(shadow_state(rows, release=release_of(policy=Policy(metric="brier"))))
    assert found.action == "wait"
    assert "needs probabilities" in found.needed


def test_pairs_of_which_one_model_gives_probabilities_have_an_accuracy_alone() -> None:
    champion, challenger = pairs_of(40, 10, 1_000)
    found = assessed(shadow_state(PairedRows(champion, without_probabilities(challenger))))
    assert [each.labelled for each in found.differences] == [1_000, 0, 0]


def test_a_constant_metric_has_an_interval_with_a_width() -> None:
    for state in (
        shadow_state(pairs_of(0, 0, 900)),
        routed_state(share_right(1.0, 900), share_right(1.0, 900)),
    ):
        for each in assessed(state).differences:
            assert each.low is not None
            assert each.high is not None
            assert each.low < 0 < each.high


def test_nothing_at_all_is_no_error() -> None:
    for mode in ("shadow", "canary", "ab"):
        state = routed_state(
            no_rows(), no_rows(), release=release_of(mode), champion=RoleCounts(), challenger=RoleCounts()
        )
        assert assessed(state).action == "wait"


def test_huge_counts_are_no_error() -> None:
    huge = RoleCounts(*(10**12,) * 5, *(float(10**12),) * 4)
    rows = share_right(0.9, 300_000)
    assert assessed(routed_state(rows, rows, champion=huge, challenger=huge)).action == "promote"
    shadow = ShadowCounts(10**12, 10**12, 10**6, 1.0, 10.0**12)
    state = shadow_state(pairs_of(1, 1, 300_000), champion=huge, challenger=huge, shadow=shadow)
    assert assessed(state).action == "promote"


def test_batches_need_more_than_as_many_single_rows() -> None:
    pairs = pairs_of(40, 10, 1_000)
    champion, challenger = (rows._replace(request=np.sort(np.arange(1_000) // 100)) for rows in pairs)
    assert assessed(shadow_state(pairs)).action == "promote"
    assert assessed(shadow_state(PairedRows(champion, challenger))).action == "wait"


@st.composite
def labelled_rows(draw: st.DrawFn, rows: int) -> ModelRows:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    is_right = generator.random(rows) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    request = generator.integers(0, draw(st.integers(1, 2 * rows)), rows)
    return rows_of(is_right, request, draw(st.sampled_from([0.5, 0.9, 1.0])))


@st.composite
def pairs(draw: st.DrawFn) -> PairedRows:
    rows = draw(st.integers(1, 300))
    champion, challenger = draw(labelled_rows(rows)), draw(labelled_rows(rows))
    return PairedRows(champion, challenger._replace(request=champion.request))


def take(rows: ModelRows, order: np.ndarray) -> ModelRows:
    return ModelRows(*(each[order] for each in rows))


def bounds(evidence: Evidence) -> np.ndarray:
    found = [(each.difference, each.low, each.high) for each in evidence.differences]
    return np.array(found, dtype=np.float64)


@settings(deadline=None, max_examples=20)
@given(pairs(), st.integers(0, 100))
def test_the_order_of_rows_changes_nothing(paired: PairedRows, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(paired.champion.is_right))
    other = PairedRows(*(take(rows, order) for rows in paired))
    first, second = assess_evidence(shadow_state(paired), NOW), assess_evidence(shadow_state(other), NOW)
    assert bounds(first) == pytest.approx(bounds(second), abs=1e-9)
    assert first.action == second.action
    assert first.discordance == second.discordance


@settings(deadline=None, max_examples=20)
@given(pairs())
def test_swapping_the_models_negates_the_differences(paired: PairedRows) -> None:
    swapped = PairedRows(paired.challenger, paired.champion)
    first, second = assess_evidence(shadow_state(paired), NOW), assess_evidence(shadow_state(swapped), NOW)
    assert bounds(first) == pytest.approx(-bounds(second)[:, [0, 2, 1]], abs=1e-9)
    state, other = routed_state(*paired), routed_state(*swapped)
    both = bounds(assess_evidence(state, NOW)), bounds(assess_evidence(other, NOW))
    assert both[0] == pytest.approx(-both[1][:, [0, 2, 1]], abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(pairs())
def test_another_look_at_the_same_state_says_the_same(paired: PairedRows) -> None:
    state = shadow_state(paired)
    assert assess_evidence(state, NOW) == assess_evidence(state, NOW)
    for each in assess_evidence(state, NOW).differences:
        assert each.low is not None
        assert each.difference is not None
        assert each.high is not None
        assert each.low <= each.difference <= each.high
